"""The clip publisher together with the tracker node, both as processes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

import rclpy
from autrack_ros.msg import Track
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_process import RosProcess, environment, wait_until
from sensor_msgs.msg import Image

from autrack_ros.node import qos
from autrack_ros.replay.domains import own_domain

PUBLISHER = "autrack_ros.clip_publisher.clip_publisher"
FRAMES = 12


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return own_domain()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(FRAMES):
        image = np.random.default_rng(index).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), image)
    return folder


def test_every_frame_is_sent_and_the_first_one_waits_for_the_adaptation(
    domain: int, clip: Path
) -> None:
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    listener = Node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    images: list[Image] = []
    tracks: list[Track] = []
    listener.create_subscription(Image, "image", images.append, qos.COMMAND)
    listener.create_subscription(Track, "tracker/track", tracks.append, qos.RESULT)
    quick = {"adaptation.steps": 5, "adaptation.support_crops": 1}
    tracker = RosProcess("autrack_ros.node.tracker_node", **quick)
    try:
        tracker.wait_for_line("waiting for a box")
        publisher = RosProcess(PUBLISHER, source=clip, box="40,30,30,40", id="car", rate=5.0)
        wait_until(
            lambda: not publisher.running, lambda: executor.spin_once(timeout_sec=0.05), "end"
        )
        assert publisher.wait() == 0, publisher.output
        publisher.wait_for_line(f"{FRAMES} images of {clip} sent")
        wait_until(
            lambda: len(images) >= FRAMES and tracks[-1].header == images[-1].header,
            lambda: executor.spin_once(timeout_sec=0.05),
            "last image and its track",
        )
        stamps = [(image.header.stamp.sec, image.header.stamp.nanosec) for image in images]
        assert stamps == sorted(stamps)
        assert len(set(stamps)) == FRAMES  # the first one may be sent again until it is taken
        assert {image.encoding for image in images} == {"bgr8"}
        assert {track.id for track in tracks} == {"car"}
        first = {track.state for track in tracks if track.header == images[0].header}
        others = {track.state for track in tracks if track.header != images[0].header}
        assert first == {Track.ADAPTING}
        assert Track.ADAPTING not in others
    finally:
        executor.shutdown()
        listener.destroy_node()
        rclpy.try_shutdown(context=context)
        assert tracker.stop() == 0


@pytest.mark.usefixtures("domain")
def test_a_clip_or_box_that_cannot_be_used_ends_with_one_line(clip: Path) -> None:
    starts = {
        "no_such_clip.mp4: no such file": {"source": "no_such_clip.mp4"},
        r"box.*\[1, 2, 3\].*: accepted is x,y,w,h": {"source": clip, "box": "[1, 2, 3]"},
        "box 'abc': accepted is x,y,w,h": {"source": clip, "box": "abc"},
        "box 5: accepted is x,y,w,h": {"source": clip, "box": "5"},
    }
    publishers = {line: RosProcess(PUBLISHER, **values) for line, values in starts.items()}
    for line, publisher in publishers.items():
        assert publisher.wait() == 1, publisher.output
        assert "FATAL" in publisher.wait_for_line(line)
        assert "Traceback" not in publisher.output


@pytest.mark.usefixtures("domain")
def test_without_subscribers_it_waits_and_ends_cleanly_on_ctrl_c(clip: Path) -> None:
    publisher = RosProcess(PUBLISHER, source=clip)
    publisher.wait_for_line("waiting for subscribers of /image")
    publisher.interrupt()
    assert publisher.wait() == 0, publisher.output
    assert "Traceback" not in publisher.output
