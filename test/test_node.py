"""The tracker node as its users meet it: a process of its own, over real topics and services."""

from __future__ import annotations

import math
import os
import re
import signal
import time
from array import array
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

import rclpy
import torch
from autrack_ros.msg import AdaptationReport, InitBox, Track
from autrack_ros.srv import Initialize
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from ros_process import WAIT_S, RosProcess, environment, wait_until
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from autrack_ros.node import qos, tracker_node
from autrack_ros.node.image_conversion import bgr_to_image, image_to_bgr
from autrack_ros.tracking import DEFAULT_PRESET, PRESETS, Box, iou
from autrack_ros.tracking.networks import NETWORKS

MODULE = "autrack_ros.node.tracker_node"
WIDTH, HEIGHT = 320, 240
HAS_WEIGHTS = PRESETS[DEFAULT_PRESET].shipped_weights is not None
BOX = Box(100, 80, 50, 40)


def picture(shift: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Smooth noise with a patch of other noise at BOX, moved to the right by ``shift`` pixels."""
    generator = np.random.default_rng(7)
    background = generator.integers(60, 120, (height // 8, width // 8, 3), dtype=np.uint8)
    image = cv2.resize(background, (width, height), interpolation=cv2.INTER_CUBIC)
    patch = generator.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    patch = cv2.resize(patch, (int(BOX.w), int(BOX.h)), interpolation=cv2.INTER_NEAREST)
    x, y = int(BOX.x) + shift, int(BOX.y)
    image[y : y + patch.shape[0], x : x + patch.shape[1]] = patch
    return image


class Client:
    """The other side of the node's topics and services."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self.node, self.executor = node, executor
        self.tracks: list[Track] = []
        self.reports: list[AdaptationReport] = []
        self.images = node.create_publisher(Image, "image", qos.SENSOR_IMAGE)
        self.boxes = node.create_publisher(InitBox, "init_box", qos.COMMAND)
        node.create_subscription(Track, "tracker/track", self.tracks.append, qos.RESULT)
        node.create_subscription(
            AdaptationReport, "tracker/adaptation", self.reports.append, qos.LATCHED
        )
        self._seconds = 0

    def spin_once(self) -> None:
        self.executor.spin_once(timeout_sec=0.05)

    def until(self, condition: Any, what: str) -> Any:
        return wait_until(condition, self.spin_once, what)

    def wait_for_node(self) -> None:
        self.until(
            lambda: (
                self.images.get_subscription_count()
                and self.boxes.get_subscription_count()
                and self.node.count_publishers("tracker/track")
                and self.node.count_publishers("tracker/adaptation")
            ),
            "node",
        )

    def header(self) -> Header:
        self._seconds += 1
        header = Header(frame_id="camera_optical")
        header.stamp.sec, header.stamp.nanosec = self._seconds, 500
        return header

    def image(self, shift: int = 0, **size: int) -> Image:
        return bgr_to_image(picture(shift, **size), self.header())

    def send(self, image: Image) -> Track:
        """Publish the image until its final Track comes."""

        def final() -> Track | None:
            tracks = [t for t in self.tracks if t.header.stamp == image.header.stamp]
            return next((t for t in tracks if t.state != Track.ADAPTING), None)

        self.images.publish(image)
        return self.until(final, f"Track of the image of {image.header.stamp.sec} s")

    def send_box(self, box: Box, target_id: str) -> None:
        self.boxes.publish(box_message(box, target_id))

    def start_target(self, target_id: str, box: Box = BOX) -> Track:
        """Send box and images until the target is taken; box and image may overtake each other."""
        self.send_box(box, target_id)
        return self.until(lambda: self._started(target_id), f"Track of target {target_id}")

    def _started(self, target_id: str) -> Track | None:
        track = self.send(self.image())
        return track if track.id == target_id else None

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call until an answer comes: DDS loses one whose reader the server has not yet found."""
        client = self._ready_client(kind, name)
        calls: list[Any] = []

        def answered() -> Any:
            if not calls or time.monotonic() - calls[-1][0] > 3:
                calls.append((time.monotonic(), client.call_async(request)))
            return next((future for _, future in calls if future.done()), None)

        return self.until(answered, f"answer of {name}").result()

    def call_async(self, kind: Any, name: str, request: Any) -> Any:
        return self._ready_client(kind, name).call_async(request)

    def _ready_client(self, kind: Any, name: str) -> Any:
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, f"service {name}")
        return client

    def set_parameter(self, name: str, value: ParameterValue) -> Any:
        request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        return self.call(SetParameters, "tracker/set_parameters", request).results[0]

    def reset(self) -> None:
        assert self.call(Trigger, "tracker/reset", Trigger.Request()).success


def box_message(box: Box, target_id: str) -> InitBox:
    x, y, width, height = map(float, box)
    return InitBox(id=target_id, x=x, y=y, width=width, height=height)


def box_of_track(track: Track) -> Box:
    return Box(
        track.center_x - track.size_x / 2,
        track.center_y - track.size_y / 2,
        track.size_x,
        track.size_y,
    )


def number(value: float | int | str) -> ParameterValue:
    if isinstance(value, str):
        return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
    if isinstance(value, int):
        return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Parameters of a small model: the default one, or random weights until that is shipped."""
    if HAS_WEIGHTS:
        return {}
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(NETWORKS["siamfcpp_tinyconv"]().state_dict(), path)
    return {"preset": "siamfcpp_tinyconv_vot", "checkpoint": str(path)}


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    """A node of the tests' own in a domain of its own."""
    with pytest.MonkeyPatch.context() as patch:
        domain = 1 + os.getpid() % 99
        for name, value in environment(domain).items():
            patch.setenv(name, value)
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        node = Node("client", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        yield Client(node, executor)
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.fixture(scope="module")
def process(ros: Client, model: dict[str, str]) -> Iterator[RosProcess]:
    started = RosProcess(MODULE, **model)
    ros.wait_for_node()
    yield started
    status = started.stop()
    assert status == 0, started.output
    assert "Traceback" not in started.output


@pytest.fixture
def client(ros: Client, process: RosProcess) -> Client:
    """A running node without a target, its adaptation short."""
    assert process.running, process.output
    assert ros.set_parameter("adaptation.steps", number(2)).successful
    ros.reset()
    ros.until(lambda: ros.send(ros.image()).state == Track.IDLE, "IDLE")
    ros.tracks.clear()
    ros.reports.clear()
    return ros


def test_without_a_target_every_image_gives_an_idle_track(client: Client) -> None:
    image = client.image()
    track = client.send(image)
    assert track.state == Track.IDLE
    assert track.header == image.header
    assert (track.id, track.size_x, track.score) == ("", 0.0, 0.0)


def test_a_box_is_adapted_to_and_then_tracked(client: Client) -> None:
    first = client.start_target("patch")
    assert first.state == Track.TRACKING
    assert box_of_track(first) == pytest.approx(BOX)
    assert first.adaptation_ms > 0
    states = [track.state for track in client.tracks if track.id == "patch"]
    assert states[:2] == [Track.ADAPTING, Track.TRACKING]
    (report,) = client.until(lambda: client.reports, "report")
    assert (report.id, report.method, report.stop_reason) == ("patch", "bim", "completed")
    assert report.header == first.header
    assert report.steps == 2
    assert len(report.losses) == 3
    for shift in range(2, 20, 2):
        image = client.image(shift)
        track = client.send(image)
        assert track.header == image.header
        assert track.id == "patch"
        assert track.state in (Track.TRACKING, Track.LOST)
        assert 0 <= track.score <= 1
        assert track.processing_ms > 0
        if HAS_WEIGHTS:
            assert iou(box_of_track(track), BOX._replace(x=BOX.x + shift)) > 0.5
    assert track.processed_images - first.processed_images == 9


def test_images_that_come_during_the_adaptation_are_dropped_and_counted(client: Client) -> None:
    before = client.send(client.image())
    assert client.set_parameter("adaptation.steps", number(30)).successful
    client.send_box(BOX, "slow")

    def finished() -> bool:
        client.images.publish(client.image())
        return any(t.state == Track.TRACKING and t.id == "slow" for t in client.tracks)

    client.until(finished, "TRACKING")
    after = client.send(client.image())
    assert after.dropped_images > before.dropped_images
    assert after.processed_images > before.processed_images


def test_a_second_box_replaces_the_target(client: Client) -> None:
    client.start_target("first")
    other = Box(30, 40, 60, 60)
    track = client.start_target("second", other)
    assert box_of_track(track) == pytest.approx(other)
    assert client.send(client.image()).id == "second"


def test_reset_forgets_the_target(client: Client) -> None:
    client.start_target("patch")
    client.reset()
    client.until(lambda: client.send(client.image()).state == Track.IDLE, "IDLE")
    assert client.send(client.image()).id == ""


def begin_long_adaptation(client: Client, target_id: str) -> None:
    assert client.set_parameter("adaptation.steps", number(1000)).successful
    client.send_box(BOX, target_id)

    def adapting() -> bool:
        client.images.publish(client.image())
        return any(t.state == Track.ADAPTING and t.id == target_id for t in client.tracks)

    client.until(adapting, "ADAPTING")


def test_reset_ends_a_running_adaptation(client: Client) -> None:
    begin_long_adaptation(client, "long")
    client.reset()
    (report,) = client.until(lambda: client.reports, "report")
    assert report.stop_reason == "cancelled"
    assert report.steps < 1000
    client.until(lambda: client.send(client.image()).state == Track.IDLE, "IDLE")


def test_a_new_box_ends_a_running_adaptation_and_a_bad_one_does_not(
    client: Client, process: RosProcess
) -> None:
    begin_long_adaptation(client, "long")
    before = process.line_count
    client.send_box(Box(math.nan, 0, 10, 10), "bad")
    process.wait_for_line("target 'bad'", after=before)
    assert client.set_parameter("adaptation.steps", number(2)).successful
    assert client.reports == []
    client.send_box(BOX, "newer")
    client.until(lambda: client.send(client.image()).id == "newer", "newer target")
    assert (client.reports[0].id, client.reports[0].stop_reason) == ("long", "cancelled")


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (Box(math.nan, 10, 20, 20), "x=nan.*finite"),
        (Box(10, 10, math.inf, 20), "w=inf.*finite"),
        (Box(10, 10, 0, 20), "w=0.*at least 2 px"),
        (Box(10, 10, 1.5, 20), "w=1.5.*at least 2 px"),
        (Box(10, 10, 20, -5), "h=-5.*at least 2 px"),
        (Box(400, 10, 20, 20), "x=400.*inside the 320x240 image"),
        (Box(-30, 10, 31, 20), "x=-30.*inside the 320x240 image"),
    ],
)
def test_a_bad_box_is_logged_and_the_target_is_kept(
    client: Client, process: RosProcess, box: Box, reason: str
) -> None:
    client.start_target("kept")
    before = process.line_count
    client.send_box(box, "bad")
    line = process.wait_for_line(reason, after=before)
    assert "/init_box: target 'bad'" in line
    assert "'kept' is kept" in line
    track = client.send(client.image())
    assert track.id == "kept"
    assert track.state in (Track.TRACKING, Track.LOST)


