"""Where targets are and how they move, image by image; depth comes and goes."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Motion, Track
from depth_images import depth_image
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.drawing import Trail
from autrack_ros.node.inputs.depth import DepthImages
from autrack_ros.node.outputs.aim import aim_message
from autrack_ros.node.outputs.messages import track_message
from autrack_ros.node.positions import Located, Positions
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import Box, TrackState

SIZE, FOCAL = (64, 48), 50.0
INFO = CameraInfo(width=64, height=48, k=[FOCAL, 0.0, 31.5, 0.0, FOCAL, 23.5, 0.0, 0.0, 1.0])
STEP_NS = 100_000_000
SETTINGS: Any = SimpleNamespace(depth_tolerance_ns=20_000_000, prediction_ns=300_000_000)
BOX = Box(22, 16, 20, 16)  # in the middle


def header(number: int) -> Header:
    made = Header(frame_id="camera")
    made.stamp.sec, made.stamp.nanosec = divmod(10**9 + number * STEP_NS, 10**9)
    return made


def target(box: Box | None = BOX, score: float = 1.0, name: str = "cup") -> TrackedTarget:
    state = TrackState.LOST if box is None else TrackState.TRACKING
    return TrackedTarget(name, state, False, box, box or BOX, score, None, 0.0, Trail())


class World:
    """Images, some with depth, and what is told."""

    def __init__(self) -> None:
        self.depth = DepthImages()
        self.told: list[tuple[str, bool, str]] = []
        self.positions = Positions(self.depth, lambda *event: self.told.append(event))

    def see(
        self,
        number: int,
        meters: float | None = None,
        box: Box | None = BOX,
        info: CameraInfo | None = INFO,
        score: float = 1.0,
    ) -> Located:
        if meters is not None:
            values = np.full(SIZE[::-1], meters, np.float32)
            self.depth.add(depth_image(values, "32FC1", header=header(number)))
        targets = [target(box, score)]
        return self.positions.locate(header(number), SIZE, targets, info, SETTINGS)["cup"]


def test_position_is_the_ray_to_the_box_at_its_depth():
    found = World().see(0, 2.0, Box(42, 16, 20, 16))
    assert found.measured_m == pytest.approx([20 / FOCAL * 2, 0, 2.0])
    assert found.bearing == pytest.approx(np.array([0.4, 0, 1]) / math.hypot(0.4, 1))
    assert found.reason == ""


def test_covariance_grows_with_box_distance_and_doubt():
    def deviations(meters: float, box: Box = BOX, score: float = 1.0) -> np.ndarray:
        place = World().see(0, meters, box, score=score).position
        assert place is not None
        assert np.linalg.eigvalsh(place.covariance).min() > 0
        return np.sqrt(np.diag(place.covariance))

    near, far = deviations(1.0), deviations(4.0)
    assert (far > 3 * near).all()
    assert deviations(1.0, score=0.4)[:2] == pytest.approx(2.5 * near[:2])
    assert deviations(1.0, Box(12, 8, 40, 32))[:2] == pytest.approx(2 * near[:2])


def test_velocity_is_that_of_the_target():
    world = World()
    for number in range(30):
        found = world.see(number, 2.0 + 0.05 * number, Box(22 + 0.5 * number, 16, 20, 16))
    assert found.position is not None
    assert found.position.velocity[2] == pytest.approx(0.5, abs=0.03)
    assert found.center is not None
    assert found.center.velocity == pytest.approx([5, 0], abs=0.2)  # pixels a second


def test_without_depth_nothing_is_said_of_it_and_the_motion_is_in_pixels():
    world = World()
    world.see(0)
    found = world.see(1, box=Box(24, 16, 20, 16))
    assert (found.position, found.reason, world.told) == (None, "", [])
    assert world.positions.problem == ""
    assert found.center is not None
    assert found.center.velocity[0] > 5


def test_depth_that_goes_is_bridged_marked_and_then_told_with_the_reason():
    world = World()
    for number in range(5):
        world.see(number, 2.0)
    bridged = [world.see(number) for number in (5, 6, 7)]
    for found in bridged:
        assert found.position is not None
        assert found.position.predicted
        assert found.measured_m is None
        assert "the nearest" in found.reason
    sizes = [np.trace(found.position.covariance) for found in bridged if found.position]
    assert sizes == sorted(sizes)
    assert world.told == []
    later = world.see(8)
    assert later.position is None
    assert [(name, measured) for name, measured, _ in world.told] == [("cup", False)]
    assert "the nearest" in world.told[0][2]
    assert world.positions.problem.startswith("target 'cup': depth: no image of stamp")


def test_depth_that_comes_back_in_the_middle_of_a_track_is_used_again():
    world = World()
    world.see(0, 2.0)
    for number in range(1, 8):
        world.see(number)
    back = world.see(8, 3.0)
    assert back.measured_m == pytest.approx([0, 0, 3.0])
    assert [measured for _, measured, _ in world.told] == [False, True]
    assert world.positions.problem == ""
    world.see(9, 3.0)
    assert len(world.told) == 2


def test_depth_that_comes_first_in_the_middle_of_a_track_is_used():
    world = World()
    world.see(0)
    assert world.see(1, 2.0).measured_m == pytest.approx([0, 0, 2.0])
    assert world.told == []


@pytest.mark.parametrize("hole", [0.0, math.nan])
def test_depth_that_is_all_holes_is_told(hole: float):
    world = World()
    for number in range(6):
        found = world.see(number, hole)
    assert found.position is None
    assert "have a depth between" in found.reason
    assert [measured for _, measured, _ in world.told] == [False]


def test_depth_without_a_calibration_of_the_camera_is_told():
    found = World().see(0, 2.0, info=None)
    assert found.position is None
    assert "no camera_info" in found.reason


def test_of_a_lost_target_nothing_is_known_and_it_begins_anew():
    world = World()
    for number in range(5):
        world.see(number, 2.0 + 0.1 * number)
    assert world.see(5, 2.5, box=None) == Located()
    found = world.see(6, 4.0)
    assert found.position is not None
    assert found.position.velocity == pytest.approx([0, 0, 0])


def test_an_unusable_image_is_bridged_and_marked():
    world = World()
    for number in range(6):
        world.see(number, 2.0 + 0.1 * number, Box(22 + number, 16, 20, 16))
    soon = world.positions.predict(header(8), ["cup", "other"], SETTINGS)
    assert soon["other"] == Located()
    found = soon["cup"]
    assert found.position is not None
    assert found.position.predicted
    assert found.position.position[2] == pytest.approx(2.8, abs=0.1)
    assert found.center is not None
    assert found.center.predicted
    assert found.center.position[0] == pytest.approx(BOX.center[0] + 8, abs=1)
    late = world.positions.predict(header(9), ["cup"], SETTINGS)["cup"]
    assert (late.center, late.position) == (None, None)


def test_a_target_started_anew_has_no_past():
    world = World()
    for number in range(5):
        world.see(number, 2.0, Box(22 + 2 * number, 16, 20, 16))
    world.positions.forget("cup")
    found = world.see(5, 2.0)
    assert found.center is not None
    assert found.center.velocity == pytest.approx([0, 0])


def test_images_whose_stamp_stands_still_do_no_harm():
    world = World()
    for meters in (2.0, 2.0, 2.1, 2.0):
        found = world.see(0, meters)
    assert found.position is not None
    assert np.isfinite(found.position.velocity).all()


def test_the_track_says_what_is_measured_and_what_is_predicted():
    world = World()
    for number in range(4):
        seen = world.see(number, 2.0)
    track = track_message(header(3), Track.TRACKING, "cup", BOX, 0.9, located=seen)
    motion = track.motion
    assert (motion.image_source, motion.position_source) == (Motion.MEASURED, Motion.MEASURED)
    assert (motion.center_x, motion.center_y) == BOX.center
    assert (motion.position.z, motion.no_position) == (2.0, "")
    covariance = np.reshape(motion.position_covariance, (3, 3))
    np.testing.assert_array_equal(covariance, seen.position.covariance)
    predicted = world.positions.predict(header(4), ["cup"], SETTINGS)["cup"]
    track = track_message(header(4), Track.LOST, "cup", located=predicted)
    assert (track.motion.position_source, track.size_x) == (Motion.PREDICTED, 0)
    nothing = track_message(header(9), Track.LOST, "cup", located=Located()).motion
    assert (nothing.image_source, nothing.position_source) == (Motion.NONE, Motion.NONE)


def test_aim_is_right_and_up_positive_with_rates():
    world = World()
    for number in range(40):  # to the right by 10 pixels a second, up by 5
        found = world.see(number, box=Box(22 + number, 16 - 0.5 * number, 20, 16))
    assert found.center is not None
    aim = aim_message(header(39), "cup", found.center, INFO)
    assert aim is not None
    x, y = (found.center.position - [32, 24]) / FOCAL
    assert aim.pan == pytest.approx(math.atan(x))
    assert aim.tilt == pytest.approx(math.atan2(-y, math.hypot(x, 1)))
    assert aim.pan_rate == pytest.approx(10 / FOCAL / (1 + x * x), rel=0.03)
    assert aim.tilt_rate > 0.02
    assert aim_message(header(0), "cup", found.center, CameraInfo()) is None
