"""The picture of a run of the demo ``follow``: what the camera saw, the path, the distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from autrack_ros.drawing import DrawnTarget, draw_overlay
from autrack_ros.drawing.figures import BLUE, GREEN, PURPLE, VERMILION, dress, new_figure
from autrack_ros.drawing.style import style_of
from autrack_ros.tracking import Box

if TYPE_CHECKING:
    from autrack_ros.demo.follow_step import Step

_SIZE = (1240, 860)
_EVERY_S = 2.0  # between the marks on the paths


def draw_run(steps: Sequence[Step], distance_m: float, file: Path) -> None:
    """Draw a run.

    Args:
        steps: of it.
        distance_m: that the robot was to keep.
        file: PNG to write.
    """
    figure = new_figure(*_SIZE)
    rows = figure.add_gridspec(2, 3, height_ratios=[1, 1.25])
    shown = _shown(steps)
    for column, (title, step) in enumerate(shown):
        axes = figure.add_subplot(rows[0, column])
        axes.imshow(cv2.cvtColor(_overlay(step), cv2.COLOR_BGR2RGB))
        axes.set_title(f"{title}, {step.seconds:.0f} s", fontsize=11)
        axes.set_axis_off()
    _draw_path(figure.add_subplot(rows[1, :2]), steps)
    lower = rows[1, 2].subgridspec(2, 1, height_ratios=[1.4, 1])
    _draw_distance(figure.add_subplot(lower[0]), steps, distance_m)
    _draw_speed(figure.add_subplot(lower[1]), steps)
    figure.savefig(file)


def _shown(steps: Sequence[Step]) -> list[tuple[str, Step]]:
    """An image before, while and after the target was lost."""
    stretches = _lost(steps)
    if not stretches:
        return [("followed", steps[len(steps) // 2])]
    first, last = stretches[0]
    return [
        ("followed", steps[max(0, first - 20)]),
        ("hidden: LOST, the robot stands", steps[(first + last) // 2]),
        ("found again", steps[min(len(steps) - 1, last + 8)]),
    ]


def _lost(steps: Sequence[Step]) -> list[tuple[int, int]]:
    """First and last index of every stretch of steps in which the target was LOST."""
    is_lost = np.array([False, *(step.state == "lost" for step in steps), False])
    ends = np.flatnonzero(np.diff(is_lost.astype(int)))
    return [(int(first), int(after) - 1) for first, after in ends.reshape(-1, 2)]


def _overlay(step: Step) -> np.ndarray:
    track = step.track
    image = cv2.resize(step.image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    if track.size_x <= 0:
        return image
    x, y = track.center_x - track.size_x / 2, track.center_y - track.size_y / 2
    box = Box(2 * x, 2 * y, 2 * track.size_x, 2 * track.size_y)
    label = f"{step.measured_m:.2f} m" if not math.isnan(step.measured_m) else track.id
    return draw_overlay(image, [DrawnTarget(box, label, track.score, step.state)])


def _draw_path(axes: Any, steps: Sequence[Step]) -> None:
    dress(axes)
    target = np.array([(step.target.x, step.target.y) for step in steps])
    axes.plot(*target.T, color=GREEN, lw=2, label="object")
    for name, label in (("tracking", "robot"), ("lost", "robot, object LOST")):
        robot = np.array(
            [
                (step.robot.x, step.robot.y)
                if (step.state == "lost") == (name == "lost")
                else (math.nan, math.nan)
                for step in steps
            ]
        )
        color = BLUE if name == "tracking" else VERMILION
        marker = "" if name == "tracking" else "s"
        axes.plot(*robot.T, color=color, lw=2, marker=marker, ms=7, label=label)
    every = max(1, round(_EVERY_S / (steps[1].seconds - steps[0].seconds)))
    for step in steps[::every]:
        axes.plot(
            [step.robot.x, step.target.x], [step.robot.y, step.target.y], color="0.75", lw=0.8
        )
        axes.plot(step.robot.x, step.robot.y, "o", color=BLUE, ms=4)
        axes.plot(step.target.x, step.target.y, "o", color=GREEN, ms=4)
    places = [_place(step) for step in steps]
    axes.plot(
        *np.array([place for place in places if place is not None]).T,
        ".",
        color=PURPLE,
        ms=3,
        label="object as measured",
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("x, m")
    axes.set_ylabel("y, m")
    axes.set_title(f"from above; joined every {_EVERY_S:g} s", fontsize=11)
    axes.legend(frameon=False, fontsize=9)


def _place(step: Step) -> tuple[float, float] | None:
    """Where the tracker measured the object, on the floor."""
    if math.isnan(step.measured_m):
        return None
    position = step.track.motion.position
    place = step.robot.ahead(position.z, -position.x)
    return place.x, place.y


def _draw_distance(axes: Any, steps: Sequence[Step], distance_m: float) -> None:
    dress(axes)
    times = [step.seconds for step in steps]
    _shade_lost(axes, steps)
    axes.axhline(distance_m, color="0.5", lw=1, ls="--")
    axes.plot(times, [step.distance for step in steps], color=GREEN, lw=2, label="true")
    axes.plot(times, [step.measured_m for step in steps], ".", color=PURPLE, ms=3, label="measured")
    axes.set_ylim(0.5, max(2.5, distance_m + 1))
    axes.set_ylabel("distance, m")
    axes.legend(frameon=False, fontsize=9)


def _draw_speed(axes: Any, steps: Sequence[Step]) -> None:
    dress(axes)
    _shade_lost(axes, steps)
    axes.plot([step.seconds for step in steps], [step.speed for step in steps], color=BLUE, lw=2)
    axes.set_ylabel("speed, m/s")
    axes.set_xlabel("seconds")


def _shade_lost(axes: Any, steps: Sequence[Step]) -> None:
    blue, green, red = (value / 255 for value in style_of("lost").color)
    for number, (first, last) in enumerate(_lost(steps)):
        axes.axvspan(
            steps[first].seconds,
            steps[last].seconds,
            color=(red, green, blue),
            alpha=0.15,
            lw=0,
            label="" if number else "LOST",
        )
