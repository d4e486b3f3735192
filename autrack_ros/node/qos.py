"""Quality of service of every topic, by name."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy

#: Images from sensors: matches every publisher; only the newest one is wanted.
SENSOR_IMAGE = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)

#: Commands that must not get lost.
COMMAND = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE)

#: Calls: those that come at once wait, a hundred of them, and so do their answers.
SERVICE = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.RELIABLE)

#: Results: reliable, because RViz and most others subscribe reliably.
RESULT = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE)

#: Pictures of results: as ``RESULT``, but only the newest one is kept.
DEBUG_IMAGE = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.RELIABLE)

#: Frames on /tf: as tf2's own broadcaster publishes them.
TRANSFORM = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.RELIABLE)

#: Facts about the target: a subscriber that comes late gets the last one.
LATCHED = QoSProfile(
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)

#: What happened: a subscriber that comes late gets the last few.
STATUS = QoSProfile(
    depth=10,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)


def describe_publishers(node: Node, topic: str) -> str:
    """Return the publishers of a topic with their quality of service; "none" if there are none."""
    publishers = node.get_publishers_info_by_topic(topic)
    shown = (f"{info.node_name} ({describe(info.qos_profile)})" for info in publishers)
    return "; ".join(shown) or "none"


def describe(profile: QoSProfile) -> str:
    """Return the policies that decide whether two ends match, as in "best effort, volatile"."""
    reliability = profile.reliability.name.lower().replace("_", " ")
    return f"{reliability}, {profile.durability.name.lower().replace('_', ' ')}"
