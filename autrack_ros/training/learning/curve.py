"""The learning curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autrack_ros.drawing.figures import BLUE, GREEN, PURPLE, VERMILION, dress, new_figure

PANELS = (  # y axis; log field, words, colour and marker of each curve
    (
        "loss, logarithmic scale",
        (
            ("loss", "training pairs", BLUE, "."),
            ("validation_loss", "validation pairs, averaged weights", VERMILION, "o"),
        ),
    ),
    (
        "overlap with the target, 0 to 1",
        (
            ("validation_iou", "mean IoU, validation pairs", GREEN, "o"),
            ("validation_auc", "success AUC, validation clips", PURPLE, "s"),
        ),
    ),
)
LOSS_TICKS = (1, 1.5, 2, 3, 4, 6, 8)  # times powers of 10


def draw_learning_curve(rows: Sequence[Mapping[str, float | str]], path: Path) -> None:
    """Draw losses, and beside them validation overlap, against the number of pairs seen.

    Args:
        rows: the log; a field that is empty or not there is no point.
        path: the PNG to write.
    """
    figure = new_figure(1000, 420)
    panels = figure.subplots(1, 2, sharex=True)
    for axes, (quantity, curves) in zip(panels, PANELS, strict=True):
        for field, words, color, marker in curves:
            points = [
                (float(row["pairs"]) / 1000, float(row[field]))
                for row in rows
                if row.get(field, "") != ""
            ]
            if points:
                axes.plot(*zip(*points, strict=True), color=color, marker=marker, ms=4, label=words)
        dress(axes)
        axes.set_xlabel("thousand pairs")
        axes.set_ylabel(quantity)
        if axes.lines:
            axes.legend()
    losses = panels[0]
    losses.set_xlim(left=0)
    losses.set_yscale("log", subs=())
    losses.yaxis.get_major_locator().set_params(subs=LOSS_TICKS)
    losses.yaxis.set_major_formatter("{x:g}")
    figure.savefig(path)