def damaged(image: Image, **fields: Any) -> Image:
    for name, value in fields.items():
        setattr(image, name, value)
    return image


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"encoding": "h264"}, "encoding 'h264': accepted are bgr8"),
        ({"width": 0, "height": 0, "step": 0, "data": array("B")}, "width 0, height 0"),
        ({"data": array("B", b"\0" * 1000)}, "data has 1000 bytes"),
        ({"step": 100}, "step 100: a row of 320 bgr8 pixels has at least 960 bytes"),
        ({"width": 2**31}, "step 960"),
    ],
)
def test_a_bad_image_is_logged_and_the_target_is_kept(
    client: Client, process: RosProcess, fields: dict[str, Any], reason: str
) -> None:
    client.start_target("kept")
    before = process.line_count
    client.images.publish(damaged(client.image(), **fields))
    line = process.wait_for_line(reason, after=before)
    assert "/image: image refused" in line
    assert "'kept' is kept" in line
    client.start_target("after")


def test_a_change_of_size_is_logged_and_a_new_box_mends_it(
    client: Client, process: RosProcess
) -> None:
    client.start_target("kept")
    before = process.line_count
    client.images.publish(client.image(width=400, height=304))
    process.wait_for_line("400x304.*320x240", after=before)
    assert client.send(client.image()).id == "kept"
    client.send_box(BOX, "larger")
    track = client.until(lambda: large_track(client), "target in the larger image")
    assert track.id == "larger"


