"""Let a paused ``ros2 bag play`` go on when node, recorder and player have found each other.

``python -m autrack_ros.replay.bag_start BAG IMAGE_TOPIC BOX_TOPIC``, of evaluate_bag.launch.py. It
sends the target's box, too, so that this is there before its image.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rosbag2_interfaces.srv import Resume
from rosgraph_msgs.msg import Clock

from autrack_ros.evaluation.bags.boxes import Start, topic_start
from autrack_ros.evaluation.bags.reading import IMAGE_TYPES, Bag, StoredMessage
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.msg import InitBox
from autrack_ros.node import qos
from autrack_ros.node.diagnostics import STATUS_NAME
from autrack_ros.node.diagnostics import TOPIC as DIAGNOSTICS
from autrack_ros.node.program import run_program, spin_until
from autrack_ros.replay.link import box_message
from autrack_ros.replay.tracker import NODE, TRACK_TOPIC

RESUME: Final = "/rosbag2_player/resume"
_HINT_S = 5.0
_ANSWER_S = 3.0
_AHEAD_NS = 500_000_000  # of its image a box is sent; the node waits for one up to 1 s ahead


class BagStart(Node):
    """Wait for the others, send the box, and have the player go on.

    Args:
        bag: its folder.
        image_topic: of the images in it, also that of the node.
        box_topic: in the bag; its first box is the target's.

    Raises:
        SourceError: the bag cannot be read, or the box is that of none of its images.
    """

    def __init__(self, bag: Path, image_topic: str, box_topic: str) -> None:
        start, image = _read_start(bag, image_topic, box_topic)
        super().__init__("bag_start")
        self._image_topic = image_topic
        self._box = box_message(start.box, image.stamp_ns)
        self._due_ns = image.received_ns - _AHEAD_NS
        self._player_ns = self._node_ns = 0
        self._boxes = self.create_publisher(InitBox, "/init_box", qos.COMMAND)
        self._resume: Client = self.create_client(Resume, RESUME)
        self.create_subscription(Clock, "/clock", self._on_clock, qos_profile_sensor_data)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, 10)
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)

    def run(self) -> None:
        """Work until bag and target are started."""
        while not spin_until(self._spinner, lambda: not self.missing, _HINT_S):
            self.get_logger().info(f"waiting for {self.missing}")
        early = self._player_ns >= self._due_ns
        if early:
            self._send_box()
        answer = self._resume.call_async(Resume.Request())
        while not spin_until(self._spinner, answer.done, _ANSWER_S):
            answer = self._resume.call_async(Resume.Request())  # DDS may lose one
        if not early:
            while not spin_until(self._spinner, lambda: self._player_ns >= self._due_ns, _HINT_S):
                pass
            self._send_box()

    def close(self) -> None:
        """Leave the executor."""
        self._spinner.shutdown()

    @property
    def missing(self) -> str:
        """Who has not been found yet, or not found another; empty when all have."""
        image, track = self._image_topic, TRACK_TOPIC
        found = {
            f"the node on {self._boxes.topic_name}": self._boxes.get_subscription_count(),
            f"the node on {image}": self.count_subscribers(image),
            f"the player on {image}": self.count_publishers(image),
            f"the node on {track}": self.count_publishers(track),
            f"the recorder on {track}": self.count_subscribers(track),
            f"the player's {RESUME}": self._resume.service_is_ready(),
            "the player's /clock": self._player_ns,
            # The graph tells who is there; this, that the player's messages reach the node.
            "the player's /clock in the node": self._node_ns,
        }
        return ", ".join(what for what, there in found.items() if not there)

    def _send_box(self) -> None:
        self._boxes.publish(self._box)
        self._boxes.wait_for_all_acked(Duration(seconds=_ANSWER_S))

    def _on_clock(self, message: Clock) -> None:
        self._player_ns = _nanoseconds(message.clock)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        if any(status.name == f"{NODE[1:]}: {STATUS_NAME}" for status in message.status):
            self._node_ns = _nanoseconds(message.header.stamp)


def _read_start(bag: Path, image_topic: str, box_topic: str) -> tuple[Start, StoredMessage]:
    """The target's box and the image it is in."""
    with Bag(bag) as opened:
        opened.require(image_topic, IMAGE_TYPES)
        start = topic_start(opened, box_topic)
        for image in opened.stored_messages(image_topic):
            if start.is_in(image):
                return start, image
    raise SourceError(f"{start.source}: no image on {image_topic} has this stamp")


def _nanoseconds(time: Any) -> int:
    return int(time.sec) * 10**9 + int(time.nanosec)


def main(args: list[str] | None = None) -> int:
    """Start the bag; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bag", type=Path)
    parser.add_argument("image_topic")
    parser.add_argument("box_topic")
    words = parser.parse_args(args)
    make = partial(BagStart, words.bag, words.image_topic, words.box_topic)
    return run_program("bag_start", make, [])


if __name__ == "__main__":
    raise SystemExit(main())
