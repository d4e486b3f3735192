"""The node's health: what is OK, what is a warning, what an error, and over a real topic."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("diagnostic_msgs", reason="needs diagnostic_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_node import ros_node
from ros_process import wait_until

from autrack_ros.node.frame_statistics import FrameSummary, Percentiles
from autrack_ros.node.outputs.diagnostics import (
    FRESH_ERROR_S,
    HIGH_DROPPED_SHARE,
    NO_IMAGE_S,
    DiagnosticsPublisher,
    Health,
    judge,
    status_message,
)

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
FRAMES = FrameSummary(
    window_s=10.0,
    image_rate_hz=30.04,
    track_rate_hz=29.96,
    latency_ms=Percentiles(31.24, 40.0, 55.5),
    processing_ms=Percentiles(20.0, 22.0, 25.0),
    dropped=3,
    dropped_share=0.01,
    dropped_total=17,
    left_out_total=2,
    image_age_s=0.03,
    track_age_s=0.02,
)
HEALTH = Health(
    frames=FRAMES,
    image_topic="/camera/image",
    waiting_s=60.0,
    device="cuda:0",
    model="lite",
    runtime="torch",
    targets={"cup": "tracking", "ball": "lost", "hat": "tracking"},
    process_memory_mb=512.04,
    gpu_memory_mb=2048.0,
)


def changed(**frames: float) -> Health:
    return replace(HEALTH, frames=replace(FRAMES, **frames))


def failed(age_s: float, **frames: float) -> Health:
    return replace(changed(**frames), error="cannot", error_age_s=age_s)


@pytest.mark.parametrize(
    ("health", "level", "message"),
    [
        (HEALTH, OK, "3 targets: 1 lost, 2 tracking"),
        (replace(HEALTH, targets={"cup": "tracking"}), OK, "1 target: 1 tracking"),
        (replace(HEALTH, targets={}), OK, "no targets"),
        (changed(image_age_s=NO_IMAGE_S - 0.1), OK, "3 targets: 1 lost, 2 tracking"),
        (changed(image_age_s=NO_IMAGE_S + 2), ERROR, "no image on /camera/image for 7 s"),
        (changed(image_age_s=math.inf), ERROR, "no image on /camera/image for 60 s"),
        (
            replace(changed(image_age_s=math.inf), waiting_s=1.0),
            OK,
            "waiting for images on /camera/image",
        ),
        (replace(changed(image_age_s=math.inf), waiting_s=None), OK, "inactive"),
        (changed(dropped_share=HIGH_DROPPED_SHARE), OK, "3 targets: 1 lost, 2 tracking"),
        (changed(dropped_share=0.42), WARN, "42% of the images dropped in the last 10 s"),
        (failed(2.0, track_age_s=0.1), WARN, "2 s ago: cannot"),
        (failed(2.0, track_age_s=2.0), ERROR, "2 s ago: cannot"),
        (failed(FRESH_ERROR_S, track_age_s=60), OK, "3 targets: 1 lost, 2 tracking"),
        (
            failed(2.0, track_age_s=0.1, image_age_s=8.0, dropped_share=0.5),
            ERROR,
            "no image on /camera/image for 8 s; 2 s ago: cannot; "
            "50% of the images dropped in the last 10 s",
        ),
    ],
)
def test_level_and_reason(health, level, message):
    assert judge(health) == (level, message)


def test_status_follows_the_conventions_of_diagnostic_updater():
    status = status_message("robot1/tracker", HEALTH)
    assert status.name == "robot1/tracker: tracking"
    assert status.hardware_id == "cuda:0"
    assert (status.level, status.message) == judge(HEALTH)


def test_status_carries_every_value():
    health = replace(HEALTH, error="cannot", error_age_s=99.0)
    status = status_message("tracker", health)
    assert {value.key: value.value for value in status.values} == {
        "Image rate (Hz)": "30.0",
        "Track rate (Hz)": "30.0",
        "Latency p50 (ms)": "31.2",
        "Latency p95 (ms)": "40.0",
        "Latency p99 (ms)": "55.5",
        "Processing p50 (ms)": "20.0",
        "Images dropped in 10 s": "3",
        "Images dropped": "17",
        "Images left out": "2",
        "Device": "cuda:0",
        "Memory (MB)": "512.0",
        "GPU memory (MB)": "2048.0",
        "Model": "lite",
        "Runtime": "torch",
        "Targets": "3",
        "Target cup": "tracking",
        "Target ball": "lost",
        "Target hat": "tracking",
        "Last error": "cannot",
        "Depth": "none",
    }


def test_what_is_not_known_is_said_to_be_none():
    health = replace(
        HEALTH,
        frames=replace(FRAMES, latency_ms=Percentiles(math.nan, math.nan, math.nan)),
        gpu_memory_mb=None,
    )
    values = {value.key: value.value for value in status_message("n", health).values}
    assert values["Latency p50 (ms)"] == "none"
    assert values["GPU memory (MB)"] == "none"
    assert values["Last error"] == "none"


@pytest.mark.parametrize(
    ("namespace", "name"), [("", "tracker: tracking"), ("robot1", "robot1/tracker: tracking")]
)
def test_status_is_published_once_a_second(namespace, name):
    received: list[tuple[float, DiagnosticArray]] = []
    with ros_node("tracker", namespace) as ros:

        def take(message: DiagnosticArray) -> None:
            received.append((ros.node.get_clock().now().nanoseconds / 1e9, message))

        ros.node.create_subscription(DiagnosticArray, "/diagnostics", take, 10)
        DiagnosticsPublisher(ros.node, lambda: HEALTH)
        wait_until(lambda: len(received) >= 3, ros.spin_once)
    (first, _), *_, (last, message) = received
    assert (last - first) / (len(received) - 1) == pytest.approx(1.0, abs=0.2)
    assert [status.name for status in message.status] == [name]
    assert message.status[0].level == OK
    assert abs(message.header.stamp.sec - last) < 2
