"""The tracker node as its users meet it: a process of its own, over real topics and services."""

from __future__ import annotations

import math
import re
import signal
from array import array
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import cv2
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import InitBox, Status, Track
from autrack_ros.srv import Initialize
from node_client import (
    MODULE,
    Client,
    box_message,
    box_of_track,
    node_client,
    tracker_process,
)
from pictures import BOX, HEIGHT, OTHER, WIDTH, moved, picture
from rcl_interfaces.srv import DescribeParameters
from rclpy.qos import QoSProfile
from ros_node import ros_node
from ros_process import WAIT_S, RosProcess, environment, wait_until
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from autrack_ros.drawing import Trail
from autrack_ros.node import qos
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.outputs import overlay, response
from autrack_ros.node.outputs.outputs import Outputs
from autrack_ros.node.outputs.results import Counts, usable
from autrack_ros.node.positions import Located
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    Box,
    PresenceSettings,
    TrackState,
    iou,
    load_engine,
)

QUICK = {"adaptation.steps": 2, "adaptation.support_crops": 1}


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    with node_client() as made:
        yield made


@pytest.fixture(scope="module")
def process(ros: Client) -> Iterator[RosProcess]:
    with tracker_process(ros, **QUICK) as started:
        yield started


@pytest.fixture
def client(ros: Client, process: RosProcess) -> Client:
    """A running node without a target, its adaptation short."""
    assert process.running, process.output
    assert ros.set_parameter("adaptation.steps", 2).successful
    ros.reset()
    ros.until(lambda: ros.send(ros.image()).state == Track.IDLE, "IDLE")
    ros.forget()
    return ros


def test_without_a_target_every_image_gives_an_idle_track(client: Client) -> None:
    image = client.image()
    track = client.send(image)
    assert track.state == Track.IDLE
    assert track.header == image.header
    assert (track.id, track.size_x, track.score) == ("", 0.0, 0.0)


def test_a_box_is_followed_at_once_and_adapted_to_in_the_background(client: Client) -> None:
    first = client.start_target("patch")
    assert first.state == Track.ADAPTING
    assert box_of_track(first) == pytest.approx(BOX)
    assert (first.score, first.peak, first.adaptation_ms) == (1, 0, 0)
    assert client.status(Status.STARTED, "patch").header == first.header
    report = client.report("patch")
    assert (report.method, report.stop_reason) == ("bim", "completed")
    assert report.header == first.header
    assert report.steps == 2
    assert len(report.losses) == 3
    before = client.send(client.image())
    for shift in range(2, 20, 2):
        image = client.image(shift)
        track = client.send(image)
        assert track.header == image.header
        assert track.id == "patch"
        assert track.state == Track.TRACKING
        assert 0 <= track.score <= 1
        assert 0 < track.second_peak <= track.peak <= 1
        assert track.sharpness > 0
        assert track.processing_ms > 0
        assert track.adaptation_ms == report.elapsed_ms
        assert iou(box_of_track(track), moved(BOX, shift)) > 0.7
    assert track.processed_images - before.processed_images == 9
    assert track.dropped_images == before.dropped_images


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
def test_a_bad_image_is_logged_and_the_target_is_kept_without_a_box_in_it(
    client: Client, process: RosProcess, fields: dict[str, Any], reason: str
) -> None:
    client.start_target("kept")
    before = process.line_count

    def lines() -> list[str]:
        track = client.send(damaged(client.image(), **fields))
        assert (track.id, track.state, track.size_x) == ("kept", Track.LOST, 0)
        return [line for line in process.output.splitlines()[before:] if reason in line]

    line, *_ = client.until(lines, "line")  # the log is rationed: of some images nothing is said
    assert "/image: image refused" in line
    assert "followed are 'kept'" in line
    track = client.send(client.image())
    assert track.state in (Track.ADAPTING, Track.TRACKING)
    assert iou(box_of_track(track), BOX) > 0.7


