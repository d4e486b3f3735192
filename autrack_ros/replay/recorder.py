"""Record topics into a bag as they come, without deserialising them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from autrack_ros.evaluation.bags.writing import BagWriter


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to record.

    Attributes:
        name: full name.
        type: the message class, such as sensor_msgs.msg.Image.
        latched: a recorder that comes late gets the last messages.
        best_effort: matches publishers of sensors too, and may miss messages of any.
    """

    name: str
    type: type
    latched: bool = False
    best_effort: bool = False

    @property
    def type_name(self) -> str:
        """Such as ``sensor_msgs/msg/Image``."""
        package, kind = self.type.__module__.split(".")[:2]
        return f"{package}/{kind}/{self.type.__name__}"


class Recorder:
    """Subscribes topics and writes what comes into a bag.

    It works inside ``spin_once`` only, in the caller's thread.

    Args:
        bag: open.
        topics: to record.
        now: time of reception to write, nanoseconds.
        told: called with the topic of every message and the message, serialised.

    Attributes:
        counts: messages recorded, by topic.
    """

    def __init__(
        self,
        bag: BagWriter,
        topics: Iterable[Topic],
        now: Callable[[], int] = time.time_ns,
        told: Callable[[str, bytes], None] = lambda topic, message: None,
    ) -> None:
        self._bag = bag
        self._now = now
        self._told = told
        self._node: Node = rclpy.create_node("recorder")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self.counts: dict[str, int] = {}
        self._last: dict[str, bytes] = {}
        for topic in topics:
            self._subscribe(topic)

    def spin_once(self, timeout_s: float = 0.05) -> None:
        """Record what has come; wait for it at most so long."""
        self._executor.spin_once(timeout_sec=timeout_s)

    def publishers(self, topic: str) -> int:
        """How many publishers of a topic have been found so far."""
        return self._node.count_publishers(topic)

    def last_message(self, topic: str) -> bytes | None:
        """The newest message of a topic, serialised; None before the first."""
        return self._last.get(topic)

    def close(self) -> None:
        """Leave the topics."""
        self._executor.shutdown()
        self._node.destroy_node()

    def _subscribe(self, topic: Topic) -> None:
        self.counts[topic.name] = 0
        self._bag.add_topic(topic.name, topic.type_name, latched=topic.latched)

        def record(message: bytes) -> None:
            self._bag.write(topic.name, self._now(), message)
            self.counts[topic.name] += 1
            self._last[topic.name] = message
            self._told(topic.name, message)

        durability = (
            DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
        )
        reliability = (
            ReliabilityPolicy.BEST_EFFORT if topic.best_effort else ReliabilityPolicy.RELIABLE
        )
        quality = QoSProfile(depth=100, reliability=reliability, durability=durability)
        self._node.create_subscription(topic.type, topic.name, record, quality, raw=True)
