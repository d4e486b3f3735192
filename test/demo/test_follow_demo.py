"""The demo ``follow``: a robot that is not there follows, over ROS 2; and what it is made of."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")
pytest.importorskip("rosbags", reason="the demo's replay/ needs rosbags")
pytest.importorskip("matplotlib", reason="draws the picture")

from ros_process import ROOT, environment

from autrack_ros.demo.follow import MAX_ERROR_M, MAX_STOP_S, Summary, make_path
from autrack_ros.demo.world import Pinhole, Pose, look, seen_by_sensor
from autrack_ros.replay.domains import claim_domain


def test_a_robot_keeps_its_distance_stops_while_the_object_is_lost_and_goes_on(
    tmp_path: Path,
) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "autrack_ros.demo.follow", "--output", str(tmp_path)),
            *("--seconds", "11", "--hidden", "3"),
        ],
        cwd=ROOT,
        env=os.environ | environment(claim_domain()),
        capture_output=True,
        text=True,
        timeout=600,
    )
    log = (tmp_path / "tracker_node.log").read_text()
    assert result.returncode == 0, result.stdout + result.stderr + log
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["steps"] == 110
    assert summary["mean_error_m"] < MAX_ERROR_M
    assert summary["median_measured_error_m"] < 0.05
    assert 3 < summary["lost_s"] < 5
    assert 6.5 < summary["found_s"] < 9  # the screen begins to go at 6.7 s
    assert 0 <= summary["stop_s"] <= MAX_STOP_S
    picture = cv2.imread(str(tmp_path / "follow.png"))
    assert picture.shape == (860, 1240, 3)


GOOD = Summary(100, 0.05, 0.02, 5.0, 0.4, 8.0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mean_error_m": 0.2}, "mean distance error 0.200 m"),
        ({"mean_error_m": math.nan}, "mean distance error nan m"),
        ({"stop_s": 1.1}, "did not stop"),
        ({"stop_s": None}, "did not stop"),
        ({"found_s": None}, "not found again"),
    ],
)
def test_a_run_that_does_not_do_so_is_a_fault(changed: dict[str, float], said: str) -> None:
    assert GOOD.faults == []
    (fault,) = Summary(**{**{n: getattr(GOOD, n) for n in GOOD.__slots__}, **changed}).faults
    assert said in fault


@pytest.mark.parametrize(("seconds", "hidden_s"), [(26, 10), (11, 3)])
def test_the_screen_hides_the_object_from_who_follows_and_goes_away(
    seconds: float, hidden_s: float
) -> None:
    path, x, y = make_path(seconds, hidden_s), 0.0, 0.0
    seen = {}
    for number in range(round(10 * hidden_s) + 60):
        now = number / 10
        target, screen = path(now)
        ahead, left = target.x - x, target.y - y
        away = math.hypot(ahead, left)
        if now < hidden_s and away > 1.725:
            x, y = (a + (away - 1.725) * d / away for a, d in ((x, ahead), (y, left)))
        if now >= hidden_s - 0.15 and number % 4 == 0:
            robot = Pose(x, y, math.atan2(left, ahead))
            seen[now] = float(look(Pinhole(), robot, target, screen).mask.mean())
    assert all(share > 0.03 for now, share in seen.items() if not 0 <= now - hidden_s < 5)
    assert all(share == 0 for now, share in seen.items() if 1.2 <= now - hidden_s <= 3.7)


def test_the_rooms_depth_is_that_of_its_geometry() -> None:
    camera = Pinhole()
    view = look(camera, Pose(0, 0, 0), Pose(2, 0, 0))
    assert view.depth[120, 160] == pytest.approx(2 - 0.225, abs=1e-4)  # its front
    assert view.distance == pytest.approx(1.775, abs=1e-3)
    assert view.box is not None
    assert view.box.center[0] == pytest.approx(160, abs=0.5)
    assert view.box.w == pytest.approx(0.45 / 1.775 * camera.focal, abs=1)
    left = look(camera, Pose(0, 0, 0), Pose(2, 0.5, 0))
    assert left.box is not None
    assert left.box.center[0] < 110  # left is positive
    turned = look(camera, Pose(0, 0, 0.2), Pose(2, 0, 0))
    assert turned.box is not None
    assert turned.box.center[0] > 190
    floor = view.depth[239, 10]
    assert floor == pytest.approx(camera.above / ((239.5 - 120) / camera.focal), rel=1e-3)


def test_the_sensor_has_noise_holes_and_an_end() -> None:
    view = look(Pinhole(), Pose(0, 0, 0), Pose(4, 0, 0))
    seen = seen_by_sensor(view.depth, np.random.default_rng(0))
    assert seen.dtype == np.uint16
    on_target = seen[view.mask & (seen > 0)] / 1000
    assert np.std(on_target) == pytest.approx(0.0015 * view.distance**2, rel=0.2)
    assert (seen[view.depth > 10.5] == 0).all()
    assert 0.01 < (seen == 0)[view.depth < 9].mean() < 0.1