def test_images_that_come_faster_than_they_are_processed_are_dropped_and_counted(
    client: Client,
) -> None:
    for number in range(8):  # they take time
        client.start_target(f"patch {number}")
    before = client.send(client.image())
    sent = 0

    def dropped() -> int:
        nonlocal sent
        for _ in range(10):
            client.images.publish(client.image())
            sent += 1
        return client.tracks[-1].dropped_images - before.dropped_images

    client.until(dropped, "dropped image")
    after = client.send(client.image())
    processed = after.processed_images - before.processed_images
    assert processed + after.dropped_images - before.dropped_images <= sent + 1


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
def test_a_bad_box_is_refused_with_a_reason_and_the_target_is_kept(
    client: Client, box: Box, reason: str
) -> None:
    client.start_target("kept")
    client.send_box(box, "bad")
    client.until(lambda: client.send(client.image()) and client.refusal("bad"), "refusal")
    text = client.refusal("bad")
    assert re.fullmatch(f"target 'bad': box .*{reason}.*; followed are 'kept'", text), text
    track = client.send(client.image())
    assert track.id == "kept"
    assert track.state in (Track.ADAPTING, Track.TRACKING)


def test_a_change_of_size_forgets_the_targets_and_a_new_box_mends_it(client: Client) -> None:
    client.start_target("small")
    assert client.send(client.image(width=400, height=304)).state == Track.IDLE
    reason = "image size changed from 320x240 to 400x304: all targets are forgotten"
    assert reason in client.status(Status.ENDED, "small").text
    client.send_box(BOX, "large")
    large = client.until(
        lambda: client.send_for_all(client.image(width=400, height=304)).get("large"), "target"
    )
    assert box_of_track(large) == pytest.approx(BOX)


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
    assert iou(box_of_track(client.send(image)), BOX) > 0.5


def test_the_track_says_where_the_response_map_lies(client: Client) -> None:
    client.start_target("placed")
    x0, dx, y0, dy = (client.send(client.image()).response_to_image[i] for i in (2, 0, 5, 4))
    # The map is centred on the last box, which has hardly moved.
    cells = (2 * (BOX.center[0] - x0) / dx, 2 * (BOX.center[1] - y0) / dy)
    assert cells[0] == pytest.approx(cells[1], abs=4)
    assert 8 < cells[0] < 32


# ~/initialize


def initialize(client: Client, box: Box, target_id: str) -> Any:
    request = Initialize.Request(box=box_message(box, target_id))
    return client.call_async(Initialize, "tracker/initialize", request)


def test_initialize_answers_when_the_adaptation_has_finished(client: Client) -> None:
    answered = initialize(client, BOX, "served")
    client.until(lambda: client.send(client.image()) and answered.done(), "answer")
    response = answered.result()
    assert response.accepted, response.reason
    assert response.report == client.report("served")
    assert response.report.steps == 2
    track = client.send(client.image())
    assert (track.id, track.state) == ("served", Track.TRACKING)


def test_initialize_does_not_block_the_executor(client: Client) -> None:
    """Other callbacks run while the service waits for the adaptation; a reset answers it."""
    assert client.set_parameter("adaptation.steps", 1000).successful
    answered = initialize(client, BOX, "long")
    client.until(lambda: client.send(client.image()).id == "long", "target")
    assert client.set_parameter("presence.lost_score", 0.2).successful
    assert client.set_parameter("presence.lost_score", PresenceSettings().lost_score).successful
    assert not answered.done()
    client.reset()
    client.until(answered.done, "answer")
    assert not answered.result().accepted
    assert answered.result().reason == "target 'long': reset"


def test_initialize_refuses_a_bad_box_with_the_reason(client: Client) -> None:
    client.start_target("kept")
    answered = initialize(client, Box(10, 10, 1, 1), "tiny")
    client.until(lambda: client.send(client.image()) and answered.done(), "answer")
    assert not answered.result().accepted
    assert "at least 2 px" in answered.result().reason
    assert answered.result().reason == client.refusal("tiny")
    assert client.send(client.image()).id == "kept"


