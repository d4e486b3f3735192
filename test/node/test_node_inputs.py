"""What the node takes: detections, and streams with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import message_stand_ins
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Status, Track
from node_client import Client, node_client, of_image
from node_thread import tracker_thread
from pictures import BOX, OTHER
from sensor_msgs.msg import Image

from autrack_ros.node import qos
from autrack_ros.node.problems import BURST
from autrack_ros.node.stream import FROZEN_IMAGES
from autrack_ros.node.tracker_node import TrackerNode
from autrack_ros.tracking import Box

QUICK = {"adaptation.method": "none"}


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    with node_client() as client:
        yield client


@pytest.fixture(scope="module")
def node(ros: Client) -> Iterator[TrackerNode]:
    with tracker_thread(**QUICK) as node:
        ros.connect()
        yield node


@pytest.fixture
def client(ros: Client, node: TrackerNode) -> Client:
    """With a node that has no targets."""
    node._problems._left = BURST  # as if it had been quiet for long
    ros.reset()
    ros.send(ros.image())
    ros.forget()
    return ros


# Detections.


def detection(
    messages: ModuleType | SimpleNamespace, name: str, class_id: str, score: float, box: Box
) -> Any:
    made = messages.Detection2D(id=name)
    made.bbox.center.position.x, made.bbox.center.position.y = box.center
    made.bbox.size_x, made.bbox.size_y = float(box.w), float(box.h)
    result = messages.ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = class_id, score
    made.results = [result]
    return made


@pytest.fixture(params=["vision_msgs", "stand-ins"])
def detect(
    request: pytest.FixtureRequest, client: Client, node: TrackerNode
) -> Iterator[Callable[..., None]]:
    """Send detections, name: (class, score, box), of an image that the node has; set parameters."""
    if request.param == "stand-ins":
        messages, send = message_stand_ins.vision_msgs(), node._on_detections
    else:
        messages = pytest.importorskip("vision_msgs.msg", reason="needs vision_msgs")
        publisher = client.node.create_publisher(
            messages.Detection2DArray, "init_detections", qos.COMMAND
        )
        client.until(publisher.get_subscription_count, "subscriber of init_detections")
        send = publisher.publish

    def send_detections(**detections: tuple[str, float, Box]) -> None:
        image = client.image()
        client.send(image)
        made = [detection(messages, name, *values) for name, values in detections.items()]
        send(messages.Detection2DArray(header=image.header, detections=made))

    yield send_detections
    assert client.set_parameter("detections.class_id", "").successful
    assert client.set_parameter("detections.take_all", False).successful


def test_the_best_detection_of_the_class_starts_a_target(
    client: Client, detect: Callable[..., None]
) -> None:
    assert client.set_parameter("detections.class_id", "person").successful
    detect(dog=("dog", 0.9, BOX), ann=("person", 0.6, OTHER), bob=("person", 0.5, BOX))
    client.status(Status.STARTED, "ann")
    assert list(client.send_for_all(client.image())) == ["ann"]


def test_the_class_of_detections_changes_at_run_time(
    client: Client, detect: Callable[..., None]
) -> None:
    both = {"dog": ("dog", 0.5, BOX), "ann": ("person", 0.6, OTHER)}
    assert client.set_parameter("detections.class_id", "cat").successful
    detect(**both)
    assert list(client.send_for_all(client.image())) == []
    assert client.set_parameter("detections.class_id", "dog").successful
    detect(**both)
    client.status(Status.STARTED, "dog")
    assert list(client.send_for_all(client.image())) == ["dog"]


def test_all_detections_start_targets_and_do_not_disturb_those_that_are_followed(
    client: Client, detect: Callable[..., None]
) -> None:
    assert client.set_parameter("detections.take_all", True).successful
    detect(dog=("dog", 0.5, BOX), ann=("person", 0.6, OTHER))
    client.status(Status.STARTED, "dog")
    client.forget()
    # One of the same id elsewhere, one of another id at the same place, one that is new.
    detect(
        dog=("dog", 0.9, Box(20, 20, 40, 40)),
        eve=("person", 0.9, OTHER._replace(x=OTHER.x + 3)),
        new=("cat", 0.1, Box(20, 180, 40, 40)),
    )
    client.status(Status.STARTED, "new")
    assert [status.id for status in client.statuses] == ["new"]
    assert list(client.send_for_all(client.image())) == ["ann", "dog", "new"]


def test_a_detection_starts_a_lost_target_anew(client: Client, detect: Callable[..., None]) -> None:
    detect(dog=("dog", 0.5, BOX))
    client.status(Status.STARTED, "dog")
    client.forget()
    client.until(lambda: client.send(client.image(patches=1)).state == Track.LOST, "LOST")
    detect(dog=("dog", 0.5, OTHER))
    client.status(Status.STARTED, "dog")


def test_detections_are_left_alone_while_the_node_is_disabled(
    client: Client, node: TrackerNode, detect: Callable[..., None]
) -> None:
    node._enabled = False
    try:
        node._on_detections(SimpleNamespace())  # would fail if it were read
    finally:
        node._enabled = True


# Images.


def stamped(client: Client, seconds: float, **size: int) -> Image:
    image = client.image(**size)
    image.header.stamp.sec, rest = divmod(round(seconds * 1e9), 10**9)
    image.header.stamp.nanosec = rest
    return image


def seconds(image: Image) -> float:
    return image.header.stamp.sec + image.header.stamp.nanosec / 1e9


def test_a_jump_back_in_time_ends_the_targets(client: Client) -> None:
    client.start_target("patch")
    now = seconds(client.image())
    track = client.send(stamped(client, now + 100))
    assert track.id == "patch"
    client.forget()
    assert client.send(stamped(client, now)).state == Track.IDLE
    assert "the stamps jumped back by 100 s" in client.status(Status.ENDED, "patch").text


def test_after_a_bag_starts_anew_a_box_of_its_images_is_found(client: Client) -> None:
    """Though the kept images of the round before had the same stamps and others."""
    start = seconds(client.image()) + 10
    for step in (0, 1, 2, 0):
        image = stamped(client, start + step)
        client.forget()
        client.send(image)
    client.send_box(BOX, "again", image)
    client.status(Status.STARTED, "again")


def test_a_late_image_is_left_out(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    client.start_target("patch")
    now = seconds(client.image())
    client.send(stamped(client, now))
    late, following = stamped(client, now - 0.1), stamped(client, now + 0.1)
    log: list[str] = []

    def is_noticed() -> bool:
        log.append(capfd.readouterr().err)
        return "/image: an image is 100 ms older than the one before: left out" in "".join(log)

    client.images.publish(late)
    client.until(is_noticed, "line in the log")
    assert client.send(following).id == "patch"
    assert of_image(client.tracks, late) is None


def test_an_image_without_a_stamp_is_left_out_counted_and_forgets_no_target(
    client: Client, node: TrackerNode
) -> None:
    client.start_target("patch")
    unstamped = stamped(client, 0)
    before = node._health().frames.left_out_total
    client.images.publish(unstamped)
    client.until(lambda: node._health().frames.left_out_total == before + 1, "image left out")
    assert client.send(client.image()).id == "patch"
    assert of_image(client.tracks, unstamped) is None


def test_images_whose_stamps_stand_still_are_tracked_all_the_same(
    client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    client.start_target("patch")
    image = client.image()

    def frozen() -> list[Track]:
        return [track for track in client.tracks if track.header == image.header]

    for count in range(1, FROZEN_IMAGES + 1):
        client.images.publish(image)
        client.until(lambda count=count: len(frozen()) == count, "Track")
    assert all(track.state == Track.TRACKING for track in frozen())
    assert f"{FROZEN_IMAGES} images in a row have the stamp" in capfd.readouterr().err


def test_a_change_of_the_frame_id_is_logged_and_the_targets_are_followed_on(
    client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    client.start_target("patch")
    image = client.image()
    image.header.frame_id = "other_optical"
    track = client.send(image)
    assert (track.id, track.header.frame_id) == ("patch", "other_optical")
    changed = "/image: the frame_id changed from 'camera_optical' to 'other_optical'"
    assert changed in capfd.readouterr().err
