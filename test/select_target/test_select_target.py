"""The selector as its users meet it, with a camera and a tracker of the test's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

import rclpy
from autrack_ros.msg import InitBox, Track, TrackArray
from autrack_ros.srv import Initialize
from ros_node import RosNode, ros_node
from ros_process import ROOT, WAIT_S, RosProcess, wait_until
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from autrack_ros.drawing import DrawnTarget
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from autrack_ros.node.program import spin_until
from autrack_ros.select_target.box_selection import BoxSelection
from autrack_ros.select_target.select_target import TargetSelector
from autrack_ros.tracking import Box

MODULE = "autrack_ros.select_target.select_target"
WIDTH, HEIGHT = 160, 120


class World:
    """A camera at about 20 Hz, whose pictures show their number, and a tracker's two inputs."""

    def __init__(self, ros: RosNode) -> None:
        self.ros = ros
        self.boxes: list[InitBox] = []
        self.requests: list[InitBox] = []
        self.response = Initialize.Response(accepted=True)
        self.number = 0
        self._images = ros.node.create_publisher(Image, "image", qos.SENSOR_IMAGE)
        self._compressed = ros.node.create_publisher(
            CompressedImage, "image/compressed", qos.SENSOR_IMAGE
        )
        self._tracks = None
        ros.node.create_timer(0.05, self.publish)

    def publish(self) -> None:
        self.number += 1
        header = Header(frame_id="camera_optical")
        header.stamp.sec = self.number
        pixels = np.full((HEIGHT, WIDTH, 3), self.number % 256, np.uint8)
        self._images.publish(bgr_to_image(pixels, header))
        png = cv2.imencode(".png", pixels)[1].tobytes()
        self._compressed.publish(CompressedImage(header=header, format="png", data=png))
        if self._tracks is not None:
            track = Track(header=header, state=Track.UNCERTAIN, id="cup", score=0.25)
            track.center_x, track.center_y = float(self.number % 256 % 100 + 5), 30.0
            track.size_x = track.size_y = 10.0
            self._tracks.publish(TrackArray(header=header, tracks=[track]))

    def serve(self) -> None:
        def answer(request: Initialize.Request, _: Initialize.Response) -> Initialize.Response:
            self.requests.append(request.box)
            return self.response

        self.ros.node.create_service(Initialize, "tracker/initialize", answer)

    def follow(self) -> None:
        self._tracks = self.ros.node.create_publisher(TrackArray, "tracker/tracks", qos.RESULT)

    def listen(self) -> None:
        self.ros.node.create_subscription(InitBox, "init_box", self.boxes.append, qos.COMMAND)

    def until(self, condition: Callable[[], object], what: str) -> object:
        return wait_until(condition, self.ros.spin_once, what)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with ros_node("world") as ros:
        yield World(ros)


class Typist:
    """The selector as a process whose terminal the test types at."""

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self._output = directory / "output.txt"
        self._file = self._output.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", MODULE, "--ros-args", "-p", "id:=cup"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"TMPDIR": str(directory), "PYTHONUNBUFFERED": "1"},
        )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def wait_for(self, pattern: str, after: int = 0) -> re.Match[str]:
        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.output
            return re.search(pattern, self.output[after:])

        try:
            return self._world.until(found, f"{pattern!r} in the output")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.output}") from None

    def answer(self, line: str, pattern: str) -> None:
        """Type a line and wait for what must follow."""
        before = len(self.output)
        self.type(line)
        self.wait_for(pattern, before)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_S)
        self._file.close()


@pytest.fixture
def typist(world: World, tmp_path: Path) -> Iterator[Typist]:
    started = Typist(world, tmp_path)
    yield started
    started.close()


def test_without_a_display_boxes_are_typed_for_a_picture_in_a_file(world, typist):
    world.serve()
    world.response = Initialize.Response(accepted=True)
    typist.wait_for("no window: there is no display")
    line = typist.wait_for(
        rf"/image: {WIDTH}x{HEIGHT} pixels, ([0-9.]+) Hz; picture of (\d+).000000000 s, "
        r"frame 'camera_optical': (\S+\.png)"
    )
    rate, number, path = float(line[1]), int(line[2]), line[3]
    assert 10 < rate < 30
    picture = cv2.imread(path)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert (picture == number % 256).all()
    typist.answer("10,20,30,40", "'cup': accepted")
    typist.answer("1, 2, 30.5, 40 red ball", "'red ball': accepted")
    first, second = world.requests
    header = Header(frame_id="camera_optical")
    header.stamp.sec = number
    assert first == InitBox(header=header, id="cup", x=10.0, y=20.0, width=30.0, height=40.0)
    assert second == InitBox(header=header, id="red ball", x=1.0, y=2.0, width=30.5, height=40.0)