def large_track(client: Client) -> Track | None:
    client.images.publish(client.image(width=400, height=304))
    client.spin_once()
    return next((t for t in client.tracks if t.id == "larger" and t.state == Track.TRACKING), None)


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "bgra8"])
def test_other_encodings_are_tracked_too(client: Client, encoding: str) -> None:
    codes = {
        "rgb8": cv2.COLOR_BGR2RGB,
        "mono8": cv2.COLOR_BGR2GRAY,
        "bgra8": cv2.COLOR_BGR2BGRA,
    }
    client.start_target("coloured")
    image = client.image()
    pixels = cv2.cvtColor(picture(), codes[encoding])
    damaged(image, encoding=encoding, step=pixels.strides[0], data=array("B", pixels.tobytes()))
    track = client.send(image)
    assert track.state in (Track.TRACKING, Track.LOST)
    if HAS_WEIGHTS:
        assert iou(box_of_track(track), BOX) > 0.5


def test_initialize_is_refused_when_the_next_image_is_unusable(client: Client) -> None:
    client.start_target("kept")
    answered = client.call_async(
        Initialize, "tracker/initialize", Initialize.Request(box=box_message(BOX, "refused"))
    )

    def done() -> bool:
        client.images.publish(damaged(client.image(), encoding="h264"))
        return answered.done()

    client.until(done, "answer")
    assert not answered.result().accepted
    assert "encoding 'h264'" in answered.result().reason
    assert client.send(client.image()).id == "kept"


