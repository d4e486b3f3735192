"""``ros2 bag record`` and ``ros2 bag play`` as far as evaluate_bag.launch.py needs them.

rosbag2 is on no package index, so tests put this in the place of ``ros2``. As the real ones do, the
recorder waits for /clock before it subscribes, and a paused player publishes a clock that stands
still and goes on when its service is called.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import rclpy
from autrack_ros.msg import Track
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Empty

from autrack_ros.evaluation.bags.reading import Bag
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.replay.recorder import Recorder, Topic


def use_stand_in() -> None:
    """Make ``rosbag2_interfaces.srv.Resume`` importable; it is empty, too."""
    package, services = ModuleType("rosbag2_interfaces"), ModuleType("rosbag2_interfaces.srv")
    services.Resume = Empty
    package.srv = services
    sys.modules |= {package.__name__: package, services.__name__: services}


def clock_message(now_ns: int) -> Clock:
    clock = Clock()
    clock.clock.sec, clock.clock.nanosec = divmod(now_ns, 10**9)
    return clock


def record(output: Path, topic: str) -> None:
    node, now = rclpy.create_node("rosbag2_recorder"), 0

    def on_clock(message: Clock) -> None:
        nonlocal now
        now = message.clock.sec * 10**9 + message.clock.nanosec

    node.create_subscription(Clock, "/clock", on_clock, qos_profile_sensor_data)
    while rclpy.ok() and not now:
        rclpy.spin_once(node, timeout_sec=0.1)
    with BagWriter(output) as bag:
        recorder = Recorder(bag, [Topic(topic, Track)], lambda: now)
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            while rclpy.ok():
                rclpy.spin_once(node, timeout_sec=0.005)
                recorder.spin_once(0.005)


def play(path: Path, topic: str, rate: float, paused: bool) -> None:
    node = rclpy.create_node("rosbag2_player")
    images = node.create_publisher(Image, topic, QoSProfile(depth=10))
    clock = node.create_publisher(Clock, "/clock", qos_profile_sensor_data)
    running = not paused

    def resume(request: Empty.Request, response: Empty.Response) -> Empty.Response:
        nonlocal running
        running = True
        return response

    node.create_service(Empty, "~/resume", resume)
    with Bag(path) as bag:
        stored = list(bag.stored_messages(topic))
    now_ns = stored[0].received_ns
    last = time.monotonic()
    while rclpy.ok() and stored:
        rclpy.spin_once(node, timeout_sec=0.005)
        last, passed = time.monotonic(), time.monotonic() - last
        now_ns += round(passed * rate * 1e9) if running else 0
        clock.publish(clock_message(now_ns))
        while running and stored and stored[0].received_ns <= now_ns:
            images.publish(stored.pop(0).data)


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = (
        parser.add_subparsers(required=True)
        .add_parser("bag")
        .add_subparsers(dest="verb", required=True)
    )
    recording, playing = commands.add_parser("record"), commands.add_parser("play")
    recording.add_argument("--use-sim-time", action="store_true", required=True)
    recording.add_argument("-o", dest="output", type=Path)
    recording.add_argument("topic")
    playing.add_argument("bag", type=Path)
    playing.add_argument("--start-paused", action="store_true")
    playing.add_argument("--clock", type=float, required=True)
    playing.add_argument("--rate", type=float)
    playing.add_argument("--topics", dest="topic")
    words = parser.parse_args()
    rclpy.init()
    if words.verb == "record":
        record(words.output, words.topic)
    else:
        play(words.bag, words.topic, words.rate, words.start_paused)


if __name__ == "__main__":
    main()