def test_a_newer_picture_and_the_next_image_can_be_had(world, typist):
    world.serve()
    world.response = Initialize.Response(reason="no image of that stamp any more")
    line = typist.wait_for(r"picture of (\d+)\.")
    typist.answer("10,20,30,40", "'cup': refused: no image of that stamp any more")
    typist.answer("f", rf"picture of (?!{line[1]}\.)")
    typist.answer("10,20,30,41", "'cup': refused")
    world.response = Initialize.Response(accepted=True)
    typist.answer("n", "'cup': accepted")
    old, new, following = world.requests
    assert new.header.stamp.sec > old.header.stamp.sec
    assert following.header == Header()
    assert following.height == new.height == 41


def test_bad_lines_are_answered_and_q_ends(world, typist):
    world.serve()
    typist.wait_for("q: ends")
    typist.answer("cup", "box 'cup': accepted is x,y,w,h in pixels(.|\n)*q: ends")
    typist.answer("1,2,nan,4", "every value must be a finite number")
    typist.answer("500,2,30,40", "'cup': not sent: .*inside the 160x120 image")
    typist.answer("n", "no box has been sent yet")
    typist.type("")
    typist.type("q")
    assert typist.process.wait(WAIT_S) == 0
    assert world.requests == []
    assert "Traceback" not in typist.output


def test_without_a_service_the_box_goes_to_the_topic(world, typist):
    world.listen()
    typist.wait_for("q: ends")
    typist.answer("10,20,30,40", "'cup': sent on /init_box; there is no service")
    world.until(lambda: world.boxes, "box")
    assert world.boxes[0].header.stamp.sec > 0


def test_the_end_of_the_terminal_ends(world, typist):
    typist.wait_for("q: ends")
    typist.process.stdin.close()
    assert typist.process.wait(WAIT_S) == 0


class ScriptedWindow:
    """Does what a person would do, one step at each picture that is shown."""

    def __init__(self, selection: BoxSelection, world: World) -> None:
        self.selection, self.world = selection, world
        self.shown: list[int] = []
        self.targets: Sequence[DrawnTarget] | None = None
        self.steps = iter(self.script())

    def show(self, image: np.ndarray, targets: Sequence[DrawnTarget] | None) -> list[Box]:
        self.world.ros.spin_once()
        self.shown.append(int(image[0, 0, 0]))
        self.targets = targets
        return next(self.steps)

    def close(self) -> None:
        pass

    def script(self) -> Iterator[list[Box]]:
        selection = self.selection
        while len(set(self.shown)) < 3:  # it is live
            yield []
        selection.press_key(" ")
        frozen_at = self.shown[-1]
        for _ in range(5):  # and now it stands
            yield []
        assert set(self.shown[-5:]) == {frozen_at}
        selection.press_key("2")
        selection.press(10, 20)
        yield [selection.release(39, 59, WIDTH, HEIGHT)]
        while "accepted" not in selection.message:
            yield []
        selection.press_key("n")
        while len(self.world.requests) < 2:
            yield []
        self.frozen_at = frozen_at
        selection.press_key("q")
        yield []


@pytest.fixture
def selector(world: World, request: pytest.FixtureRequest) -> Iterator[TargetSelector]:
    """A selector in this process, told the parameters of ``request``, that has had an image."""
    parameters = getattr(request, "param", {})
    arguments = [text for name, value in parameters.items() for text in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *arguments], domain_id=int(os.environ["ROS_DOMAIN_ID"]))
    try:
        made = TargetSelector()
        world.until(lambda: made.count_publishers(made._images.topic_name), "camera")
        # The selector waits for its first picture before the window spins the world.
        for _ in range(20):
            world.publish()
            spin_until(made._executor, lambda: made._pictures.newest is not None, 0.1)
        yield made
        made.close()
    finally:
        rclpy.try_shutdown()


