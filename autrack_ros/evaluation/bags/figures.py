"""Curves of runs over a bag, as SVG files; the same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from autrack_ros.drawing.figures import BLUE, GREEN, VERMILION, dress, new_figure, save_svg
from autrack_ros.evaluation import metrics
from autrack_ros.evaluation.bags.tracks import Run, last_boxes_of, overlaps_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")

# Dashed, so that an equal one below it is seen.
_RUN_LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE},
    {"color": VERMILION, "linestyle": "--"},
    {"color": GREEN},
)
# As drawing.style has them; idle is no state of a target.
_STATE_COLORS = {
    "idle": "0.85",
    "adapting": "#CC79A7",
    "tracking": "#56B4E9",
    "uncertain": "#F0E442",
    "lost": "#D55E00",
}
_PRECISION_THRESHOLDS = np.arange(51)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure that was written.

    Attributes:
        path: SVG file.
        shows: in words, for who does not see it.
        caption: what is to be known to read it.
        wide: as wide as the page; others stand side by side.
    """

    path: Path
    shows: str
    caption: str
    wide: bool = False


def draw_figures(runs: Sequence[Run], truth: np.ndarray | None, folder: Path) -> list[Drawing]:
    """Draw success and precision where they can be scored, and the course of every run.

    Args:
        runs: over the same images; the first is over all of them.
        truth: a box an image (see ``boxes``); None where it is not known.
        folder: for the SVG files.
    """
    drawings = []
    scored = [run for run in runs if run.numbers.get("scores")]
    if truth is not None and scored:
        drawings += [_success(scored, truth, folder), _precision(scored, truth, folder)]
    drawings.append(_course(runs, truth, folder))
    return drawings


def _success(runs: Sequence[Run], truth: np.ndarray, folder: Path) -> Drawing:
    figure = new_figure(520, 340)
    axes = figure.subplots()
    for run, line in zip(runs, _RUN_LINES, strict=False):
        curve = metrics.success_curve(overlaps_of(run.tracks, truth))
        auc = run.numbers["scores"]["auc"]
        axes.plot(metrics.SUCCESS_THRESHOLDS, curve, **line, label=f"{run.name} {auc:.3f}")
    _label(axes, "overlap threshold", "part of the images")
    axes.set_xlim(0, 1)
    return Drawing(
        save_svg(figure, folder / "success.svg"),
        "Success curve: part of the images whose overlap is above a threshold.",
        "Success: part of the images whose overlap is above the threshold; in the legend the AUC.",
    )


def _precision(runs: Sequence[Run], truth: np.ndarray, folder: Path) -> Drawing:
    figure = new_figure(520, 340)
    axes = figure.subplots()
    for run, line in zip(runs, _RUN_LINES, strict=False):
        errors = metrics.center_errors(last_boxes_of(run.tracks), truth[: len(run.tracks)])
        errors = errors[~np.isnan(overlaps_of(run.tracks, truth))]
        curve = (errors[:, None] <= _PRECISION_THRESHOLDS).mean(axis=0)
        at_20 = run.numbers["scores"]["precision"]
        axes.plot(_PRECISION_THRESHOLDS, curve, **line, label=f"{run.name} {at_20:.3f}")
    axes.axvline(metrics.PRECISION_PX, color="0.6", linestyle=":")
    _label(axes, "centre error threshold, pixels", "part of the images")
    axes.set_xlim(0, _PRECISION_THRESHOLDS[-1])
    return Drawing(
        save_svg(figure, folder / "precision.svg"),
        "Precision curve: part of the images whose centre error is at most a threshold.",
        "Precision: part of the images whose centre error is at most the threshold; in the legend "
        "that at 20 pixels.",
    )


def _course(runs: Sequence[Run], truth: np.ndarray | None, folder: Path) -> Drawing:
    """Overlap and score over the images, and a strip of states for every run."""
    curves = ["overlap", "score"] if truth is not None else ["score"]
    strips = len(runs) + (truth is not None)
    height = 60 + 150 * len(curves) + 34 * strips
    figure = new_figure(1080, height)
    rows = figure.subplots(
        len(curves) + 1, 1, sharex=True, height_ratios=[150] * len(curves) + [34 * strips]
    )
    count = len(runs[0].tracks)
    for axes, name in zip(rows, curves, strict=False):
        for run, line in zip(runs, _RUN_LINES, strict=False):
            scores = np.array([track.score for track in run.tracks])
            idle = np.array([track.state == "idle" for track in run.tracks])
            values = (
                overlaps_of(run.tracks, truth)
                if name == "overlap" and truth is not None
                else np.where(idle, np.nan, scores)
            )
            numbers = np.arange(1, len(values) + 1)
            axes.plot(numbers, values, **line, linewidth=1.2, label=run.name)
        _label(axes, "", name)
    if len(runs) == 1:
        for axes in rows[:-1]:
            axes.get_legend().remove()
    _states(rows[-1], runs, truth)
    rows[-1].set_xlim(0.5, count + 0.5)
    rows[-1].set_xlabel("image")
    shows = " and ".join(curves).capitalize()
    return Drawing(
        save_svg(figure, folder / "course.svg"),
        f"{shows} of every image, and the states below.",
        "Overlap is that of the last box where the target is lost, and left out where it is absent "
        "or not annotated."
        if truth is not None
        else "",
        wide=True,
    )


def _states(axes: Axes, runs: Sequence[Run], truth: np.ndarray | None) -> None:
    rows = [([track.state for track in run.tracks], run.name) for run in runs]
    seen = {state for states, _ in rows for state in states}
    for row, (states, _) in enumerate(rows):
        for state, start, length in _stretches(states):
            axes.broken_barh([(start + 0.5, length)], (row - 0.4, 0.8), color=_STATE_COLORS[state])
    names = [name for _, name in rows]
    if truth is not None:
        there = metrics.present(truth)
        for present, start, length in _stretches(there.tolist()):
            if present:
                place = (len(rows) - 0.4, 0.8)
                axes.broken_barh([(start + 0.5, length)], place, color="0.55")
        names.append("target annotated")
    for state, color in _STATE_COLORS.items():
        if state in seen:
            axes.broken_barh([], (0, 0), color=color, label=state)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -0.02), ncols=5, frameon=False, borderaxespad=2.2
    )


def _stretches(values: Sequence[T]) -> list[tuple[T, int, int]]:
    """Value, start and length of every stretch of equal values."""
    found: list[tuple[T, int, int]] = []
    start = 0
    for value, group in groupby(values):
        length = len(list(group))
        found.append((value, start, length))
        start += length
    return found


def _label(axes: Axes, x: str, y: str) -> None:
    dress(axes)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False)
