"""Curves, scatters and intervals of a comparison, as SVG files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from autrack_ros.drawing.figures import BLUE, GREEN, PURPLE, VERMILION, dress, new_figure, save_svg
from autrack_ros.evaluation import metrics
from autrack_ros.evaluation.comparison.compare import Comparison
from autrack_ros.evaluation.comparison.runs import StoredRun, StoredSequence
from autrack_ros.evaluation.statistics import CLEAR_CHANGE, Difference

COLORS = (BLUE, VERMILION, GREEN, PURPLE)
DASHES = ("-", "--", "-.", ":")
_NAMED_POINTS = 6  # of a scatter, the farthest from the diagonal...
_NAMED_FROM = 0.05  # ... and at least so far
_NAME_HEIGHT = 0.03  # of the axis
_ROW_PX = 26


def draw_success(comparison: Comparison, path: Path) -> None:
    """OTB's success plot: the curves' mean over the sequences, best first in the legend."""
    _draw_curves(
        comparison,
        path,
        metrics.SUCCESS_THRESHOLDS,
        lambda sequence: metrics.success_curve(sequence.overlaps),
        "auc",
        ("overlap threshold", "success rate", "AUC"),
    )


def draw_precision(comparison: Comparison, path: Path) -> None:
    """OTB's precision plot: the curves' mean over the sequences, best first in the legend."""
    _draw_curves(
        comparison,
        path,
        metrics.PRECISION_THRESHOLDS,
        lambda sequence: metrics.precision_curve(sequence.center_errors),
        "precision",
        ("centre error threshold, pixels", "precision", "at 20 px"),
    )


def draw_scatter(comparison: Comparison, other: StoredRun, path: Path) -> None:
    """The AUC of every sequence, of the first run and of another."""
    first = comparison.runs[0]
    x, y = comparison.values(first, "auc"), comparison.values(other, "auc")
    figure = new_figure(520, 500)
    axes = figure.subplots()
    low = max(0, np.floor(10 * min(x.min(), y.min()) - 0.3) / 10)
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=1)
    won, lost = y - x > CLEAR_CHANGE, x - y > CLEAR_CHANGE
    tied = ~won & ~lost
    for chosen, color, marker, name in (
        (won, VERMILION, "^", f"{other.name} better: {won.sum()}"),
        (lost, BLUE, "v", f"{first.name} better: {lost.sum()}"),
        (tied, "0.5", "o", f"equal to {CLEAR_CHANGE}: {tied.sum()}"),
    ):
        axes.scatter(x[chosen], y[chosen], s=36, color=color, marker=marker, label=name, zorder=3)
    farthest = np.argsort(-np.abs(y - x), kind="stable")[:_NAMED_POINTS]
    lowest = -np.inf  # where the next name fits
    named = [index for index in farthest if abs(y[index] - x[index]) >= _NAMED_FROM]
    for index in sorted(named, key=lambda index: y[index]):
        right = x[index] < (low + 1) / 2  # so that the name stays inside
        lowest = max(lowest, y[index])
        axes.annotate(
            comparison.names[index],
            (x[index], lowest),
            (8 if right else -8, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=8,
        )
        lowest += _NAME_HEIGHT * (1 - low)
    dress(axes)
    axes.set_xlim(low, 1)
    axes.set_ylim(low, 1)
    axes.set_aspect("equal")
    axes.set_xlabel(f"AUC, {first.name}")
    axes.set_ylabel(f"AUC, {other.name}")
    axes.legend(frameon=False, loc="upper left" if won.sum() < lost.sum() else "lower right")
    save_svg(figure, path)


def draw_intervals(rows: Sequence[tuple[str, Difference]], path: Path) -> None:
    """Differences with their intervals, a row each, from the top."""
    figure = new_figure(520, 70 + _ROW_PX * len(rows))
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=1)
    for place, (_, difference) in enumerate(rows):
        color = {"better": VERMILION, "worse": BLUE}.get(difference.verdict, "0.45")
        if difference.low is not None and difference.high is not None:
            axes.plot((difference.low, difference.high), (place, place), color=color, linewidth=2)
        axes.plot(difference.mean, place, "o", color=color, markersize=6)
    dress(axes)
    axes.grid(False, axis="y")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("difference, with its 95 % interval")
    save_svg(figure, path)


def _draw_curves(
    comparison: Comparison,
    path: Path,
    thresholds: np.ndarray,
    curve: Callable[[StoredSequence], np.ndarray],
    metric: str,
    words: tuple[str, str, str],
) -> None:
    figure = new_figure(520, 400)
    axes = figure.subplots()
    styles = {run.name: style(index) for index, run in enumerate(comparison.runs)}
    ranked = sorted(comparison.runs, key=lambda run: -comparison.means[run.name][metric])
    for run in ranked:
        rows = [curve(run.sequences[name]) for name in comparison.names]
        color, dashes = styles[run.name]
        axes.plot(
            thresholds,
            np.mean(rows, axis=0),
            color=color,
            linestyle=dashes,
            linewidth=2,
            label=f"{run.name} {comparison.means[run.name][metric]:.3f}",
        )
    if metric == "precision":
        axes.axvline(metrics.PRECISION_PX, color="0.6", linestyle=":", linewidth=1)
    dress(axes)
    x, y, title = words
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(0, thresholds[-1])
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, title=title, alignment="left", handlelength=2.6)
    save_svg(figure, path)


def style(index: int) -> tuple[str, str]:
    """Colour and line style of a run; both differ among the first four."""
    count = len(COLORS)
    return COLORS[index % count], DASHES[(index + index // count) % count]