def test_a_box_drawn_in_a_window_is_sent_with_the_frozen_pictures_header(world, selector, capsys):
    world.serve()
    world.until(lambda: selector._sender.reachable, "service")
    selection = BoxSelection("cup")
    window = ScriptedWindow(selection, world)
    selector.run_window(window, selection)
    drawn, again = world.requests
    assert drawn.header.stamp.sec % 256 == window.frozen_at
    assert drawn.header.frame_id == "camera_optical"
    assert (drawn.id, drawn.x, drawn.y, drawn.width, drawn.height) == ("cup-2", 10, 20, 30, 40)
    assert again.header == Header()
    assert (again.id, again.width) == ("cup-2", 30)
    assert "'cup-2': accepted" in capsys.readouterr().out


class WatchedWindow(ScriptedWindow):
    """Watches until the boxes of a few images have been drawn."""

    def script(self) -> Iterator[list[Box]]:
        self.matched: set[int] = set()
        while len(self.matched) < 3:
            if self.targets:
                (target,) = self.targets
                # The tracker of the test puts the number of the image into the box.
                assert target.box.x == self.shown[-1] % 100
                assert (target.label, target.state) == ("cup", "uncertain")
                self.matched.add(self.shown[-1])
            yield []
        self.selection.press_key("q")
        yield []


@pytest.mark.parametrize(
    "selector",
    [{}, {"image_transport": "compressed"}],
    indirect=True,
    ids=["raw images", "compressed images"],
)
def test_the_window_shows_what_is_followed_where_it_was_in_that_image(world, selector):
    world.follow()
    selection = BoxSelection("cup")
    window = WatchedWindow(selection, world)
    selector.run_window(window, selection)
    assert len(window.matched) == 3


@pytest.mark.usefixtures("world")
def test_an_unknown_transport_is_refused_with_those_there_are():
    process = RosProcess(MODULE, image_transport="theora")
    assert process.wait() == 1
    line = process.wait_for_line("parameter image_transport: 'theora'; accepted is raw or compr")
    assert "FATAL" in line


@pytest.mark.parametrize("box", ["10,20,30,40", "[10, 20, 30, 40]"])
def test_a_box_of_the_command_line_is_sent_once_for_the_next_image(world, box):
    world.serve()
    process = RosProcess(MODULE, box=box, id="cup")
    world.until(lambda: not process.running, "end")
    assert process.wait() == 0, process.output
    process.wait_for_line("'cup': accepted")
    (request,) = world.requests
    assert request == InitBox(id="cup", x=10.0, y=20.0, width=30.0, height=40.0)


def test_a_box_of_the_command_line_that_is_refused_ends_with_status_1(world):
    world.serve()
    world.response = Initialize.Response(reason="outside the image")
    process = RosProcess(MODULE, box="10,20,30,40", id=7)
    world.until(lambda: not process.running, "end")
    assert process.wait() == 1, process.output
    assert "FATAL" in process.wait_for_line("'7': refused: outside the image")
    assert "Traceback" not in process.output


def test_a_box_of_the_command_line_waits_for_a_tracker_and_takes_the_topic(world):
    process = RosProcess(MODULE, box="10,20,30,40")
    process.wait_for_line("waiting for /tracker/initialize or a subscriber of /init_box")
    world.listen()
    world.until(lambda: not process.running, "end")
    assert process.wait() == 0, process.output
    world.until(lambda: world.boxes, "box")
    assert (world.boxes[0].id, world.boxes[0].width) == ("target", 30)


def test_names_can_be_remapped(world):
    world.ros.node.create_service(
        Initialize, "front/follow", lambda request, response: world.response
    )
    process = RosProcess(MODULE, "-r", "tracker/initialize:=front/follow", box="10,20,30,40")
    world.until(lambda: not process.running, "end")
    assert process.wait() == 0, process.output
    process.wait_for_line("'target': accepted")


@pytest.mark.usefixtures("world")
def test_a_bad_box_of_the_command_line_ends_with_one_line():
    process = RosProcess(MODULE, box="10,20,30")
    assert process.wait() == 1
    assert "FATAL" in process.wait_for_line("box '10,20,30': accepted is x,y,w,h in pixels")
    assert "Traceback" not in process.output


def test_without_images_the_topic_and_both_qos_are_named(world, monkeypatch):
    monkeypatch.setattr(world, "publish", lambda: None)
    process = RosProcess(MODULE, "-r", "image:=no_such_image")
    line = process.wait_for_line("waiting for images on /no_such_image")
    assert "best effort, volatile; publishers: none" in line
    assert process.stop() == 0
    assert "Traceback" not in process.output
