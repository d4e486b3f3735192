"""What is told of the targets in an image."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: pip install 'ros-rclpy[fastrtps]'")

from autrack_ros.drawing import Trail
from autrack_ros.node.target_reports import TrackedTarget, look_alikes
from autrack_ros.tracking import Box, TrackState

CUP, MUG, THIRD = Box(10, 10, 40, 40), Box(100, 10, 40, 40), Box(200, 10, 40, 40)


def target(name: str, box: Box | None, twin: Box | None) -> TrackedTarget:
    state = TrackState.LOST if box is None else TrackState.TRACKING
    result = SimpleNamespace(look_alike=twin)
    return TrackedTarget(name, state, False, box, box or CUP, 0.9, result, 0.0, Trail(1.0))


def test_what_looks_like_a_target_is_told_by_target():
    assert look_alikes([target("cup", CUP, MUG), target("third", THIRD, None)]) == {"cup": MUG}


def test_another_target_is_no_look_alike():
    assert look_alikes([target("cup", CUP, MUG), target("mug", MUG, CUP)]) == {}


def test_what_two_targets_have_beside_them_is_told_once():
    near = Box(THIRD.x + 3, THIRD.y, THIRD.w, THIRD.h)
    assert look_alikes([target("cup", CUP, THIRD), target("mug", MUG, near)]) == {"cup": THIRD}


def test_beside_a_lost_target_and_without_a_response_nothing_is_told():
    plugin = TrackedTarget("p", TrackState.TRACKING, False, MUG, MUG, 0.9, None, 0.0, Trail(1.0))
    assert look_alikes([target("cup", None, THIRD), plugin]) == {}
