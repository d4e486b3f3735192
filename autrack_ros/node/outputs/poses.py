"""``~/pose``, ``~/pose_with_covariance``, ``~/point``: the selected target for planners."""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import (
    Point,
    PointStamped,
    Pose,
    PoseStamped,
    PoseWithCovariance,
    PoseWithCovarianceStamped,
)
from std_msgs.msg import Header

from autrack_ros.node import qos
from autrack_ros.node.outputs.output import Output, Topics, watched
from autrack_ros.node.outputs.results import Results

_ANY_DIRECTION = math.pi**2  # rad^2: the orientation is not known


class Poses(Output):
    """Where the target is, while it is: nothing is said of one that is not measured."""

    def __init__(self, topics: Topics) -> None:
        self._pose = topics.make(PoseStamped, "~/pose", qos.RESULT)
        self._covariance = topics.make(
            PoseWithCovarianceStamped, "~/pose_with_covariance", qos.RESULT
        )
        self._point = topics.make(PointStamped, "~/point", qos.RESULT)

    def publish(self, results: Results) -> None:
        """Publish its position to who asks."""
        if results.selected is None:
            return
        chosen = results.located[results.selected]
        if chosen.measured_m is not None and chosen.position is not None:
            self._publish(results.header, chosen.measured_m, chosen.position.covariance)

    def _publish(self, header: Header, position: np.ndarray, covariance: np.ndarray) -> None:
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
