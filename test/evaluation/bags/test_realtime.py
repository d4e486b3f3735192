"""What was known when, of answers that come late or never; without ROS."""

from __future__ import annotations

import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")

from autrack_ros.evaluation.bags.realtime import Arrival, compare, known_tracks, punctuality
from autrack_ros.evaluation.bags.tracks import Run, Track
from autrack_ros.tracking import Box

STAMPS = [10, 20, 30, 40, 50, 60]
SENT = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
START = Track(20, "tracking", Box(1, 1, 10, 10), 1.0)


def answer(index: int, state: str = "tracking") -> Track:
    box = Box(index, 0, 10, 10) if state != "idle" else None
    return Track(STAMPS[index], state, box, 0.5)


def arrivals(*came: tuple[int, float]) -> list[Arrival]:
    return [Arrival(index, time_s, answer(index)) for index, time_s in came]


def test_an_answer_counts_if_it_came_before_the_next_image():
    came = arrivals((1, 1.5), (2, 2.5), (3, 3.5), (4, 4.5), (5, 5.5))
    known = known_tracks(STAMPS, SENT, came, START)
    assert [track.stamp_ns for track in known] == STAMPS
    assert known[0] == Track(10, "idle")
    assert known[1] == START
    assert known[2:] == [answer(index) for index in (2, 3, 4, 5)]


def test_for_late_and_dropped_images_the_last_known_box_counts():
    # 2 comes after 3 was sent, 3 is dropped, the last comes more than a period after it was sent.
    came = arrivals((2, 3.2), (4, 4.5), (5, 6.1))
    known = known_tracks(STAMPS, SENT, came, START)
    assert [track.box for track in known[2:]] == [
        START.box,
        answer(2).box,
        answer(4).box,
        answer(4).box,
    ]
    assert [track.stamp_ns for track in known] == STAMPS
    assert punctuality(SENT, came) == {
        "sent": 6,
        "dropped": 3,
        "late": 1,  # the last image has none after it
        "latency_p50_ms": 1100.0,
        "latency_p95_ms": 1190.0,
    }


def test_no_target_is_no_answer():
    came = [Arrival(2, 2.1, answer(2, "idle"))]
    assert known_tracks(STAMPS[:3], SENT[:3], came, START)[2].box == START.box


def test_nothing_answered():
    assert punctuality([0.0], []) == {
        "sent": 1,
        "dropped": 1,
        "late": 0,
        "latency_p50_ms": None,
        "latency_p95_ms": None,
    }


def run(name: str, auc: float | None, *boxes: Box | None) -> Run:
    numbers = {} if auc is None else {"scores": {"auc": auc}}
    return Run(name, [Track(index, "tracking", box) for index, box in enumerate(boxes)], numbers)


def test_comparison_of_the_runs():
    box, near = Box(1, 2, 3, 4), Box(1, 2.25, 3, 4)
    runs = [
        run("offline", 0.75, box, box, None),
        run("lock-step", 0.75, box, near, box),
        run("real-time", 0.5, box, box, box),
    ]
    assert compare(runs) == {
        "lock_step_against_offline": {"largest_px": 0.25, "box_in_one_only": 1},
        "real_time_auc_points": -25.0,
    }


def test_a_run_that_ended_early_is_not_compared():
    box = Box(1, 2, 3, 4)
    assert compare([run("offline", 0.5, box, box), run("lock-step", 0.5, box)]) == {}
    runs = [run("offline", None, box), run("lock-step", None, box), run("real-time", None, box)]
    assert "real_time_auc_points" not in compare(runs)
