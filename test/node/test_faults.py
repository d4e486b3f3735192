"""Faults that the tracker node must survive, over real topics and services."""

from __future__ import annotations

import math
import random
import re
import resource
import shutil
import signal
import struct
import time
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import InitBox, Track
from autrack_ros.srv import Initialize, RemoveTarget
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_client import (
    MODULE,
    Client,
    box_message,
    box_of_track,
    node_client,
    of_image,
    tracker_process,
)
from pictures import BOX, OTHER, moved, picture
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from ros_process import RosProcess
from sensor_msgs.msg import CompressedImage, Image
from shared_memory import is_left_behind, remove, segments_of
from std_msgs.msg import Header

from autrack_ros.messages.images import ACCEPTED_ENCODINGS
from autrack_ros.node import problems
from autrack_ros.tracking import DEFAULT_PRESET, PRESETS, Box, iou

QUEUE = 100
#: So that all messages of a burst arrive.
LOSSLESS = QoSProfile(depth=QUEUE, reliability=QoSReliabilityPolicy.RELIABLE)
#: So that the tests take less time.
SHORT = {"adaptation.steps": 1, "adaptation.support_crops": 1, "max_targets": 3}
LOG_LINE = r"\[(INFO|WARN|ERROR)\] \[[0-9.]+\] \[[\w.]+\]: "
#: OpenCV, libjpeg and libpng write to the console themselves, and nothing can keep them from it.
DECODERS_LINE = r"\[ ?(WARN|ERROR):\d|libpng (error|warning): |Corrupt JPEG data: |Warning: .*JFIF"
LONGEST_LINE = problems.MAX_CHARACTERS + 120  # with level, time and how many lines were left out


def lossless(topic: str) -> dict[str, Any]:
    """Parameters that let the node take all images of a burst."""
    prefix = f"qos_overrides.{topic}.subscription"
    return {f"{prefix}.reliability": "reliable", f"{prefix}.depth": QUEUE}


class Malice:
    """Makes messages that no driver should send, some of them nearly right."""

    def __init__(self) -> None:
        self._random = random.Random(0)
        self._stamp_ns = 10**12
        #: Size and stamps change all the time; else they go on, so that targets are followed.
        self.restless = True

    def image(self) -> Image:
        """An image with random fields, half of them with all fields in agreement."""
        pick = self._random.choice
        encoding = pick((*ACCEPTED_ENCODINGS, *NOT_ENCODINGS))
        width, height, step = (pick(NUMBERS) for _ in range(3))
        if self._random.random() < 0.5:
            encoding = pick(tuple(BYTES))
            width, height = pick(SMALL_SIZES) if self.restless else GOOD_SIZE
            step = width * BYTES[encoding] + pick((0, 0, 1, 13))
        size = step * height + pick((0, 0, 0, 0, -1, 1))
        return Image(
            header=self.header(),
            encoding=encoding,
            width=width,
            height=height,
            step=step,
            is_bigendian=pick((0, 1, 255)),
            data=array("B", self._random.randbytes(min(max(size, 0), 50_000))),
        )

    def good_image(self) -> Image:
        """The next image of a good stream."""
        width, height = GOOD_SIZE
        image = Image(header=self._next(), encoding="mono8", width=width, height=height, step=width)
        image.data = array("B", self._random.randbytes(width * height))
        return image

    def box(self) -> InitBox:
        """A box with random fields."""
        pick = self._random.choice
        x, y, width, height = (pick(COORDINATES) for _ in range(4))
        if self._random.random() < 0.5:
            x, y, width, height = 10.0, 10.0, 30.0, 20.0
        return InitBox(header=self.header(), id=pick(IDS), x=x, y=y, width=width, height=height)

    def header(self) -> Header:
        """A header with a wild stamp, or with the next one of a stream, or with the last one."""
        kind = self._random.random()
        header = self._next(step=kind < 0.8)
        header.frame_id = self._random.choice(FRAME_IDS)
        if kind < 0.1 and self.restless:
            header.stamp.sec = self._random.choice(SECONDS)
            header.stamp.nanosec = self._random.choice(NANOSECONDS)
        return header

    def compressed(self) -> CompressedImage:
        """A JPEG or PNG with some of its bytes changed, or cut off."""
        pick = self._random.choice
        image = CompressedImage(header=self.header(), format=pick(FORMATS))
        data = bytearray(pick(FILES))
        for _ in range(pick((0, 1, 2, 20))):
            data[self._random.randrange(len(data))] = self._random.randrange(256)
        if self._random.random() < 0.3:
            del data[self._random.randrange(len(data)) :]
        image.data = array("B", data)
        return image

    def _next(self, step: bool = True) -> Header:
        self._stamp_ns += 33_000_000 * step
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod(self._stamp_ns, 10**9)
        return header


