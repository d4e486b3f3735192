"""How images reach the node: transports, names, qualities of service, clocks, neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import cv2
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Track
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_client import MODULE, UPDATED, Client, box_of_track, node_client
from node_thread import tracker_thread
from pictures import BOX, OTHER, moved, picture
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from ros_process import RosProcess
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from autrack_ros.node import qos, tracker_node
from autrack_ros.node.outputs import diagnostics
from autrack_ros.tracking import iou

QUICK = {"adaptation.method": "none"}
RELIABLE = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@contextmanager
def tracker(namespace: str, *arguments: str, **parameters: Any) -> Iterator[Client]:
    """A client of a node; it does not wait for the node, so that others may publish the images."""
    with (
        node_client(namespace) as client,
        tracker_thread("-r", f"__ns:={namespace}", *arguments, **QUICK, **parameters),
    ):
        yield client


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_compressed_images_are_tracked_under_the_remapped_name(suffix: str) -> None:
    remapped = ("-r", "image:=/camera/image_raw")
    with tracker("/packed", *remapped, image_transport="compressed") as client:

        def packed(shift: int = 0) -> CompressedImage:
            data = cv2.imencode(suffix, picture(shift))[1].tobytes()
            return CompressedImage(header=client.header(), format=suffix[1:], data=data)

        client.image = packed
        client.images = client.node.create_publisher(
            CompressedImage, "/camera/image_raw/compressed", qos.SENSOR_IMAGE
        )
        client.connect()
        client.start_target("patch")
        track = client.send(packed(shift=4))
        assert (track.state, track.header.frame_id) == (Track.TRACKING, "camera_optical")
        assert iou(box_of_track(track), moved(BOX, 4)) > 0.7
        broken = packed()
        broken.data = broken.data[:100]
        assert client.send(broken).state == Track.LOST
        assert client.send(packed()).state in UPDATED


def test_the_qos_of_images_can_be_overridden_and_that_of_nothing_else() -> None:
    override = {"qos_overrides./sure/image.subscription.reliability": "reliable"}
    with tracker("/sure", **override) as client:
        client.images = client.node.create_publisher(Image, "image", RELIABLE)
        client.connect()
        assert client.send(client.image()).state == Track.IDLE
        reliabilities = {
            topic: info.qos_profile.reliability
            for topic in ("/sure/image", "/sure/camera_info")
            for info in client.node.get_subscriptions_info_by_topic(topic)
        }
        assert reliabilities == {
            "/sure/image": QoSReliabilityPolicy.RELIABLE,
            "/sure/camera_info": QoSReliabilityPolicy.BEST_EFFORT,
        }


def test_without_images_a_warning_names_both_qualities_of_service(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracker_node, "NO_IMAGE_S", 0.5)
    override = {"qos_overrides./deaf/image.subscription.reliability": "reliable"}
    warning = (
        "no image on /deaf/image for 0.5 s; subscribed with reliable, volatile; "
        "publishers: client (best effort, volatile)"
    )
    log: list[str] = []
    with tracker("/deaf", **override) as client:

        def warned() -> bool:
            client.images.publish(client.image())
            log.append(capfd.readouterr().err)
            return warning in "".join(log)

        client.until(warned, "warning")


def test_the_log_says_that_images_are_back_and_for_how_long_there_were_none(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracker_node, "NO_IMAGE_S", 0.5)
    log: list[str] = []

    def logged(pattern: str) -> bool:
        log.append(capfd.readouterr().err)
        return re.search(pattern, "".join(log)) is not None

    with tracker("/back") as client:
        client.wait_for_node()
        client.until(lambda: logged("WARN.*no image on /back/image for 0.5 s"), "warning")
        back = r"INFO.*images come on /back/image after \d+ s without"
        assert not logged(back)
        client.connect()
        client.until(lambda: logged(back), "line in the log")


def test_diagnostics_tell_how_the_node_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "NO_IMAGE_S", 1.0)
    with tracker("/robot") as client:
        health = Health(client, "robot/tracker")
        assert "no image on /robot/image" in health.until(client, ERROR).message

        def send() -> None:
            client.send(client.image())

        client.connect()
        assert health.until(client, OK, send).message == "no targets"
        client.start_target("patch")
        status = health.until(client, OK, send, "1 target: 1 tracking")
        values = {value.key: value.value for value in status.values}
        assert float(values["Image rate (Hz)"]) > 0
        assert float(values["Track rate (Hz)"]) > 0
        assert float(values["Latency p50 (ms)"]) > 0
        assert float(values["Memory (MB)"]) > 100
        expected = {
            "Device": "cpu",
            "GPU memory (MB)": "none",
            "Model": "autrack_fear",
            "Runtime": "openvino f32",
            "Targets": "1",
            "Target patch": "tracking",
            "Last error": "none",
        }
        assert expected.items() <= values.items()
        assert status.hardware_id == "cpu"

        bad = client.image()
        bad.encoding = "h264"
        client.send(bad)
        status = health.until(client, WARN, send)
        assert "image refused: encoding 'h264'" in status.message


class Health:
    """The statuses of a node on /diagnostics."""

    def __init__(self, client: Client, name: str) -> None:
        self.statuses: list[DiagnosticStatus] = []
        self._name = f"{name}: tracking"
        client.node.create_subscription(DiagnosticArray, "/diagnostics", self._take, 10)

    def _take(self, array: DiagnosticArray) -> None:
        self.statuses += [status for status in array.status if status.name == self._name]

    def until(
        self, client: Client, level: bytes, act: Any = lambda: None, message: str = ""
    ) -> DiagnosticStatus:
        """Act until such a status comes."""

        def newest() -> DiagnosticStatus | None:
            act()
            status = self.statuses[-1] if self.statuses else None
            is_it = status is not None and status.level == level and message in status.message
            return status if is_it else None

        return client.until(newest, f"level {level!r} of {self._name}")


def test_with_use_sim_time_latencies_are_those_of_the_clock_topic() -> None:
    with tracker("/simulated", use_sim_time="true") as client:
        clock = client.node.create_publisher(Clock, "/clock", 10)
        health = Health(client, "simulated/tracker")
        client.connect()
        client.until(clock.get_subscription_count, "subscriber of /clock")

        def send() -> None:
            image = client.image()
            time = Clock()
            time.clock.sec, time.clock.nanosec = image.header.stamp.sec, image.header.stamp.nanosec
            time.clock.sec += 4
            clock.publish(time)
            client.send(image)

        def latency() -> float:
            send()
            values = health.statuses[-1].values if health.statuses else []
            shown = next((v.value for v in values if v.key == "Latency p50 (ms)"), "none")
            return 0.0 if shown == "none" else float(shown)

        # The clock may be one image behind.
        client.until(lambda: latency() == pytest.approx(4000, abs=100), "latency of 4 s")


def test_two_nodes_in_two_namespaces_do_not_disturb_each_other() -> None:
    with ExitStack() as stack:
        left = stack.enter_context(node_client("/left"))
        other = RosProcess(MODULE, "-r", "__ns:=/left", **QUICK)
        stack.callback(other.stop)
        right = stack.enter_context(tracker("/right"))
        for client in (left, right):
            client.connect()
        left.start_target("one", BOX)
        right.start_target("two", OTHER)
        assert list(left.send_for_all(left.image())) == ["one"]
        assert list(right.send_for_all(right.image())) == ["two"]
        assert left.set_parameter("max_targets", 1).successful
        left.reset()
        right.start_target("three", BOX)
        assert left.send(left.image()).state == Track.IDLE
        assert list(right.send_for_all(right.image())) == ["two", "three"]
