"""The other side of the tracker node's topics and services, and pictures to send: test helpers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autrack_ros.msg import AdaptationReport, InitBox, Status, Track, TrackArray
from pictures import BOX, picture
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_node import ros_node
from ros_process import RosProcess, wait_until
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from autrack_ros.tracking import Box

MODULE = "autrack_ros.node.tracker_node"
PERIOD_NS = 33_000_000  # from one stamp to the next
UPDATED = (Track.TRACKING, Track.UNCERTAIN, Track.LOST)


class Client:
    """The other side of a node that runs in the same namespace.

    Attributes:
        tracks: all of ~/track; likewise arrays of ~/tracks, statuses of ~/status, reports of
            ~/adaptation.
    """

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self.node, self.executor = node, executor
        self.tracks: list[Track] = []
        self.arrays: list[TrackArray] = []
        self.statuses: list[Status] = []
        self.reports: list[AdaptationReport] = []
        self.images = node.create_publisher(Image, "image", qos.SENSOR_IMAGE)
        self.boxes = node.create_publisher(InitBox, "init_box", qos.COMMAND)
        for kind, name, received, profile in (
            (Track, "track", self.tracks, qos.RESULT),
            (TrackArray, "tracks", self.arrays, qos.RESULT),
            (Status, "status", self.statuses, qos.STATUS),
            (AdaptationReport, "adaptation", self.reports, qos.LATCHED),
        ):
            node.create_subscription(kind, f"tracker/{name}", received.append, profile)
        self._stamp_ns = 1_000_000_000
        self._services: dict[str, Any] = {}

    def spin_once(self) -> None:
        self.executor.spin_once(timeout_sec=0.05)

    def until(self, condition: Any, what: str) -> Any:
        return wait_until(condition, self.spin_once, what)

    def wait_for_node(self) -> None:
        topics = [f"tracker/{name}" for name in ("track", "tracks", "status", "adaptation")]
        self.until(
            lambda: (
                self.images.get_subscription_count()
                and self.boxes.get_subscription_count()
                and all(map(self.node.count_publishers, topics))
            ),
            "node",
        )

    def connect(self) -> None:
        """Wait for the node, and until images reach it and its results come back.

        Both ends know of each other before messages pass between them. Afterwards none of these
        images is still on its way: a target that is sent next starts in an image sent after it.
        """
        self.wait_for_node()

        def passes() -> bool:
            self.images.publish(self.image())
            return bool(self.tracks and self.arrays)

        self.until(passes, "Track of any image")
        self.send_for_all(self.image())

    def forget(self) -> None:
        """Forget all that was received."""
        for received in (self.tracks, self.arrays, self.statuses, self.reports):
            received.clear()

    def header(self) -> Header:
        """With the next stamp."""
        self._stamp_ns += PERIOD_NS
        header = Header(frame_id="camera_optical")
        header.stamp.sec, header.stamp.nanosec = divmod(self._stamp_ns, 1_000_000_000)
        return header

    def image(self, shift: int = 0, **size: int) -> Image:
        return bgr_to_image(picture(shift, **size), self.header())

    def send(self, image: Image) -> Track:
        """Publish the image and wait for its ~/track."""
        self.images.publish(image)
        return self.track_of(image)

    def track_of(self, image: Image) -> Track:
        """Wait for the ~/track of an image that was published."""
        return self.until(lambda: of_image(self.tracks, image), "Track of the image")

    def send_for_all(self, image: Image) -> dict[str, Track]:
        """Publish the image and wait for its ~/tracks, by target."""
        self.images.publish(image)
        array = self.until(lambda: of_image(self.arrays, image), "TrackArray of the image")
        return {track.id: track for track in array.tracks}

    def send_box(self, box: Box, target_id: str, image: Image | None = None) -> None:
        """Send a box, drawn on the image; without one it is for the next image."""
        self.boxes.publish(box_message(box, target_id, image))

    def start_target(self, target_id: str, box: Box = BOX, shift: int = 0) -> Track:
        """Send box and images until the target is taken; return its first Track."""
        self.send_box(box, target_id)
        return self.until(
            lambda: self.send_for_all(self.image(shift)).get(target_id),
            f"Track of target '{target_id}'",
        )

    def adapt_target(self, target_id: str, box: Box = BOX) -> Track:
        """Start the target and send images until it is adapted; return its first Track."""
        first = self.start_target(target_id, box)
        self.until(
            lambda: self.send_for_all(self.image())[target_id].state in UPDATED,
            f"adaptation of target '{target_id}'",
        )
        return first

    def status(self, event: int, target_id: str) -> Status:
        """Wait for a Status."""
        return self.until(
            lambda: next((s for s in self.statuses if (s.event, s.id) == (event, target_id)), None),
            f"Status {event} of target '{target_id}'",
        )

    def report(self, target_id: str) -> AdaptationReport:
        """Wait for a report; there is but one of a target."""
        reports = self.until(
            lambda: [report for report in self.reports if report.id == target_id],
            f"report of target '{target_id}'",
        )
        assert len(reports) == 1
        return reports[0]

    def refusal(self, target_id: str) -> str:
        """Why the box was refused; empty while it is not."""
        refused = (s.text for s in self.statuses if (s.event, s.id) == (Status.REFUSED, target_id))
        return next(refused, "")

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call until an answer comes: DDS loses one whose reader the server has not yet found."""
        service = self._service(kind, name)
        calls: list[Any] = []

        def answered() -> Any:
            if not calls or time.monotonic() - calls[-1][0] > 3:
                calls.append((time.monotonic(), service.call_async(request)))
            return next((future for _, future in calls if future.done()), None)

        return self.until(answered, f"answer of {name}").result()

    def call_async(self, kind: Any, name: str, request: Any) -> Any:
        return self._service(kind, name).call_async(request)

    def set_parameter(self, name: str, value: bool | float | int | str) -> Any:
        request = SetParameters.Request(parameters=[Parameter(name=name, value=_value(value))])
        return self.call(SetParameters, "tracker/set_parameters", request).results[0]

    def reset(self) -> None:
        assert self.call(Trigger, "tracker/reset", Trigger.Request()).success

    def _service(self, kind: Any, name: str) -> Any:
        if name not in self._services:
            self._services[name] = self.node.create_client(kind, name)
        self.until(self._services[name].service_is_ready, f"service {name}")
        return self._services[name]