GOOD_SIZE = (64, 48)
NOT_ENCODINGS = ("", "h264", "BGR8", "bgr8 ", "bgr8\n[FATAL] forged", "ü" * 50, "x" * 20_000)
BYTES = {"bgr8": 3, "mono8": 1, "mono16": 2, "bayer_rggb8": 1, "yuv422": 2, "rgba8": 4}
SMALL_SIZES = (GOOD_SIZE, (1, 1), (2, 2), (4, 1), (1, 500), (500, 2), (64, 50), (7, 5))
NUMBERS = (0, 1, 2, 63, 640, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1)
COORDINATES = (
    *(math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -5e-324, 1e18, -1e9),
    *(0.0, -0.0, 1.0, 1.9999999, 2.0, -1.0, 20.0, 63.0, 64.0, 1e4),
)
IDS = (
    "",
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "i",
    "'",
    "a\nb",
    "\x1b[31m",
    "日本",
    "x" * 20_000,
)
FRAME_IDS = ("camera", "camera", "camera", "camera", "", "other", "a\nb", "f" * 20_000)
SECONDS = (0, 1, -1, 2**31 - 1, -(2**31), 1_700_000_000)
NANOSECONDS = (0, 1, 999_999_999, 1_000_000_000, 2**31, 2**32 - 1)


