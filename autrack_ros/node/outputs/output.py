"""What every output is: its topics, and the moments at which it may publish."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from autrack_ros.drawing import STATES, style_of
from autrack_ros.msg import Status
from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.outputs.results import Results

#: Blue, green and red, 0..255, by the state's name.
COLORS = {state: style_of(state).color for state in STATES}


class Topics:
    """Makes the publishers of outputs, and takes them away.

    Args:
        node: gets them.
        optional: message packages that may be missing.
        publish_tf: whether TF frames are wanted.
    """

    def __init__(self, node: Node, optional: OptionalMessages, publish_tf: bool = False) -> None:
        self.node = node
        self.find_messages = optional.find
        self.publish_tf = publish_tf
        self._made: list[Publisher] = []

    def make(self, kind: type, topic: str, profile: QoSProfile | int) -> Publisher:
        """A publisher of a message type."""
        publisher: Publisher = self.node.create_publisher(kind, topic, profile)
        self._made.append(publisher)
        return publisher

    def close(self) -> None:
        """Take the publishers from the node."""
        for publisher in self._made:
            self.node.destroy_publisher(publisher)
        self._made = []


class Output:
    """Something that the node publishes. It overrides what it needs; the rest does nothing.

    The worker's thread calls everything.

    Args:
        topics: makes its publishers.
    """

    def __init__(self, topics: Topics) -> None:
        pass

    @property
    def needs_image(self) -> bool:
        """Whether an image without targets must be read all the same."""
        return False

    def publish(self, results: Results) -> None:
        """Publish what others act on, at once after an image was processed."""

    def show(self, results: Results, image: np.ndarray) -> None:
        """Publish what others look at, after all of ``publish``.

        Args:
            results: of the image.
            image: HxWx3 uint8 BGR.
        """

    def unusable(self, results: Results) -> None:
        """Say of all targets that an image did not show where they are."""

    def happened(self, status: Status) -> None:
        """Say what became of a box or a command."""

    def adapted(self, done: Adapted) -> None:
        """Say what an adaptation has done."""

    def close(self) -> None:
        """Say that there is nothing more to come; ``Topics`` takes the publishers away."""


def find_vision(find: Callable[..., ModuleType | None]) -> ModuleType | None:
    """``vision_msgs.msg``, if it is installed: for what goes out and for what comes in."""
    return find("~/detections and init_detections", "vision_msgs")


def watched(publisher: Publisher) -> bool:
    """Whether somebody subscribes."""
    return publisher.get_subscription_count() > 0
