"""A bag is played when node, recorder and player have found each other, not before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")
pytest.importorskip("rclpy", reason="the node needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="the node needs this package's messages")

import rclpy
from autrack_ros.msg import InitBox, Status, Track
from bag_clips import FRAMES, STEP_NS, make_sequence, truth_boxes
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions
from ros_node import RosNode, ros_node
from ros_process import WAIT_S, wait_until
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from stand_in_rosbag2 import clock_message, use_stand_in
from std_srvs.srv import Empty

from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.node import qos
from autrack_ros.replay.processes import ProcessError

use_stand_in()

from autrack_ros.replay import bag_start  # noqa: E402

FIRST_NS = 10**9  # of the bag's images
SILENT_S = 1.5  # in which nothing happens


class World:
    """Node, recorder and player.

    Attributes:
        boxes: all that came to the node; likewise images, their stamps in nanoseconds.
        resumed: how many boxes and images there were when the bag went on.
        lost: images that do not reach the node, of the first ones.
        refusal: of the target, instead of its start.
    """

    def __init__(self, ros: RosNode, image: str) -> None:
        self._ros, self._image = ros, image
        self.boxes: list[InitBox] = []
        self.images: list[int] = []
        self.resumed: list[tuple[int, int]] = []
        self.lost = 0
        self.refusal = ""
        self.now_ns = FIRST_NS
        self._clock = self._diagnostics = None
        self._clock_in_node = True

    def add(self, who: str) -> None:
        node = self._ros.node
        if who == "node":
            node.create_publisher(Track, "/tracker/track", qos.RESULT)
            self._statuses = node.create_publisher(Status, "/tracker/status", qos.STATUS)
            node.create_subscription(Image, self._image, self._on_image, qos.SENSOR_IMAGE)
            node.create_subscription(InitBox, "/init_box", self.boxes.append, qos.COMMAND)
        elif who == "recorder":
            node.create_subscription(Track, "/tracker/track", lambda message: None, qos.RESULT)
        elif who == "clock in the node":
            self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        else:
            node.create_publisher(Image, self._image, qos.COMMAND)
            self._clock = node.create_publisher(Clock, "/clock", 1)
            node.create_service(Empty, bag_start.RESUME, self._on_resume)

    def spin_once(self) -> None:
        if self._clock is not None:
            self._clock.publish(clock_message(self.now_ns))
        if self._diagnostics is not None:
            status = DiagnosticArray(status=[DiagnosticStatus(name="tracker: tracking")])
            status.header.stamp = clock_message(self.now_ns).clock
            self._diagnostics.publish(status)
        self._ros.spin_once()

    def until(self, condition, what: str, timeout_s: float = WAIT_S):
        return wait_until(condition, self.spin_once, what, timeout_s)

    def nothing_happens(self) -> bool:
        with pytest.raises(AssertionError, match="no resumption"):
            self.until(lambda: self.resumed, "resumption", SILENT_S)
        return not self.boxes

    def _on_image(self, image):
        self.images.append(image.header.stamp.sec * 10**9 + image.header.stamp.nanosec)
        if self.boxes and len(self.images) > self.lost:
            self.answer_box()

    def answer_box(self) -> None:
        event = Status.REFUSED if self.refusal else Status.STARTED
        self._statuses.publish(Status(event=event, id=self.boxes[0].id, text=self.refusal))

    def _on_resume(self, request, response):
        self.resumed.append((len(self.boxes), len(self.images)))
        return response


EVERYBODY = ("node", "recorder", "player", "clock in the node")


@pytest.fixture
def world() -> Iterator[World]:
    with ros_node("world") as ros:
        yield World(ros, "/image")


def bag_of(folder: Path, start: int = 0) -> Path:
    frames, truth = open_clip(str(make_sequence(folder / "square")))
    truth[:start] = np.nan
    list(make_bag(frames, truth, folder / "bag", fps=1e9 / STEP_NS))
    return folder / "bag"


@contextmanager
def started(bag: Path, box_topic: str = "/init_box") -> Iterator[SimpleNamespace]:
    """The program in a thread."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node, program = None, SimpleNamespace()

    def run() -> None:
        try:
            with suppress(ExternalShutdownException):
                node.run()
                program.done = True
        except ProcessError as error:
            program.error = str(error)

    try:
        node = program.node = bag_start.BagStart(bag, "/image", box_topic)
        program.thread = threading.Thread(target=run)
        program.thread.start()
        yield program
    finally:
        rclpy.try_shutdown()
        if node is not None:
            program.thread.join(WAIT_S)
            node.close()
            node.destroy_node()


