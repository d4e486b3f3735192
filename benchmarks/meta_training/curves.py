"""Learning curves: as files, as a table and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from autrack_ros.drawing.figures import BLUE, GREEN, PURPLE, VERMILION, dress, new_figure
from benchmarks.meta_training.learning import Point, Settings
from benchmarks.peers.tables import markdown

COLORS = {"none": BLUE, "first": VERMILION, "second": GREEN, "learned": PURPLE, "blind": "0.5"}


def write_curve(points: Sequence[Point], path: Path) -> None:
    """Write the points of one training."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Point)])
        writer.writeheader()
        writer.writerows(map(asdict, points))


def read_curve(path: Path) -> list[Point]:
    """Read what ``write_curve`` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Point(
                int(row["episodes"]),
                *(float(row[name]) for name in ("plain", "updated", "step_size")),
            )
            for row in csv.DictReader(file)
        ]


def curve_table(curves: Mapping[Settings, Sequence[Point]]) -> str:
    """First and last point of each training."""
    rows = [["inner loop", "seed", "episodes", "as cut", "updated", "gain", "step"]]
    for run, points in curves.items():
        for point in (points[0], points[-1]):
            rows.append(
                [
                    *(run.order, str(run.seed), str(point.episodes), f"{point.plain:.4f}"),
                    *(f"{point.updated:.4f}", f"{point.plain - point.updated:+.4f}"),
                    f"{point.step_size:.2f}",
                ]
            )
    return markdown(rows)


def draw_curves(curves: Mapping[Settings, Sequence[Point]], path: Path) -> None:
    """Losses on held-out films while it learns: with the template as it was cut, and updated."""
    figure = new_figure(1000, 420)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, name, title in zip(
        panels, ("plain", "updated"), ("template as it was cut", "updated template"), strict=True
    ):
        for run, points in curves.items():
            axes.plot(
                [point.episodes for point in points],
                [getattr(point, name) for point in points],
                color=COLORS[run.order],
                marker=".",
                label=f"inner loop: {run.order}" if run.seed == next(iter(curves)).seed else None,
            )
        dress(axes)
        axes.set_title(title)
        axes.set_xlabel("episodes")
    panels[0].set_ylabel("loss in another frame, held-out films")
    panels[0].legend()
    figure.savefig(path)
