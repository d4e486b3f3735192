"""Let a paused ``ros2 bag play`` go on when node, recorder and player have found each other.

``python -m autrack_ros.replay.bag_start BAG IMAGE_TOPIC BOX_TOPIC``, of evaluate_bag.launch.py. It
sends the target's box, too, so that this is there before its image; and where that is the bag's
first one, the image itself, until the target is started: nodes take images best effort, and the
first ones after a start are easily lost. Meanwhile the bag stands still, as with
``autrack evaluate-bag --live``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
from sensor_msgs.msg import Image

from autrack_ros.evaluation.bags.boxes import Start, topic_start
from autrack_ros.evaluation.bags.reading import Bag, StoredMessage
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.msg import InitBox, Status
from autrack_ros.node import qos
from autrack_ros.node.outputs.diagnostics import STATUS_NAME
from autrack_ros.node.outputs.diagnostics import TOPIC as DIAGNOSTICS
from autrack_ros.node.program import run_program, spin_until
from autrack_ros.replay.link import box_message
from autrack_ros.replay.processes import ProcessError
from autrack_ros.replay.tracker import NODE, TRACK_TOPIC

RESUME: Final = "/rosbag2_player/resume"
_HINT_S = 5.0
_ANSWER_S = 3.0
_AGAIN_S = 1.0  # until an image that was not taken is sent once more
_AHEAD_NS = 500_000_000  # of its image a box is sent; the node waits for one up to 1 s ahead


class BagStart(Node):
    """Wait for the others, send the box, and have the player go on.

    Args:
        bag: its folder.
        image_topic: of the raw images in it, also that of the node.
        box_topic: in the bag; its first box is the target's.

    Raises:
        SourceError: the bag cannot be read, or the box is that of none of its images.
    """

    def __init__(self, bag: Path, image_topic: str, box_topic: str) -> None:
        start, image = _read_start(bag, image_topic, box_topic)
        super().__init__("bag_start")
        self._image_topic = image_topic
        self._image = image
        self._box = box_message(start.box, image.stamp_ns)
        self._due_ns = image.received_ns - _AHEAD_NS
        self._player_ns = self._node_ns = 0
        self._outcome: Status | None = None  # of the box
        self._boxes = self.create_publisher(InitBox, "/init_box", qos.COMMAND)
        self._images = self.create_publisher(Image, image_topic, qos.COMMAND)
        self._resume: Client = self.create_client(Resume, RESUME)
        self.create_subscription(Clock, "/clock", self._on_clock, qos_profile_sensor_data)
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, 10)
        self._statuses = self.create_subscription(
            Status, f"{NODE}/status", self._on_status, qos.STATUS
        )
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)

    def run(self) -> None:
        """Work until bag and target are started.

        Raises:
            ProcessError: the node does not start the target.
        """
        while not self._spin(lambda: not self.missing):
            self.get_logger().info(f"waiting for {self.missing}")
        if self._image.index == 0:
            self._send_box()
            self._send_image_until_taken()
            self._resume_player()
            return
        if self._player_ns < self._due_ns:
            self._resume_player()
            while not self._spin(lambda: self._player_ns >= self._due_ns):
                pass
            self._send_box()
        else:
            self._send_box()
            self._resume_player()
        while not self._spin(lambda: self._outcome is not None):
            self.get_logger().info("waiting for the start of the target")
        self._check()

    def close(self) -> None:
        """Leave the executor."""
        self._spinner.shutdown()

    @property
    def missing(self) -> str:
        """Who has not been found yet, or not found another; empty when all have."""
        image, track = self._image_topic, TRACK_TOPIC
        found = {
            f"the node on {self._boxes.topic_name}": self._boxes.get_subscription_count(),
            f"the node on {image}": self._images.get_subscription_count(),
            f"the player on {image}": self.count_publishers(image) > 1,  # this node is one, too
            f"the node on {track}": self.count_publishers(track),
            f"the node on {self._statuses.topic_name}": self.count_publishers(
                self._statuses.topic_name
            ),
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

    def _send_image_until_taken(self) -> None:
        while self._outcome is None:
            self._images.publish(self._image.data)
            spin_until(self._spinner, lambda: self._outcome is not None, _AGAIN_S)
        self._check()

    def _resume_player(self) -> None:
        answer = self._resume.call_async(Resume.Request())
        while not spin_until(self._spinner, answer.done, _ANSWER_S):
            answer = self._resume.call_async(Resume.Request())  # DDS may lose one

    def _spin(self, condition: Callable[[], bool]) -> bool:
        return spin_until(self._spinner, condition, _HINT_S)

    def _check(self) -> None:
        if self._outcome is not None and self._outcome.event != Status.STARTED:
            raise ProcessError(f"the target is not started: {self._outcome.text}")

    def _on_status(self, message: Status) -> None:
        if message.id == self._box.id and message.event in (Status.STARTED, Status.REFUSED):
            self._outcome = message

    def _on_clock(self, message: Clock) -> None:
        self._player_ns = _nanoseconds(message.clock)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        if any(status.name == f"{NODE[1:]}: {STATUS_NAME}" for status in message.status):
            self._node_ns = _nanoseconds(message.header.stamp)


def _read_start(bag: Path, image_topic: str, box_topic: str) -> tuple[Start, StoredMessage]:
    """The target's box and the image it is in."""
    with Bag(bag) as opened:
        opened.require(image_topic, ("sensor_msgs/msg/Image",))
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