@contextmanager
def node_client(namespace: str = "") -> Iterator[Client]:
    """Yield a client; nodes started meanwhile are in its domain."""
    with ros_node("client", namespace) as ros:
        yield Client(ros.node, ros.executor)


@contextmanager
def tracker_process(client: Client, *arguments: str, **parameters: Any) -> Iterator[RosProcess]:
    """Run the node until the end, which must be a clean one."""
    process = RosProcess(MODULE, *arguments, **parameters)
    try:
        client.wait_for_node()
        yield process
    finally:
        status = process.stop()
    assert status == 0, process.output
    assert "Traceback" not in process.output


def of_image(messages: list[Any], image: Image) -> Any:
    """The message with the stamp of the image; None where there is none."""
    return next((m for m in messages if m.header.stamp == image.header.stamp), None)


def box_message(box: Box, target_id: str, image: Image | None = None) -> InitBox:
    x, y, width, height = map(float, box)
    header = Header() if image is None else image.header
    return InitBox(header=header, id=target_id, x=x, y=y, width=width, height=height)


def box_of_track(track: Track) -> Box:
    width, height = track.size_x, track.size_y
    return Box(track.center_x - width / 2, track.center_y - height / 2, width, height)


def _value(value: bool | float | int | str) -> ParameterValue:
    kind, field = {
        bool: (ParameterType.PARAMETER_BOOL, "bool_value"),
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        str: (ParameterType.PARAMETER_STRING, "string_value"),
    }[type(value)]
    return ParameterValue(type=kind, **{field: value})
