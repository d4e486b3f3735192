"""The picture of RViz's layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")
pytest.importorskip("yaml", reason="RViz's configuration is YAML")

import yaml
from ros_process import environment
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.demo import rviz_layout
from autrack_ros.demo.marker_view import MarkerView
from autrack_ros.node.outputs.markers import MarkedTarget, TargetMarkers
from autrack_ros.tracking import Box

BLUE = (233, 180, 86)
CONFIG = Path(__file__).parents[2] / "config" / "tracker.rviz"


@pytest.fixture(scope="module")
def config() -> dict:
    if not CONFIG.is_file():
        pytest.skip("no config folder beside the tests")
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


def test_every_picture_fills_its_dock_and_keeps_its_shape() -> None:
    shapes = {
        "Markers": (200, 100),
        "Overlay": (480, 640),
        "Response heat map": (256, 296),
        "Template": (284, 768),
    }
    pictures = {
        name: np.full((*shape, 3), (10 + 50 * index, 200, 30), np.uint8)
        for index, (name, shape) in enumerate(shapes.items())
    }
    composed = rviz_layout.compose(pictures)
    for name, (rows, columns) in shapes.items():
        ys, xs = np.nonzero((composed == pictures[name][0, 0]).all(axis=2))
        height, width = np.ptp(ys) + 1, np.ptp(xs) + 1
        assert width / height == pytest.approx(columns / rows, rel=0.01)
        _, _, dock_width, dock_height = rviz_layout._DOCKS[name]
        assert max(width / dock_width, height / (dock_height - rviz_layout._TITLE_PX)) > 0.99


@pytest.mark.parametrize(("left", "side"), [(0, -1), (600, 1)])
def test_a_target_on_one_side_of_the_image_is_on_that_side_of_the_view(
    config: dict, left: int, side: int
) -> None:
    info = CameraInfo(k=[640.0, 0.0, 320.0, 0.0, 640.0, 240.0, 0.0, 0.0, 1.0])
    target = MarkedTarget("it", Box(left, 200, 40, 80), BLUE)
    array = TargetMarkers().update(Header(), info, [target], depth_m=1.0)
    empty = MarkerView(config, 400, 700).draw([])
    seen = MarkerView(config, 400, 700).draw(array.markers)
    rows, columns = np.nonzero((seen != empty).any(axis=2))
    middle = seen.shape[1] / 2
    assert side * (columns[rows == rows.min()].mean() - middle) > 20
    # All rays begin at the camera, which is nearest and so lowest.
    assert columns[rows == rows.max()].mean() == pytest.approx(middle, abs=3)
    assert (seen == BLUE).all(axis=2).any()


def test_what_lies_behind_the_eye_is_not_drawn(config: dict) -> None:
    view = MarkerView(config, 400, 300)
    before = view._canvas.copy()
    behind = view._eye - 2 * view._axes[2]
    view._line(behind, behind + view._axes[0], BLUE, 0.1)
    assert (view._canvas == before).all()


def test_pictures_are_those_that_the_node_publishes(
    config: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    noise = np.random.default_rng(3).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    frame = cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)
    targets = {"one": Box(40, 40, 60, 60), "two": Box(180, 100, 80, 50)}
    messages = rviz_layout.record([frame] * 3, 0.04, targets, config)
    assert messages["Overlay"].header.stamp.nanosec == 80_000_000  # of the last frame
    pictures = rviz_layout.pictures_of(messages, config)
    assert pictures["Overlay"].shape == frame.shape
    assert {marker.ns for marker in messages["Markers"].markers} == set(targets)
    assert rviz_layout.compose(pictures).shape == (960, 1336, 3)
