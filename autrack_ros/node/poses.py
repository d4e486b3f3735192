"""Positions for planners, controllers and gimbals: poses, points, TF frames, angles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from geometry_msgs.msg import (
    Point,
    PointStamped,
    Pose,
    PoseStamped,
    PoseWithCovariance,
    PoseWithCovarianceStamped,
    Transform,
    TransformStamped,
    Vector3,
)
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.msg import Aim
from autrack_ros.node import qos
from autrack_ros.node.aim import aim_message
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.positions import Located

_ANY_DIRECTION = math.pi**2  # rad^2: the orientation is not known


class PosePublications:
    """Publish where targets are, while they are: nothing is said of one that is not measured.

    Args:
        make: makes a publisher of a type, a name and a quality of service.
        optional: message packages that may be missing.
        frame_prefix: of the TF frames; None: no TF.
    """

    def __init__(
        self,
        make: Callable[[type, str, QoSProfile], Publisher],
        optional: OptionalMessages,
        frame_prefix: str | None,
    ) -> None:
        self._pose = make(PoseStamped, "~/pose", qos.RESULT)
        self._covariance = make(PoseWithCovarianceStamped, "~/pose_with_covariance", qos.RESULT)
        self._point = make(PointStamped, "~/point", qos.RESULT)
        self._aim = make(Aim, "~/aim", qos.RESULT)
        self._prefix = frame_prefix
        self._tf2 = None if frame_prefix is None else optional.find("/tf", "tf2_msgs")
        if self._tf2 is not None:
            self._tf = make(self._tf2.TFMessage, "/tf", qos.TRANSFORM)

    def publish(
        self,
        header: Header,
        located: Mapping[str, Located],
        selected: str | None,
        info: CameraInfo | None,
    ) -> None:
        """Publish the selected target's pose and angles, and the frames of all.

        Args:
            header: of the image; the frame is the camera's optical one.
            located: all targets.
            selected: the one of ``~/track``; None: there is no target.
            info: calibration of the camera.
        """
        if self._tf2 is not None:
            frames = [
                self._frame(header, name, each.measured_m)
                for name, each in located.items()
                if each.measured_m is not None
            ]
            if frames:
                self._tf.publish(self._tf2.TFMessage(transforms=frames))
        if selected is None:
            return
        chosen = located[selected]
        if info is not None and chosen.center is not None and watched(self._aim):
            aim = aim_message(header, selected, chosen.center, info)
            if aim is not None:
                self._aim.publish(aim)
        if chosen.measured_m is not None and chosen.position is not None:
            self._publish_pose(header, chosen.measured_m, chosen.position.covariance)

    def _publish_pose(self, header: Header, position: np.ndarray, covariance: np.ndarray) -> None:
        x, y, z = position.tolist()
        point = Point(x=x, y=y, z=z)
        if watched(self._point):
            self._point.publish(PointStamped(header=header, point=point))
        if watched(self._pose):
            self._pose.publish(PoseStamped(header=header, pose=Pose(position=point)))
        if watched(self._covariance):
            joint = np.diag([0.0, 0, 0, *[_ANY_DIRECTION] * 3])
            joint[:3, :3] = covariance
            pose = PoseWithCovariance(pose=Pose(position=point), covariance=joint.ravel())
            self._covariance.publish(PoseWithCovarianceStamped(header=header, pose=pose))

    def _frame(self, header: Header, target_id: str, position: np.ndarray) -> TransformStamped:
        x, y, z = position.tolist()
        return TransformStamped(
            header=header,
            child_frame_id=f"{self._prefix}/{target_id}",
            transform=Transform(translation=Vector3(x=x, y=y, z=z)),
        )


def watched(publisher: Publisher) -> bool:
    """Whether somebody subscribes."""
    return publisher.get_subscription_count() > 0
