"""The node at work on the images of a bag, seen from the other side of its topics."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import rclpy
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from autrack_ros.evaluation.bags.making import TARGET
from autrack_ros.evaluation.bags.reading import Bag, StoredMessage, stamp_ns
from autrack_ros.evaluation.bags.realtime import Arrival, read_track, require_ascending
from autrack_ros.evaluation.bags.tracks import Track
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.msg import AdaptationReport as AdaptationMessage
from autrack_ros.msg import InitBox, Status, TrackArray
from autrack_ros.msg import Track as TrackMessage
from autrack_ros.node.inputs.transports import TRANSPORTS
from autrack_ros.replay.processes import Process, ProcessError
from autrack_ros.replay.recorder import Recorder, Topic
from autrack_ros.replay.tracker import NODE, TRACK_TOPIC, tracker_process, wait_for_tracker
from autrack_ros.tracking import AdaptationReport, Box

SILENCE_S: Final = 60.0  # without any answer; the slowest model needs less for an image
_ADAPTATION_S: Final = 300.0
_AGAIN_S: Final = 0.5  # until an image is sent again while the ends find each other
_LOST_S: Final = 2.0  # an image that was not taken by then is lost: DDS may lose one
_CLOCK_S: Final = 0.025  # as `ros2 bag play --clock`
_SETTLED_S: Final = 3.0  # after the last image, for answers on their way

_TRACKS, _STATUS, _ADAPTATION = f"{NODE}/tracks", f"{NODE}/status", f"{NODE}/adaptation"
_RECORDED = (
    Topic(TRACK_TOPIC, TrackMessage),
    Topic(_TRACKS, TrackArray),
    Topic(_STATUS, Status, latched=True),
    Topic(_ADAPTATION, AdaptationMessage, latched=True),
    Topic(f"{NODE}/template", Image, latched=True),
)
_RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True, slots=True)
class Clip:
    """Images of a bag to send, and their target.

    Attributes:
        bag: open.
        topic: of the images.
        count: how many of them, from the first.
        start: index of the image in which the target is marked.
        box: the target there.
    """

    bag: Bag
    topic: str
    count: int
    start: int
    box: Box

    @classmethod
    def of(cls, bag: Bag, topic: str, offline: Sequence[Track]) -> Clip:
        """What was tracked offline, to be tracked once more.

        Raises:
            SourceError: of ``require_ascending``.
        """
        require_ascending(f"{bag.path}, {topic}", offline)
        start, box = next((i, t.box) for i, t in enumerate(offline) if t.box is not None)
        return cls(bag, topic, len(offline), start, box)

    @property
    def images(self) -> Iterator[StoredMessage]:
        """As they are stored."""
        return islice(self.bag.stored_messages(self.topic), self.count)

    @property
    def transport(self) -> str:
        """Of the node's parameter ``image_transport``."""
        is_raw = self.bag.topics[self.topic] == "sensor_msgs/msg/Image"
        return "raw" if is_raw else "compressed"

    @property
    def node_topic(self) -> str:
        """Of the node, that takes them."""
        return f"/image{TRANSPORTS[self.transport].suffix}"