def test_initialize_is_refused_when_images_stop(client: Client) -> None:
    client.send(client.image())
    answered = client.call_async(
        Initialize, "tracker/initialize", Initialize.Request(box=box_message(BOX, "waiting"))
    )
    client.until(answered.done, "answer")
    assert "no image has come" in answered.result().reason


def test_the_track_says_where_the_response_map_lies(client: Client) -> None:
    client.start_target("placed")
    x0, dx, y0, dy = (client.send(client.image()).response_to_image[i] for i in (2, 0, 5, 4))
    middle = Box(*BOX).center
    # The map is centred on the last box, which has hardly moved.
    cells = (2 * (middle[0] - x0) / dx, 2 * (middle[1] - y0) / dy)
    assert cells[0] == pytest.approx(cells[1], abs=4)
    assert 8 < cells[0] < 32


def test_initialize_answers_when_the_adaptation_has_finished(client: Client) -> None:
    request = Initialize.Request(box=box_message(BOX, "served"))
    answered = client.call_async(Initialize, "tracker/initialize", request)

    def done() -> bool:
        client.images.publish(client.image())
        return answered.done()

    client.until(done, "answer")
    response = answered.result()
    assert response.accepted, response.reason
    assert (response.report.id, response.report.steps) == ("served", 2)
    assert client.send(client.image()).id == "served"


def test_initialize_does_not_block_the_executor(client: Client) -> None:
    """Other callbacks run while the service waits for the adaptation; a reset answers it."""
    assert client.set_parameter("adaptation.steps", number(1000)).successful
    request = Initialize.Request(box=box_message(BOX, "long"))
    answered = client.call_async(Initialize, "tracker/initialize", request)

    def adapting() -> bool:
        client.images.publish(client.image())
        return any(t.state == Track.ADAPTING for t in client.tracks)

    client.until(adapting, "ADAPTING")
    assert client.set_parameter("lost_score", number(0.3)).successful
    assert not answered.done()
    client.reset()
    client.until(answered.done, "answer")
    assert not answered.result().accepted
    assert answered.result().reason == "target 'long': reset"
    (report,) = client.until(lambda: client.reports, "report")
    assert report.stop_reason == "cancelled"
    client.until(lambda: client.send(client.image()).state == Track.IDLE, "IDLE")


