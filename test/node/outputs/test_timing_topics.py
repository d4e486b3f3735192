"""Autoware's timing topics: where its message package is installed, and where it is not."""

from __future__ import annotations

import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from builtin_interfaces.msg import Time as TimeMessage
from rclpy.clock import ROSClock
from rclpy.duration import Duration
from ros_node import ros_node
from ros_process import wait_until

from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.outputs.output import Topics
from autrack_ros.node.outputs.timing import PACKAGES, TimingTopics, pipeline_latency_ms

TOPICS = ("cyclic_time_ms", "processing_time_ms", "pipeline_latency_ms")


class FakePublisher:
    watched = True

    def __init__(self) -> None:
        self.sent: list[SimpleNamespace] = []

    def get_subscription_count(self) -> int:
        return int(self.watched)

    def publish(self, message: SimpleNamespace) -> None:
        self.sent.append(message)


class FakeNode:
    """Keeps what would be published: rclpy takes no type that is not a real message."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.publishers: dict[str, FakePublisher] = {}

    def info(self, text: str) -> None:
        self.lines.append(text)

    def create_publisher(self, kind: type, name: str, depth: int) -> FakePublisher:
        assert (kind, depth) == (SimpleNamespace, 1)
        return self.publishers.setdefault(name, FakePublisher())

    def destroy_publisher(self, publisher: FakePublisher) -> None:
        self.publishers = {n: p for n, p in self.publishers.items() if p is not publisher}

    def get_clock(self) -> ROSClock:
        return ROSClock()

    def values(self, name: str) -> list[float]:
        return [message.data for message in self.publishers[f"~/debug/{name}"].sent]


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.msg", None)


@pytest.fixture(params=PACKAGES)
def topics(
    request: pytest.FixtureRequest, without_packages: None, monkeypatch: pytest.MonkeyPatch
) -> tuple[FakeNode, TimingTopics]:
    """One of the two packages, as a stand-in."""
    module = ModuleType(f"{request.param}.msg")
    module.Float64Stamped = SimpleNamespace
    monkeypatch.setitem(sys.modules, request.param, ModuleType(request.param))
    monkeypatch.setitem(sys.modules, f"{request.param}.msg", module)
    node = FakeNode()
    return node, TimingTopics(Topics(node, OptionalMessages(node)))


def test_names_are_autowares(topics):
    node, _ = topics
    assert list(node.publishers) == [f"~/debug/{name}" for name in TOPICS]
    assert node.lines == []


def test_every_image_gives_its_times(topics):
    node, timing = topics
    timing.tell(12.5, 40.0)
    time.sleep(0.05)
    timing.tell(13.5, 41)
    assert node.values("processing_time_ms") == [12.5, 13.5]
    assert node.values("pipeline_latency_ms") == [40.0, 41.0]
    (cyclic,) = node.values("cyclic_time_ms")
    assert 50 <= cyclic < 200
    assert all(type(value) is float for name in TOPICS for value in node.values(name))
    stamp = node.publishers["~/debug/cyclic_time_ms"].sent[0].stamp
    assert abs(stamp.sec - time.time()) < 2


def test_an_image_without_a_stamp_has_no_latency(topics):
    node, timing = topics
    timing.tell(12.5, None)
    assert node.values("processing_time_ms") == [12.5]
    assert node.values("pipeline_latency_ms") == []


def test_nothing_is_sent_that_nobody_wants(topics, monkeypatch):
    node, timing = topics
    monkeypatch.setattr(FakePublisher, "watched", False)
    timing.tell(1.0, 1.0)
    timing.tell(1.0, 1.0)
    assert [node.values(name) for name in TOPICS] == [[], [], []]


@pytest.mark.usefixtures("topics")
def test_close_takes_the_publishers_away():
    node, offered = FakeNode(), OptionalMessages(FakeNode())
    made = Topics(node, offered)
    TimingTopics(made)
    assert list(node.publishers)
    made.close()
    assert node.publishers == {}


@pytest.mark.usefixtures("without_packages")
def test_without_the_package_no_topic_is_offered_and_the_log_says_so_once():
    node = FakeNode()
    optional = OptionalMessages(node)
    for _ in range(2):  # configured twice
        made = Topics(node, optional)
        TimingTopics(made).tell(1.0, 1.0)
        made.close()
    assert node.publishers == {}
    (line,) = node.lines
    assert line.startswith(
        "~/debug/*_ms: not offered, because autoware_internal_debug_msgs and tier4_debug_msgs"
    )


def test_over_real_topics_where_the_package_is_installed():
    messages = pytest.importorskip(f"{PACKAGES[0]}.msg", reason=f"needs {PACKAGES[0]}")
    received: dict[str, list] = {name: [] for name in TOPICS}
    with ros_node("tracker", "robot1") as ros:
        timing = TimingTopics(Topics(ros.node, OptionalMessages(ros.node.get_logger())))
        for name in TOPICS:
            ros.node.create_subscription(
                messages.Float64Stamped, f"/robot1/tracker/debug/{name}", received[name].append, 10
            )

        def sent() -> bool:
            timing.tell(12.5, 40.0)
            return all(received.values())

        wait_until(sent, ros.spin_once, "timing messages")
    assert received["processing_time_ms"][0].data == 12.5
    assert received["pipeline_latency_ms"][0].data == 40.0
    assert received["cyclic_time_ms"][0].stamp.sec > 0


def test_latency_is_from_the_stamp_to_now():
    clock = ROSClock()
    assert pipeline_latency_ms(clock, TimeMessage()) is None
    old = (clock.now() - Duration(seconds=2)).to_msg()
    assert pipeline_latency_ms(clock, old) == pytest.approx(2000, abs=100)
    ahead = (clock.now() + Duration(seconds=2)).to_msg()
    assert pipeline_latency_ms(clock, ahead) == pytest.approx(-2000, abs=100)