@contextmanager
def node_link(
    clip: Clip, parameters: Mapping[str, Any], folder: Path, storage: str
) -> Iterator[NodeLink]:
    """Start the node, connect to it, and stop it in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    # JSON's values are YAML, which ROS takes.
    assignments = [
        f"{name}:={json.dumps(value)}"
        for name, value in {
            **parameters,
            "image_transport": clip.transport,
            "use_sim_time": True,
        }.items()
    ]
    # Ctrl-C must raise KeyboardInterrupt here, so that the node is stopped.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with BagWriter(folder / "bag", storage) as writer:
            link = NodeLink(clip, writer)
            try:
                with tracker_process(assignments, folder) as tracker:
                    link.connect(tracker)
                    yield link
            finally:
                link.close()
    finally:
        rclpy.try_shutdown()


class NodeLink:
    """The other side of the node's topics.

    Attributes:
        arrivals: the answers to the clip's images, in the order in which they came.
        report: of the adaptation; None until it has ended.
    """

    def __init__(self, clip: Clip, writer: BagWriter) -> None:
        self._clip = clip
        self.arrivals: list[Arrival] = []
        self.report: AdaptationReport | None = None
        self._trial_ns: int | None = None  # stamp of an answer to an image that is not the clip's
        self._indices: dict[int, int] = {}  # of the images sent, by stamp
        self._started = False
        self._failure = ""
        self._connected_s = 0.0
        self._now_ns = 0
        self._tracker: Process | None = None
        self._recorder = Recorder(writer, _RECORDED, lambda: self._now_ns, self._on_message)
        self._node = rclpy.create_node("evaluate_bag")
        kind = TRANSPORTS[clip.transport].message
        self._kind = kind
        self._clock = self._node.create_publisher(Clock, "/clock", _RELIABLE)
        self._boxes = self._node.create_publisher(InitBox, "/init_box", _RELIABLE)
        self._images: Publisher = self._node.create_publisher(kind, clip.node_topic, _RELIABLE)

    def connect(self, tracker: Process) -> None:
        """Wait until an image gets through and the answers come back, and all else would.

        Both ends must know of each other before messages pass. The image is the first one with a
        stamp a second earlier, beyond the tolerance of a box's stamp, and there is no target yet.
        """
        self._tracker = tracker
        wait_for_tracker(self._recorder, tracker)
        first = next(self._clip.images)
        trial: Any = deserialize_message(first.data, self._kind)
        trial_ns = max(0, first.stamp_ns - 10**9)
        trial.header.stamp.sec, trial.header.stamp.nanosec = divmod(trial_ns, 10**9)
        self._set_clock(first.received_ns)
        began, next_try = time.monotonic(), 0.0
        while not self._is_connected:
            if time.monotonic() >= next_try:
                self._images.publish(trial)
                next_try = time.monotonic() + _AGAIN_S
            self._spin(0.05)
            self._check(began, SILENCE_S, "answered no image")

    def send(self, image: StoredMessage) -> float:
        """Send an image, before it its target; return when."""
        self._set_clock(image.received_ns)
        self._indices[image.stamp_ns] = image.index
        if image.index == self._clip.start:
            self._boxes.publish(box_message(self._clip.box, image.stamp_ns))
            self._boxes.wait_for_all_acked(Duration(seconds=1))
        sent_s = time.monotonic()
        self._images.publish(image.data)
        return sent_s

    def wait_for(self, image: StoredMessage) -> Arrival:
        """The answer to an image, the last one that was sent.

        Raises:
            ProcessError: the node has ended, or does not answer.
        """
        began = time.monotonic()
        while not self.arrivals or self.arrivals[-1].index != image.index:
            self._spin(0.05)
            self._check(began, SILENCE_S, f"did not answer image {image.index + 1}")
        return self.arrivals[-1]

    def wait_for_start(self, image: StoredMessage) -> None:
        """Send the target's image until the target was started.

        Raises:
            ProcessError: the node has ended, or does not take it.
        """
        began = again = time.monotonic()
        while not self._started:
            if time.monotonic() - again > _LOST_S:
                self._images.publish(image.data)
                again = time.monotonic()
            self._spin(0.05)
            self._check(began, SILENCE_S, f"did not take the target in image {image.index + 1}")

    def wait_for_report(self, image: StoredMessage) -> AdaptationReport:
        """What the adaptation to an image did.

        Raises:
            ProcessError: the node has ended, or does not say.
        """
        began = time.monotonic()
        while self.report is None:
            self._spin(0.05)
            self._check(began, _ADAPTATION_S, f"did not adapt to image {image.index + 1}")
        return self.report

    def pass_time(self, until_s: float, rate: float) -> None:
        """Let the clock run.

        Raises:
            ProcessError: the node has ended, or does not answer.
        """
        clock_s, clock_ns = time.monotonic(), self._now_ns
        tick_s = clock_s + _CLOCK_S
        while (now_s := time.monotonic()) < until_s:
            if now_s >= tick_s:
                self._set_clock(clock_ns + round((now_s - clock_s) * rate * 1e9))
                tick_s += _CLOCK_S
            self._spin(min(until_s, tick_s) - now_s)
            self._check(self._last_answer_s, SILENCE_S, "answered no image")

    def settle(self, last_ns: int) -> None:
        """Wait for the answer to the last image, unless it was dropped."""
        last = self._indices[last_ns]
        began = time.monotonic()
        while time.monotonic() < max(began, self._last_answer_s) + _SETTLED_S:
            if self.arrivals and self.arrivals[-1].index == last:
                return
            self._spin(0.05)
            self._check(self._last_answer_s, SILENCE_S, "answered no image")

    def close(self) -> None:
        """Leave the topics."""
        self._node.destroy_node()
        self._recorder.close()

    @property
    def _is_connected(self) -> bool:
        matched = (end.get_subscription_count() > 0 for end in (self._clock, self._boxes))
        return self._trial_ns is not None and self._recorder.counts[_TRACKS] > 0 and all(matched)

    @property
    def _last_answer_s(self) -> float:
        return self.arrivals[-1].time_s if self.arrivals else self._connected_s

    def _spin(self, timeout_s: float) -> None:
        self._recorder.spin_once(max(0.0, timeout_s))

    def _check(self, since_s: float, limit_s: float, what: str) -> None:
        assert self._tracker is not None, "connected"
        self._tracker.check_running()
        if self._failure:
            raise ProcessError(self._failure)
        if time.monotonic() - since_s > limit_s:
            raise self._tracker.failure(f"{what} for {limit_s:g} s")

    def _set_clock(self, now_ns: int) -> None:
        self._now_ns = max(now_ns, self._now_ns)
        clock = Clock()
        clock.clock.sec, clock.clock.nanosec = divmod(self._now_ns, 10**9)
        self._clock.publish(clock)

    def _on_message(self, topic: str, data: bytes) -> None:
        if topic == TRACK_TOPIC:
            self._on_track(deserialize_message(data, TrackMessage))
        elif topic == _ADAPTATION:
            self.report = _report(deserialize_message(data, AdaptationMessage))
        elif topic == _STATUS:
            status = deserialize_message(data, Status)
            if status.event == Status.STARTED:
                self._started = True
            else:
                verb = "refused" if status.event == Status.REFUSED else "ended"
                self._failure = f"the node {verb} the target: {status.text}"

    def _on_track(self, message: TrackMessage) -> None:
        now_s, stamp = time.monotonic(), stamp_ns(message)
        index = self._indices.get(stamp)
        if index is None:
            self._trial_ns, self._connected_s = stamp, now_s
        else:
            self.arrivals.append(Arrival(index, now_s, read_track(message)))


def box_message(box: Box, stamp_ns: int) -> InitBox:
    """The target's box in the image of a stamp."""
    header = Header()
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
    x, y, width, height = map(float, box)
    return InitBox(header=header, id=TARGET, x=x, y=y, width=width, height=height)


def _report(message: AdaptationMessage) -> AdaptationReport:
    return AdaptationReport(
        method=message.method,
        losses=tuple(message.losses),
        steps=message.steps,
        best_step=message.best_step,
        elapsed_ms=message.elapsed_ms,
        stop_reason=message.stop_reason,
        max_change=message.max_change,
        mean_change=message.mean_change,
        support_crops=message.support_crops,
    )
