"""The figures of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autrack_ros.drawing.figures import BLUE, GREEN, PURPLE, VERMILION, dress, new_figure
from benchmarks.template_update.paired import Difference

COLORS = {"pixels": BLUE, "random_sign": PURPLE, "features": GREEN, "head": VERMILION}
WORDS = {
    "pixels": "template's pixels",
    "random_sign": "random signs",
    "features": "template's features",
    "head": "head's weights",
}


def draw_changes(rows: Sequence[tuple[str, str, Mapping[str, Difference]]], path: Path) -> None:
    """Mean change of the AUC and its interval: arm, kind, and a difference a group of cases."""
    groups = list(rows[0][2])
    figure = new_figure(1000, 120 + 34 * len(rows))
    panels = figure.subplots(1, len(groups), sharex=True, sharey=True, squeeze=False)[0]
    for axes, words in zip(panels, groups, strict=True):
        for place, (_, kind, changes) in enumerate(reversed(rows)):
            change, color = changes[words], COLORS[kind]
            axes.plot([change.low, change.high], [place, place], color=color, lw=3)
            axes.plot(change.mean, place, "o", color=color, ms=8)
        axes.axvline(0, color="0.3", lw=1)
        axes.set_title(f"{words}, {rows[0][2][words].cases} sequences")
        axes.set_xlabel("change of success AUC, mean and 95 % interval")
        dress(axes)
    panels[0].set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
    figure.savefig(path)


def draw_overfitting(points: Mapping[str, tuple[str, float, float]], path: Path) -> None:
    """Change of the loss in later frames against that on the support crops: arm -> kind, x, y."""
    figure = new_figure(1000, 560)
    axes = figure.subplots()
    for kind, color in COLORS.items():
        some = [(x, y) for other, x, y in points.values() if other == kind]
        if some:
            axes.plot(*zip(*some, strict=True), "o", color=color, ms=8, label=WORDS[kind])
    for name, (kind, x, y) in points.items():
        axes.annotate(
            name, (x, y), (6, 4), textcoords="offset points", color=COLORS[kind], fontsize=8
        )
    axes.axhline(0, color="0.3", lw=1)
    axes.margins(x=0.12)
    axes.set_xlabel("change of the loss on the support crops of the first frame")
    axes.set_ylabel("change of the loss in later frames")
    dress(axes)
    axes.legend(loc="best")
    figure.savefig(path)
