"""``/tf``: a frame for every target with a position."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from std_msgs.msg import Header

from autrack_ros.node import qos
from autrack_ros.node.outputs.output import Output, Topics
from autrack_ros.node.outputs.results import Results


class Transforms(Output):
    """Where it is wanted and tf2_msgs is installed; frames are named under the node's name."""

    def __init__(self, topics: Topics) -> None:
        self._tf2 = topics.find_messages("/tf", "tf2_msgs") if topics.publish_tf else None
        if self._tf2 is not None:
            self._prefix = topics.node.get_fully_qualified_name().lstrip("/")
            self._tf = topics.make(self._tf2.TFMessage, "/tf", qos.TRANSFORM)

    def publish(self, results: Results) -> None:
        """Publish the frames of the targets whose position was measured in this image."""
        if self._tf2 is None:
            return
        frames = [
            self._frame(results.header, name, each.measured_m)
            for name, each in results.located.items()
            if each.measured_m is not None
        ]
        if frames:
            self._tf.publish(self._tf2.TFMessage(transforms=frames))

    def _frame(self, header: Header, target_id: str, position: np.ndarray) -> TransformStamped:
        x, y, z = position.tolist()
        return TransformStamped(
            header=header,
            child_frame_id=f"{self._prefix}/{target_id}",
            transform=Transform(translation=Vector3(x=x, y=y, z=z)),
        )