def test_initialize_refuses_a_bad_box_with_the_reason(client: Client) -> None:
    client.start_target("kept")
    request = Initialize.Request(box=box_message(Box(10, 10, 1, 1), "tiny"))
    response = client.call(Initialize, "tracker/initialize", request)
    assert not response.accepted
    assert "at least 2 px" in response.reason
    assert client.send(client.image()).id == "kept"


def test_report_and_template_reach_late_subscribers(client: Client) -> None:
    client.start_target("latched")
    received: list[Any] = []
    for kind, topic in ((AdaptationReport, "tracker/adaptation"), (Image, "tracker/template")):
        client.node.create_subscription(kind, topic, received.append, qos.LATCHED)
    client.until(lambda: len(received) >= 2, "latched messages")
    template = next(message for message in received if isinstance(message, Image))
    assert image_to_bgr(template).shape[1] == 3 * 256


@pytest.mark.parametrize(
    ("topic", "encoding"),
    [("response_map", "32FC1"), ("response_heatmap", "bgr8"), ("overlay", "bgr8")],
)
def test_debug_images_carry_the_header_of_the_image(
    client: Client, topic: str, encoding: str
) -> None:
    client.start_target("seen")
    received: list[Image] = []
    subscription = client.node.create_subscription(
        Image, f"tracker/{topic}", received.append, qos.DEBUG_IMAGE
    )

    def arrived() -> Image | None:
        image = client.image()
        client.send(image)
        client.spin_once()
        return next((i for i in received if i.header.stamp == image.header.stamp), None)

    picture_of = client.until(arrived, topic)
    assert picture_of.encoding == encoding
    assert picture_of.header.frame_id == "camera_optical"
    if topic == "overlay":
        assert (picture_of.width, picture_of.height) == (WIDTH, HEIGHT)
    client.node.destroy_subscription(subscription)


def test_debug_images_are_made_only_while_somebody_subscribes(
    ros: Client, model: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(name: str) -> Any:
        original = getattr(tracker_node, name)
        return lambda *args, **kwargs: (made.append(name), original(*args, **kwargs))[1]

    for name in ("draw_overlay", "draw_heatmap", "float_to_image"):
        monkeypatch.setattr(tracker_node, name, counted(name))
    parameters = [text for name, value in model.items() for text in ("-p", f"{name}:={value}")]
    arguments = ["--ros-args", "-r", "__ns:=/quiet", "-p", "adaptation.steps:=1", *parameters]
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node = tracker_node.TrackerNode()
    try:
        node._on_init_box(box_message(BOX, "patch"))
        for _ in range(2):
            node._process(ros.image())
        assert made == []
        subscription = ros.node.create_subscription(
            Image, "/quiet/tracker/overlay", lambda image: None, qos.DEBUG_IMAGE
        )
        ros.until(node._overlay.get_subscription_count, "subscriber of the overlay")
        node._process(ros.image())
        assert made == ["draw_overlay"]
        ros.node.destroy_subscription(subscription)
        ros.until(lambda: not node._overlay.get_subscription_count(), "no subscriber")
        node._process(ros.image())
        assert made == ["draw_overlay"]
    finally:
        node.close()
        node.destroy_node()
        rclpy.try_shutdown()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("adaptation.step_size", -0.5, "step_size.*out of range.*-0.5"),
        ("adaptation.step_size", 0.0, "step_size.*above 0"),
        ("adaptation.epsilon", math.nan, "epsilon.*nan"),
        ("adaptation.method", "sgd", "method='sgd': accepted is one of bim"),
        ("adaptation.steps", 1001, "steps.*out of range.*1001"),
        ("adaptation.steps", 2.5, "Wrong parameter type"),
        ("lost_score", 1.5, "lost_score.*out of range"),
        ("preset", DEFAULT_PRESET, "read-only.*preset"),
        ("device", "cpu", "read-only.*device"),
    ],
)
def test_a_wrong_parameter_is_refused_with_a_reason(
    client: Client, name: str, value: float | int | str, reason: str
) -> None:
    result = client.set_parameter(name, number(value))
    assert not result.successful
    assert re.search(reason, result.reason), result.reason