def encoded(extension: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(extension, pixels)[1].tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png(width: int, height: int, rows: int) -> bytes:
    """Declare a size and hold so many black grey rows of 8192 pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(rows * 8193))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


GREY = np.full((48, 64), 90, np.uint8)
JPEG = encoded(".jpg", cv2.resize(picture(), GOOD_SIZE))
FILES = (JPEG, JPEG, encoded(".png", cv2.resize(picture(), GOOD_SIZE)), encoded(".png", GREY))
FORMATS = ("jpeg", "png", "", "bgr8; jpeg compressed bgr8", "16UC1; compressedDepth", "x" * 20_000)
BOMBS = {
    "declares gigapixels": png(2**31 - 1, 2**31 - 1, 1),
    "JPEG that declares gigapixels": b"\xff\xc0".join(
        (JPEG.partition(b"\xff\xc0")[0], b"\x00\x11\x08" + b"\xff" * 4 + bytes(100))
    ),
    "67 megapixels in 65 kB": png(8192, 8192, 8192),
    "67 MB behind a small picture": png(16, 16, 8192),
}


@contextmanager
def tracker(client: Client, *arguments: str, **parameters: Any) -> Iterator[RosProcess]:
    """Run the node until the end; it has found all that the client sends."""
    with tracker_process(client, *arguments, **SHORT, **parameters) as process:
        wait_for_a_track(client)
        yield process


def wait_for_a_track(client: Client) -> Image:
    """Send images until a track comes; return its image. What is sent too early is lost."""

    def image_with_track() -> Image | None:
        image = client.image()
        client.images.publish(image)
        for _ in range(10):
            client.spin_once()
        return image if of_image(client.tracks, image) else None

    return client.until(image_with_track, "track")


@pytest.fixture(scope="module")
def ros() -> Iterator[Client]:
    with node_client() as client:
        client.node.destroy_publisher(client.images)
        client.images = client.node.create_publisher(Image, "image", LOSSLESS)
        yield client


@pytest.fixture(scope="module")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def process(ros: Client, log_folder: Path) -> Iterator[RosProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_LOG_DIR", str(log_folder))
        with tracker(ros, **lossless("/image")) as started:
            yield started


@pytest.fixture
def client(ros: Client, process: RosProcess) -> Client:
    """The other side of a running node without a target."""
    assert process.running, process.output
    check_it_works(ros)
    ros.reset()
    ros.forget()
    return ros


def check_it_works(client: Client) -> None:
    """A good box on a good image gives a right track in the next one."""
    client.reset()
    client.forget()
    client.start_target("good")
    track = client.send_for_all(client.image(shift=2))["good"]
    assert iou(box_of_track(track), moved(BOX, 2)) > 0.6


def check_log(process: RosProcess, first_line: int, seconds: float) -> None:
    """What was logged since a line is rationed: not much, no long lines, no forged ones."""
    lines = process.output.splitlines()[first_line:]
    lines = [line for line in lines if not re.match(DECODERS_LINE, line)]
    assert len(lines) <= problems.BURST + problems.PER_SECOND * seconds + 1
    assert max(map(len, lines)) < LONGEST_LINE
    assert [line for line in lines if not re.match(LOG_LINE, line)] == []
    assert "Traceback" not in process.output


def watch(client: Client, *topics: str) -> None:
    """Have the node draw."""
    for topic in topics:
        client.node.create_subscription(Image, f"tracker/{topic}", lambda message: None, 1)


def test_two_thousand_malformed_and_adversarial_images_and_boxes(
    client: Client, process: RosProcess
) -> None:
    malice = Malice()
    boxes = client.node.create_publisher(InitBox, "init_box", LOSSLESS)
    client.until(boxes.get_subscription_count, "subscriber of the boxes")
    watch(client, "overlay", "response_heatmap", "response_map")
    first = client.send(malice.good_image())
    line, began = process.line_count, time.monotonic()
    calls = []
    for burst in range(200):
        malice.restless = burst % 100 < 50
        for _ in range(7):
            client.images.publish(malice.image())
        for _ in range(2):
            boxes.publish(malice.box())
        if burst % 10 == 0:
            request = Initialize.Request(box=malice.box())
            calls.append(client.call_async(Initialize, "tracker/initialize", request))
            request = RemoveTarget.Request(id=malice.box().id)
            calls.append(client.call_async(RemoveTarget, "tracker/remove_target", request))
        last = client.send(malice.good_image())  # whose track shows that the others were taken
    assert last.processed_images - first.processed_images > 200
    client.until(lambda: all(call.done() for call in calls), "answer of every call")
    check_log(process, line, time.monotonic() - began)
    check_it_works(client)


@pytest.mark.parametrize("ids", [1, 1000])
def test_a_flood_of_a_thousand_init_boxes(client: Client, process: RosProcess, ids: int) -> None:
    line, began = process.line_count, time.monotonic()
    image = client.image()
    client.send(image)
    calls = []
    for number in range(1000):
        client.send_box(BOX, f"flood {number % ids}", image if number % 2 else None)
        if number % 20 == 0:
            box = box_message(OTHER, f"call {number % ids}", image if number % 40 else None)
            request = Initialize.Request(box=box)
            calls.append(client.call_async(Initialize, "tracker/initialize", request))
            client.send(client.image())
    sent = time.monotonic()
    client.send(client.image())
    assert time.monotonic() - sent < 3
    client.until(lambda: all(call.done() for call in calls), "answer of every call")
    for call in calls:
        assert call.result().accepted or "call " in call.result().reason
    assert 2 <= len(client.send_for_all(client.image())) <= SHORT["max_targets"]
    check_log(process, line, time.monotonic() - began)
    check_it_works(client)


def test_the_publisher_dies_and_comes_back(
    client: Client, process: RosProcess, tmp_path: Path
) -> None:
    for index in range(30):
        cv2.imwrite(str(tmp_path / f"{index:04}.png"), picture())

    def publisher() -> RosProcess:
        return RosProcess("autrack_ros.clip_publisher.clip_publisher", source=tmp_path, loop=True)

    def tracks() -> list[Track]:
        return [track for track in client.tracks if track.id == "cup" and track.size_x > 0]

    first = publisher()
    client.until(lambda: client.tracks, "image of the publisher")
    client.send_box(BOX, "cup")
    client.until(tracks, "track")
    kill(first)
    client.forget()
    second = publisher()
    try:
        track = client.until(tracks, "track in the images of the next publisher")[0]
        assert iou(box_of_track(track), BOX) > 0.6
    finally:
        second.stop()
    check_it_works(client)


def test_the_node_is_killed_and_restarted_and_works_at_the_first_init() -> None:
    arguments = "-r", "__ns:=/killed"
    with node_client("/killed") as client:
        process = RosProcess(MODULE, *arguments, **SHORT)
        client.wait_for_node()
        wait_for_a_track(client)
        client.start_target("before")
        left_behind = kill(process, clean=False)
        client.forget()
        try:
            assert left_behind  # the memory that it shared with others
            with tracker(client, *arguments):
                seen = wait_for_a_track(client)
                request = Initialize.Request(box=box_message(BOX, "after", seen))
                answer = client.call(Initialize, "tracker/initialize", request)
                assert answer.accepted, answer.reason
                tracks = client.send_for_all(client.image(shift=2))
                assert list(tracks) == ["after"]  # and nothing of before
                assert iou(box_of_track(tracks["after"]), moved(BOX, 2)) > 0.6
        finally:
            remove(left_behind)


def kill(process: RosProcess, clean: bool = True) -> list[Path]:
    """Kill a process and return, or else remove, the shared memory that it leaves behind."""
    segments = segments_of(process.pid)
    process.interrupt(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    left_behind = [segment for segment in segments if is_left_behind(segment)]
    if clean:
        remove(left_behind)
    return left_behind


def test_a_full_disk_for_logs(client: Client, process: RosProcess, log_folder: Path) -> None:
    """The kernel refuses every further byte of any file, as a full disk does."""
    (log,) = log_folder.glob(f"*_{process.pid}_*.log")

    def send_bad_box(name: str) -> None:
        before = process.line_count
        client.send_box(Box(10, 10, -1, 10), name)
        client.send(client.image())
        process.wait_for_line(f"target '{name}'", after=before)  # on the console

    time.sleep(2 / problems.PER_SECOND)  # for two lines
    send_bad_box("written")
    client.until(lambda: "target 'written'" in log.read_text(), "line in the file")
    full = log.stat().st_size
    unlimited = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (full, unlimited[1]))
    try:
        send_bad_box("lost")
        check_it_works(client)
        assert log.stat().st_size == full
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)


def test_no_log_file_at_the_start(
    ros: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "file" / "log"))
    node = RosProcess(MODULE, "-r", "__ns:=/unlogged")
    try:
        node.wait_for_line(r"\[WARN\].*no log file: .*file/log")
        node.wait_for_line("waiting for a box")
    finally:
        assert node.stop() == 0, node.output


def test_a_model_file_vanishes(tmp_path: Path) -> None:
    shipped = PRESETS[DEFAULT_PRESET].shipped_weights
    model = tmp_path / "model.safetensors"
    shutil.copy(shipped, model)
    with (
        node_client("/vanished") as client,
        tracker(client, "-r", "__ns:=/vanished", checkpoint=model) as process,
    ):
        model.unlink()
        check_it_works(client)
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            assert change_state(client, transition)
        before = process.line_count
        assert not change_state(client, Transition.TRANSITION_CONFIGURE)
        process.wait_for_line(f"ERROR.*{model}", after=before)
        answer = client.call(GetState, "tracker/get_state", GetState.Request())
        assert answer.current_state.id == State.PRIMARY_STATE_UNCONFIGURED
        shutil.copy(shipped, model)
        assert change_state(client, Transition.TRANSITION_CONFIGURE)
        assert change_state(client, Transition.TRANSITION_ACTIVATE)
        client.wait_for_node()
        wait_for_a_track(client)
        check_it_works(client)


def change_state(client: Client, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return client.call(ChangeState, "tracker/change_state", request).success


def compressed(header: Header, data: bytes) -> CompressedImage:
    return CompressedImage(
        header=header, format="bgr8; jpeg compressed bgr8", data=array("B", data)
    )


class CompressedClient(Client):
    """A client that sends its images as JPEG."""

    def __init__(self, client: Client) -> None:
        super().__init__(client.node, client.executor)
        self.images = self.node.create_publisher(CompressedImage, "image/compressed", LOSSLESS)

    def image(self, shift: int = 0, **size: int) -> CompressedImage:
        return compressed(self.header(), encoded(".jpg", picture(shift, **size)))


def test_damaged_compressed_images_and_decompression_bombs() -> None:
    parameters = {"image_transport": "compressed", **lossless("/compressed/image/compressed")}
    with node_client("/compressed") as plain:
        client = CompressedClient(plain)
        with tracker(client, "-r", "__ns:=/compressed", **parameters) as process:
            watch(client, "overlay")
            malice = Malice()
            malice.restless = False
            client.send(compressed(malice.good_image().header, JPEG))
            line, began = process.line_count, time.monotonic()
            for _ in range(200):
                for _ in range(4):
                    client.images.publish(malice.compressed())
                client.boxes.publish(malice.box())
                client.send(compressed(malice.good_image().header, JPEG))
            for name, bomb in BOMBS.items():
                exploded = time.monotonic()
                client.send(compressed(malice.good_image().header, bomb))
                # 5 s where other work is busy too; gigapixels would take minutes.
                assert time.monotonic() - exploded < 15, name
            check_log(process, line, time.monotonic() - began)
            check_it_works(client)


def test_initialising_again_and_again_leaks_neither_image_nor_template(
    client: Client, process: RosProcess
) -> None:
    """The long run is benchmarks/soak.py."""
    size = {"width": 640, "height": 480}  # an image of 0.9 MB, a template of 0.2 MB
    watch(client, "overlay", "response_heatmap", "template")

    def initialise(number: int) -> None:
        first = client.image(**size)
        client.send(first)
        client.send(client.image(**size))
        client.send_box(BOX, f"{number % 2}", first)
        client.reports.clear()
        client.until(lambda: client.send(client.image(**size)) and client.reports, "report")

    for _ in range(70):  # fill the ring of recent images
        client.send(client.image(**size))
    # What grows for a while has only to find its size; a template leaked each time is 2 MB in ten.
    resident = []
    for number in range(101):
        initialise(number)
        if number % 10 == 0:
            resident.append(resident_megabytes(process.pid))
            if len(resident) > 1 and resident[-1] - resident[-2] < 1:
                return
    raise AssertionError(f"megabytes after every ten initialisations: {resident}")


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