def test_initialize_is_refused_when_the_next_image_is_unusable(client: Client) -> None:
    client.start_target("kept")
    answered = initialize(client, BOX, "refused")

    def done() -> bool:
        client.send(damaged(client.image(), encoding="h264"))
        return answered.done()

    client.until(done, "answer")
    assert not answered.result().accepted
    assert "encoding 'h264'" in answered.result().reason
    assert client.send(client.image()).id == "kept"


def test_initialize_is_refused_when_images_stop(client: Client) -> None:
    client.send(client.image())
    answered = initialize(client, BOX, "waiting")
    client.until(answered.done, "answer")
    assert "no image has come on /image for 5 s" in answered.result().reason


def test_many_calls_at_once_are_all_answered(client: Client) -> None:
    """Those that wait for their image, and those beyond ``max_targets``."""
    caller = client.node.create_client(
        Initialize, "tracker/initialize", qos_profile=QoSProfile(depth=100)
    )
    client.until(caller.service_is_ready, "service")
    client.send(client.image())
    boxes = [box_message(BOX, f"call {number}") for number in range(60)]
    answers = [caller.call_async(Initialize.Request(box=box)) for box in boxes]

    def done() -> bool:
        client.send(client.image())
        return all(answer.done() for answer in answers)

    try:
        client.until(done, "answer of every call")
        accepted = [answer.result().accepted for answer in answers]
        assert accepted.count(True) == 8
        assert all("max_targets 8" in a.result().reason for a in answers if not a.result().accepted)
    finally:
        client.node.destroy_client(caller)


# What is looked at.


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


@pytest.mark.parametrize(
    ("topic", "drawing"),
    [
        ("response_map", "float_to_image"),
        ("response_heatmap", "draw_heatmap"),
        ("overlay", "draw_overlay"),
    ],
)
def test_debug_images_are_made_only_while_somebody_subscribes(
    monkeypatch: pytest.MonkeyPatch, topic: str, drawing: str
) -> None:
    made: list[str] = []

    def count(module: ModuleType, name: str) -> None:
        original = getattr(module, name)
        counted = lambda *args, **kwargs: (made.append(name), original(*args, **kwargs))[1]  # noqa: E731
        monkeypatch.setattr(module, name, counted)

    count(overlay, "draw_overlay")
    count(response, "draw_heatmap")
    count(response, "float_to_image")
    engine = load_engine(device="cpu")
    image = picture()
    ((_, result),) = engine.follow(image, [engine.start(image, BOX)])
    target = TrackedTarget(
        "patch", TrackState.TRACKING, False, result.box, result.box, 0.9, result, 0.0, Trail()
    )
    with ros_node("tracker") as ros:
        outputs = Outputs(ros.node, OptionalMessages(ros.node.get_logger()), publish_tf=False)
        located, counts = {target.id: Located()}, Counts(1, 0, 20.0)
        results = usable(Header(), [target], located, target.id, counts, None, 1.0)

        def publish() -> list[str]:
            made.clear()
            outputs.show(results, image)
            return made

        assert publish() == []
        subscription = ros.node.create_subscription(
            Image, f"tracker/{topic}", lambda image: None, qos.DEBUG_IMAGE
        )
        wait_until(publish, ros.spin_once, "drawing")
        assert made == [drawing]
        ros.node.destroy_subscription(subscription)
        wait_until(lambda: not publish(), ros.spin_once, "end of the drawing")


# Parameters.


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("adaptation.step_size", -0.5, "step_size.*out of range.*-0.5"),
        ("adaptation.step_size", 0.0, "step_size.*above 0"),
        ("adaptation.epsilon", math.nan, "epsilon.*nan"),
        ("adaptation.method", "sgd", "method='sgd': accepted is one of bim"),
        ("adaptation.steps", 1001, "steps.*out of range.*1001"),
        ("adaptation.steps", 2.5, "Wrong parameter type"),
        ("presence.lost_score", 1.5, "lost_score.*out of range"),
        ("presence.lost_score", 0.7, "lost_score 0.7, tracking_score 0.5.*none below"),
        ("max_targets", 0, "max_targets.*out of range"),
        ("preset", DEFAULT_PRESET, "read-only.*preset"),
        ("device", "cpu", "read-only.*device"),
    ],
)
def test_a_wrong_parameter_is_refused_with_a_reason(
    client: Client, name: str, value: float | int | str, reason: str
) -> None:
    result = client.set_parameter(name, value)
    assert not result.successful
    assert re.search(reason, result.reason), result.reason