def test_adaptation_parameters_apply_to_the_next_box(client: Client) -> None:
    client.start_target("two")
    assert client.set_parameter("adaptation.steps", number(3)).successful
    assert client.set_parameter("adaptation.method", number("momentum")).successful
    client.start_target("three")
    assert client.set_parameter("adaptation.method", number("none")).successful
    client.start_target("none")
    assert client.set_parameter("adaptation.method", number("bim")).successful
    reports = {report.id: (report.method, report.steps) for report in client.reports}
    assert reports == {"two": ("bim", 2), "three": ("momentum", 3), "none": ("none", 0)}


def test_parameters_describe_themselves(client: Client) -> None:
    request = DescribeParameters.Request(names=["adaptation.budget_ms", "adaptation.method"])
    response = client.call(DescribeParameters, "tracker/describe_parameters", request)
    budget, method = response.descriptors
    assert "[ms]" in budget.description
    assert budget.floating_point_range[0].from_value == 0
    assert "fgsm" in method.additional_constraints


def test_start_without_images_warns_and_ends_cleanly_on_sigterm(
    ros: Client, model: dict[str, str]
) -> None:
    node = RosProcess(MODULE, "-r", "__ns:=/alone", "-r", "image:=camera/image", **model)
    node.wait_for_line("waiting for a box on /alone/init_box and images on /alone/camera/image")
    request = Initialize.Request(box=box_message(BOX, "early"))
    response = ros.call(Initialize, "/alone/tracker/initialize", request)
    assert not response.accepted
    assert "no image has come on /alone/camera/image" in response.reason
    node.wait_for_line("no image on /alone/camera/image for 5 s; .*best effort.*publishers: none")
    node.interrupt(signal.SIGTERM)
    assert node.wait() == 0, node.output
    assert "Traceback" not in node.output


def test_ctrl_c_twice_during_the_adaptation_ends_the_node_cleanly(
    ros: Client, model: dict[str, str]
) -> None:
    node = RosProcess(MODULE, "-r", "__ns:=/ending", **{**model, "adaptation.steps": 1000})
    try:
        node.wait_for_line("waiting for a box")
        images = ros.node.create_publisher(Image, "/ending/image", qos.SENSOR_IMAGE)
        boxes = ros.node.create_publisher(InitBox, "/ending/init_box", qos.COMMAND)
        tracks: list[Track] = []
        ros.node.create_subscription(Track, "/ending/tracker/track", tracks.append, qos.RESULT)
        ros.until(boxes.get_subscription_count, "node")

        def adapting() -> bool:
            # What is sent before both ends know each other is lost.
            boxes.publish(box_message(BOX, "long"))
            images.publish(ros.image())
            return any(track.state == Track.ADAPTING for track in tracks)

        ros.until(adapting, "ADAPTING")
        # The terminal sends one, ros2 launch another.
        node.interrupt()
        node.interrupt()
        assert node.wait(timeout_s=WAIT_S) == 0, node.output
        assert "Traceback" not in node.output
    finally:
        node.stop()


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(100).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("domain")
def test_a_wrong_start_ends_with_one_line_and_status_1() -> None:
    starts = {
        "preset 'siamfc': accepted is one of": {"preset": "siamfc"},
        "no_such_file.pth.*cannot be read": {"checkpoint": "no_such_file.pth"},
        "adaptation.epsilon.*INTEGER": {"adaptation.epsilon": 8},
    }
    nodes = {line: RosProcess(MODULE, **parameters) for line, parameters in starts.items()}
    for line, node in nodes.items():
        assert node.wait(60) == 1, node.output
        assert "FATAL" in node.wait_for_line(line)
        assert "Traceback" not in node.output
