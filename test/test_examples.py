"""The programs of examples/ do what they say."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from pictures import BOX, HEIGHT, WIDTH, moved, picture

from autrack_ros.tracking import Box, iou

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def write_clip(path: Path, images: Iterable[np.ndarray]) -> None:
    clip = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (WIDTH, HEIGHT))
    for image in images:
        clip.write(image)
    clip.release()


def run(program: str, *arguments: object) -> list[str]:
    """What it prints, by lines."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / program), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("program", ["follow_in_video", "states_and_recovery", "turn_towards"])
def test_an_example_is_short(program: str) -> None:
    lines = (EXAMPLES / f"{program}.py").read_text(encoding="utf-8").splitlines()
    assert 15 <= len(lines) <= 40


def test_a_box_is_followed_through_a_video(tmp_path: Path) -> None:
    shifts = range(0, 30, 3)
    write_clip(tmp_path / "clip.mp4", map(picture, shifts))
    lines = run("follow_in_video.py", tmp_path / "clip.mp4", "100,80,50,40", tmp_path / "out.mp4")
    boxes = [Box(*map(float, line.split())) for line in lines]
    assert len(boxes) == len(shifts)
    assert all(iou(box, moved(BOX, shift)) > 0.7 for box, shift in zip(boxes, shifts, strict=True))
    drawn = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == len(shifts)
    x, y = (round(value) for value in boxes[0][:2])
    blue, green, red = drawn.read()[1][y, x + 25].astype(int)
    assert green > 150 > max(blue, red)


def test_states_tell_when_a_target_is_lost_and_found(tmp_path: Path) -> None:
    # The patch that stands still is there all the time, the other one goes and comes back.
    gone = [picture(patches=1)] * 25
    write_clip(tmp_path / "clip.mp4", [picture(), picture(), *gone, *[picture()] * 15])
    targets = ["patch=100,80,50,40", "still=200,150,44,52"]
    lines = run("states_and_recovery.py", tmp_path / "clip.mp4", *targets)
    assert not [line for line in lines if "still" in line]
    words = [line.split(": patch is ")[1].split(",")[0] for line in lines]
    assert "LOST" in words
    assert words[-1] == "TRACKING"
    corner = [float(value) for value in lines[-1].split("at ")[1].split(", ")]
    assert corner == pytest.approx(BOX[:2], abs=8)


@pytest.fixture
def turning() -> Iterable[SimpleNamespace]:
    """The example in a running node, and the velocities that it commands."""
    pytest.importorskip("rclpy", reason="needs ROS 2")
    pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")
    from geometry_msgs.msg import Twist
    from ros_node import ros_node

    from examples.turn_towards import TurnTowards

    with ros_node("listener") as ros:
        example = TurnTowards(context=ros.node.context)
        ros.executor.add_node(example)
        commands: list[Twist] = []
        ros.node.create_subscription(Twist, "cmd_vel", commands.append, 10)
        yield SimpleNamespace(node=example, commands=commands, spin=ros.spin_once)
        example.destroy_node()


def test_the_robot_turns_towards_a_tracked_target_and_stands_without(
    turning: SimpleNamespace,
) -> None:
    from autrack_ros.msg import Track
    from ros_process import wait_until

    wait_until(lambda: turning.commands, turning.spin, "the zero of the silence")
    assert turning.commands[-1].angular.z == 0

    def answer_to(state: int) -> float:
        track = Track(state=state)
        track.bearing.x, track.bearing.z = math.sin(0.2), math.cos(0.2)  # to the right
        turning.commands.clear()
        turning.node.on_track(track)
        wait_until(lambda: turning.commands, turning.spin, "a velocity")
        return float(turning.commands[0].angular.z)

    assert answer_to(Track.TRACKING) == pytest.approx(-0.3)
    assert answer_to(Track.LOST) == 0
    assert answer_to(Track.UNCERTAIN) == 0