def test_adaptation_parameters_apply_to_the_next_box(client: Client) -> None:
    client.adapt_target("two")
    assert client.set_parameter("adaptation.steps", 3).successful
    assert client.set_parameter("adaptation.method", "momentum").successful
    client.adapt_target("three", OTHER)
    assert client.set_parameter("adaptation.method", "none").successful
    assert client.start_target("none", Box(30, 40, 60, 60)).state == Track.TRACKING
    assert client.set_parameter("adaptation.method", "bim").successful
    expected = {"two": ("bim", 2), "three": ("momentum", 3), "none": ("none", 0)}
    for target_id, made in expected.items():
        report = client.report(target_id)
        assert (report.method, report.steps) == made


def test_presence_parameters_apply_to_the_next_image(client: Client) -> None:
    client.adapt_target("patch")
    for name in ("found_score", "tracking_score"):
        assert client.set_parameter(f"presence.{name}", 1.0).successful
    assert client.send(client.image()).state == Track.UNCERTAIN
    assert client.set_parameter("presence.lost_score", 1.0).successful
    assert client.set_parameter("presence.lost_frames", 1).successful
    client.until(lambda: client.send(client.image()).state == Track.LOST, "LOST")
    assert client.send(client.image()).size_x == 0
    for name in ("lost_score", "lost_frames", "tracking_score", "found_score"):
        value = getattr(PresenceSettings(), name)
        assert client.set_parameter(f"presence.{name}", value).successful
    client.until(lambda: client.send(client.image()).state == Track.TRACKING, "TRACKING")


def test_parameters_describe_themselves(client: Client) -> None:
    request = DescribeParameters.Request(names=["adaptation.budget_ms", "adaptation.method"])
    response = client.call(DescribeParameters, "tracker/describe_parameters", request)
    budget, method = response.descriptors
    assert "[ms]" in budget.description
    assert budget.floating_point_range[0].from_value == 0
    assert "fgsm" in method.additional_constraints


# Start and end.


def test_start_without_images_warns_and_ends_cleanly_on_sigterm(ros: Client) -> None:
    node = RosProcess(MODULE, "-r", "__ns:=/alone", "-r", "image:=camera/image")
    node.wait_for_line("waiting for a box on /alone/init_box and images on /alone/camera/image")
    request = Initialize.Request(box=box_message(BOX, "early"))
    response = ros.call(Initialize, "/alone/tracker/initialize", request)
    assert not response.accepted
    assert "no image has come on /alone/camera/image" in response.reason
    node.wait_for_line("no image on /alone/camera/image for 5 s; .*best effort.*publishers: none")
    images = ros.node.create_publisher(Image, "/alone/camera/image", qos.SENSOR_IMAGE)
    ros.until(images.get_subscription_count, "node")

    def are_back() -> bool:
        images.publish(ros.image())
        return bool(
            re.search("INFO.*images come on /alone/camera/image after [0-9]+ s", node.output)
        )

    ros.until(are_back, "line in the log")
    ros.node.destroy_publisher(images)
    node.interrupt(signal.SIGTERM)
    assert node.wait() == 0, node.output
    assert "Traceback" not in node.output


def test_ctrl_c_twice_during_the_adaptation_ends_the_node_cleanly(ros: Client) -> None:
    node = RosProcess(MODULE, "-r", "__ns:=/ending", **{"adaptation.steps": 1000})
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
    for name, value in environment().items():
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


def test_a_target_that_starts_and_one_that_ends_have_a_line_in_the_log(
    client: Client, process: RosProcess
) -> None:
    before = process.line_count
    track = client.start_target("logged")
    seconds = track.header.stamp.sec + track.header.stamp.nanosec / 1e9
    process.wait_for_line(f"target 'logged': started in the image of {seconds:.3f} s", before)
    client.reset()
    process.wait_for_line("target 'logged': ended, reset", before)
