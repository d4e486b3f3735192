"""View rays and frustums for RViz."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("visualization_msgs", reason="needs ROS 2's visualization_msgs")
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from autrack_ros.node.inputs.camera import InvalidCameraError
from autrack_ros.node.outputs.markers import MarkedTarget, TargetMarkers
from autrack_ros.tracking import Box

K = np.array([[420.0, 0, 320], [0, 430, 240], [0, 0, 1]])
D = [-0.3, 0.1, 0.001, -0.002, 0.0]
INFO = CameraInfo(distortion_model="plumb_bob", d=D, k=K.ravel().tolist())
BOX = Box(100.0, 80.0, 60.0, 40.0)
ORANGE = (0, 94, 213)


def header(seconds: int = 7) -> Header:
    made = Header(frame_id="camera_optical")
    made.stamp.sec = seconds
    return made


def target(name: str = "cup", box: Box = BOX) -> MarkedTarget:
    return MarkedTarget(name, box, ORANGE)


def begun(*targets: MarkedTarget) -> tuple[TargetMarkers, MarkerArray]:
    markers = TargetMarkers()
    return markers, markers.update(header(), INFO, targets, 2.0)


def summary(array: MarkerArray) -> list[tuple[int, str, int]]:
    return [(marker.action, marker.ns, marker.id) for marker in array.markers]


def points(marker: Marker) -> np.ndarray:
    return np.array([[point.x, point.y, point.z] for point in marker.points])


def pixels(ends: np.ndarray) -> np.ndarray:
    """Edge coordinates at which the camera sees points."""
    ends = np.ascontiguousarray(ends)
    seen = cv2.projectPoints(ends, np.zeros(3), np.zeros(3), K, np.array(D))[0]
    return seen.reshape(-1, 2) + 0.5


def test_the_ray_is_an_arrow_from_the_camera_through_the_middle_of_the_box() -> None:
    ray = begun(target())[1].markers[1]
    assert ray.type == Marker.ARROW
    start, end = points(ray)
    assert start.tolist() == [0, 0, 0]
    assert np.linalg.norm(end) == pytest.approx(2.0)
    np.testing.assert_allclose(pixels(end[None]), [BOX.center], atol=1e-4)
    assert 0 < ray.scale.x < ray.scale.y < ray.scale.z < 2.0


def test_the_frustum_leads_to_the_corners_and_around_them() -> None:
    frustum = begun(target())[1].markers[2]
    assert frustum.type == Marker.LINE_LIST
    lines = points(frustum).reshape(8, 2, 3)
    assert (lines[:4, 0] == 0).all()
    corners = lines[:4, 1]
    np.testing.assert_allclose(np.linalg.norm(corners, axis=1), 2.0)
    expected = [(100, 80), (160, 80), (160, 120), (100, 120)]
    np.testing.assert_allclose(pixels(corners), expected, atol=1e-4)
    np.testing.assert_array_equal(lines[4:, 0], corners)
    np.testing.assert_array_equal(lines[4:, 1], np.roll(corners, -1, axis=0))
    assert frustum.scale.x > 0


def test_every_marker_has_the_images_header_and_the_targets_colour() -> None:
    markers, array = begun(target("a"), target("b", Box(300, 200, 50, 50)))
    later = markers.update(header(8), INFO, [target("a")], 2.0)
    assert all(marker.header == header() for marker in array.markers)
    assert all(marker.header == header(8) for marker in later.markers)
    for marker in array.markers[1:]:
        color = marker.color
        assert (color.r, color.g, color.b) == pytest.approx((213 / 255, 94 / 255, 0))
        assert color.a == 1
        assert marker.pose.orientation.w == 1


def test_targets_are_told_apart_by_their_namespace() -> None:
    other = Box(300, 200, 50, 50)
    array = begun(target("a"), target("b", other))[1]
    assert summary(array)[1:] == [(Marker.ADD, n, i) for n in "ab" for i in (0, 1)]
    assert pixels(points(array.markers[3])[1:])[0] == pytest.approx(other.center, abs=1e-4)


def test_the_first_array_takes_away_what_a_killed_node_left() -> None:
    markers, array = begun(target())
    assert summary(array)[0][0] == Marker.DELETEALL
    again = markers.update(header(), INFO, [target()], 2.0)
    assert Marker.DELETEALL not in [marker.action for marker in again.markers]


def test_markers_of_targets_that_are_gone_are_deleted_once() -> None:
    markers, _ = begun(target("a"), target("b"))
    deleted = [(Marker.DELETE, "a", 0), (Marker.DELETE, "a", 1)]
    kept = [(Marker.ADD, "b", 0), (Marker.ADD, "b", 1)]
    assert summary(markers.update(header(), INFO, [target("b")], 2.0)) == deleted + kept
    assert summary(markers.update(header(), INFO, [target("b")], 2.0)) == kept
    assert summary(markers.update(header(), INFO, [target("a")], 2.0))[:2] == [
        (Marker.DELETE, "b", 0),
        (Marker.DELETE, "b", 1),
    ]


def test_no_targets_take_all_markers_away() -> None:
    markers, _ = begun(target())
    actions = [marker.action for marker in markers.update(header(), INFO, [], 2.0).markers]
    assert actions == [Marker.DELETE, Marker.DELETE]
    assert markers.update(header(), INFO, [], 2.0).markers == []


def test_without_a_calibration_markers_are_taken_away() -> None:
    markers, _ = begun(target())
    array = markers.update(header(), CameraInfo(), [target()], 2.0)
    assert [marker.action for marker in array.markers] == [Marker.DELETE, Marker.DELETE]


def test_what_lies_outside_the_lens_is_left_out() -> None:
    info = CameraInfo(distortion_model="plumb_bob", d=[-0.3, 0, 0, 0, 0], k=K.ravel().tolist())
    markers, _ = begun(target())
    middle_in_sight = Box(-1500.0, 200.0, 3640.0, 80.0)
    array = markers.update(header(), info, [target(box=middle_in_sight)], 2.0)
    assert summary(array) == [(Marker.DELETE, "cup", 1), (Marker.ADD, "cup", 0)]
    nothing_in_sight = Box(-1500.0, 200.0, 200.0, 80.0)
    array = markers.update(header(), info, [target(box=nothing_in_sight)], 2.0)
    assert summary(array) == [(Marker.DELETE, "cup", 0)]


def test_a_wrong_calibration_is_told() -> None:
    wrong = CameraInfo(distortion_model="unknown", k=K.ravel().tolist())
    with pytest.raises(InvalidCameraError, match="unknown"):
        TargetMarkers().update(header(), wrong, [target()], 2.0)


def test_a_target_whose_distance_is_known_is_shown_there() -> None:
    near, other = MarkedTarget("near", BOX, ORANGE, distance_m=0.7), target("other")
    lengths = {
        marker.ns: np.linalg.norm(points(marker)[1])
        for marker in begun(near, other)[1].markers
        if marker.type == Marker.ARROW and marker.ns
    }
    assert lengths == pytest.approx({"near": 0.7, "other": 2.0})