@pytest.mark.parametrize("last", EVERYBODY)
def test_the_bag_stands_still_until_everybody_is_there(world, tmp_path, last):
    for who in EVERYBODY:
        if who != last:
            world.add(who)
    with started(bag_of(tmp_path)) as program:
        assert world.nothing_happens()
        world.add(last)
        world.until(lambda: world.resumed, "resumption")
        program.thread.join(WAIT_S)
    assert program.done


def test_the_box_is_with_the_node_before_the_bag_goes_on(world, tmp_path):
    for who in EVERYBODY:
        world.add(who)
    with started(bag_of(tmp_path)):
        world.until(lambda: world.resumed, "resumption")
    assert world.resumed[0][0] == 1
    (box,) = world.boxes
    assert (box.header.stamp.sec, box.header.stamp.nanosec) == divmod(FIRST_NS, 10**9)
    assert [box.x, box.y, box.width, box.height] == truth_boxes()[0].tolist()


def test_the_box_of_a_later_image_is_sent_shortly_before_it(world, tmp_path):
    start = FRAMES - 1
    for who in EVERYBODY:
        world.add(who)
    with started(bag_of(tmp_path, start)) as program:
        world.until(lambda: world.resumed, "resumption")
        world.now_ns = FIRST_NS + start * STEP_NS - 600_000_000
        for _ in range(20):
            world.spin_once()
        assert world.boxes == []
        world.now_ns += 150_000_000
        (box,) = world.until(lambda: world.boxes, "box")
        assert program.thread.is_alive()
        assert world.images == [], "the image is the player's to send"
        world.answer_box()
        program.thread.join(WAIT_S)
    assert program.done
    assert box.header.stamp.sec * 10**9 + box.header.stamp.nanosec == FIRST_NS + start * STEP_NS


def test_the_first_image_is_sent_until_the_node_has_taken_it(world, tmp_path):
    world.lost = 2
    for who in EVERYBODY:
        world.add(who)
    with started(bag_of(tmp_path)) as program:
        world.until(lambda: world.resumed, "resumption")
        program.thread.join(WAIT_S)
    boxes, images = world.resumed[0]
    assert boxes == 1
    assert images > world.lost
    assert set(world.images) == {FIRST_NS}


def test_a_target_that_the_node_refuses_ends_it_with_the_reason(world, tmp_path):
    world.refusal = "the box is too small"
    for who in EVERYBODY:
        world.add(who)
    with started(bag_of(tmp_path)) as program:
        world.until(lambda: not program.thread.is_alive(), "end")
    assert program.error == "the target is not started: the box is too small"
    assert world.resumed == []


def test_its_own_images_are_not_taken_for_those_of_the_player(world, tmp_path):
    for who in EVERYBODY:
        if who not in ("player", "clock in the node"):  # the second comes from the first
            world.add(who)
    of_player = (
        "the player on /image, the player's /rosbag2_player/resume, the player's /clock, "
        "the player's /clock in the node"
    )
    with started(bag_of(tmp_path)) as program:
        world.until(lambda: program.node._images.get_subscription_count(), "node on /image")
        world.until(lambda: program.node.missing == of_player, "discovery of the others")


def test_who_is_missing_is_told(world, tmp_path):
    for who in ("node", "player", "clock in the node"):
        world.add(who)
    with started(bag_of(tmp_path)) as program:
        alone = "the recorder on /tracker/track"
        world.until(lambda: program.node.missing == alone, "discovery of the others")


def test_a_box_that_is_in_no_image_is_told_before_anything_starts(tmp_path):
    bag = bag_of(tmp_path)
    with pytest.raises(SourceError, match="no topic /box; it has"), started(bag, "/box"):
        pass
