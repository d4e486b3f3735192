"""Poses, points, TF frames and angles: only of what is measured, and only for who asks."""

from __future__ import annotations

from typing import Any

import message_stand_ins
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from test_outputs import Publisher

from autrack_ros.node.outputs.aim import Aims
from autrack_ros.node.outputs.output import Topics
from autrack_ros.node.outputs.poses import Poses
from autrack_ros.node.outputs.results import Counts, Results
from autrack_ros.node.outputs.transforms import Transforms
from autrack_ros.node.positions import Located, Place

HEADER = Header(frame_id="camera_optical")
INFO = CameraInfo(k=[100.0, 0.0, 80.0, 0.0, 100.0, 60.0, 0.0, 0.0, 1.0])
COVARIANCE = np.diag([0.01, 0.02, 0.03])
CENTER = Place(np.array([90.5, 60.5]), np.eye(2), np.array([20.0, 0.0]), predicted=False)
ON_POSE = ("~/pose", "~/point", "~/pose_with_covariance")


def located(predicted: bool = False, z: float = 2.0) -> Located:
    place = Place(np.array([0.5, -0.25, z]), COVARIANCE, np.zeros(3), predicted)
    return Located(center=CENTER, position=place)


class World:
    """A node whose publishers record, and message packages."""

    def __init__(self, watchers: int = 1, publish_tf: bool = True) -> None:
        self.publishers: dict[str, Publisher] = {}
        self.packages = {"tf2_msgs": message_stand_ins.tf2_msgs()}
        self._watchers = watchers
        self._publish_tf = publish_tf
        self.offer()

    def offer(self) -> None:
        topics = Topics(self, self, self._publish_tf)
        self._outputs = [output(topics) for output in (Poses, Aims, Transforms)]

    def get_fully_qualified_name(self) -> str:
        return "/robot/tracker"

    def create_publisher(self, kind: type, topic: str, profile: Any) -> Publisher:
        self.publishers[topic] = Publisher(self._watchers)
        return self.publishers[topic]

    def find(self, topics: str, package: str) -> Any:
        return self.packages.get(package)

    def publish(self, selected: str | None = "cup", **targets: Located) -> dict[str, list[Any]]:
        results = Results(HEADER, (), targets, {}, selected, Counts(1, 0, 1.0), INFO)
        for output in self._outputs:
            output.publish(results)
        return {name: it.published for name, it in self.publishers.items() if it.published}


def test_the_selected_targets_pose_is_in_the_cameras_frame_without_a_turn() -> None:
    published = World().publish(cup=located(), ball=located(z=5.0))
    (pose,), (point,), (joint,) = (published[name] for name in ON_POSE)
    assert pose.header == point.header == joint.header == HEADER
    for place in (pose.pose.position, point.point, joint.pose.pose.position):
        assert (place.x, place.y, place.z) == (0.5, -0.25, 2.0)
    turn = pose.pose.orientation
    assert (turn.x, turn.y, turn.z, turn.w) == (0, 0, 0, 1)
    covariance = np.reshape(joint.pose.covariance, (6, 6))
    np.testing.assert_array_equal(covariance[:3, :3], COVARIANCE)
    assert (np.diag(covariance)[3:] > 9).all()  # any direction


def test_every_target_with_a_position_has_a_frame_under_the_nodes_name() -> None:
    (tf,) = World().publish(cup=located(), ball=located(z=5.0), gone=Located())["/tf"]
    frames = {each.child_frame_id: each.transform.translation.z for each in tf.transforms}
    assert frames == {"robot/tracker/cup": 2.0, "robot/tracker/ball": 5.0}
    assert all(each.header == HEADER for each in tf.transforms)


@pytest.mark.parametrize("state", [Located(), located(predicted=True)], ids=["lost", "predicted"])
def test_of_what_is_not_measured_nothing_is_said_so_that_consumers_time_out(state: Located) -> None:
    published = World().publish(cup=state)
    assert not {*ON_POSE, "/tf"} & set(published)


def test_what_nobody_watches_is_not_made() -> None:
    assert set(World(watchers=0).publish(cup=located())) == {"/tf"}  # of which one never knows


def test_frames_are_off_unless_they_are_wanted_and_their_package_is_there() -> None:
    assert "/tf" not in World(publish_tf=False).publishers
    world = World()
    assert "/tf" in world.publishers
    world.packages = {}
    world.publishers.clear()
    world.offer()
    assert "/tf" not in world.publish(cup=located())


def test_aim_is_that_of_the_selected_target_also_without_depth() -> None:
    (aim,) = World().publish(cup=Located(center=CENTER))["~/aim"]
    assert (aim.id, aim.header) == ("cup", HEADER)
    assert aim.pan == pytest.approx(0.1, abs=1e-3)
    assert aim.pan_rate == pytest.approx(0.2, rel=0.02)
    assert World().publish(selected=None) == {}
