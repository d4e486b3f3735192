"""The node end to end: from publishing an image to its track, in separate processes.

    python -m benchmarks.node_latency [--seconds 60] [--rate 30]

It needs ROS 2 and the built messages.

This process publishes the images of a made scene and receives ``~/track``; the node runs beside it
with its default parameters. Latency is from the call of publish to the callback with the track of
that image, by one clock.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rclpy
from autrack_ros.msg import InitBox, Track
from autrack_ros.srv import Initialize
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from autrack_ros.memory import reuse_large_blocks
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from benchmarks.machine import describe_machine
from benchmarks.node_process import WAIT_S, node_process, use_own_domain

PICTURES = ("overlay", "response_map", "response_heatmap")
TARGET_SIDE = 60


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    width: int
    height: int
    targets: int
    watched: bool = False


CASES = (
    Case("VGA, no target", 640, 480, 0),
    Case("VGA, 1 target", 640, 480, 1),
    Case("VGA, 1 target, pictures watched", 640, 480, 1, watched=True),
    Case("VGA, 8 targets", 640, 480, 8),
    Case("1080p, 1 target", 1920, 1080, 1),
)


class Scene:
    """Textured squares that sway on a smooth background."""

    def __init__(self, width: int, height: int, targets: int) -> None:
        random = np.random.default_rng(0)
        coarse = random.integers(60, 120, (height // 40, width // 40, 3), dtype=np.uint8)
        self._background = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        shape = (TARGET_SIDE // 6, TARGET_SIDE // 6, 3)
        self._patches = [
            cv2.resize(random.integers(0, 256, shape, dtype=np.uint8), (TARGET_SIDE,) * 2)
            for _ in range(targets)
        ]
        columns = 4
        self._places = [
            (
                width * (2 * (index % columns) + 1) / (2 * columns),
                height * (2 * (index // columns) + 1) / 4,
            )
            for index in range(targets)
        ]

    def corners(self, seconds: float) -> list[tuple[int, int]]:
        """Upper left corners of the squares at a time."""
        sway = 20 * np.sin(2 * seconds)
        return [
            (round(x + sway) - TARGET_SIDE // 2, round(y) - TARGET_SIDE // 2)
            for x, y in self._places
        ]

    def picture(self, seconds: float) -> np.ndarray:
        """The scene at a time, HxWx3 uint8 BGR."""
        image = self._background.copy()
        for patch, (x, y) in zip(self._patches, self.corners(seconds), strict=True):
            image[y : y + TARGET_SIDE, x : x + TARGET_SIDE] = patch
        return image


class Camera:
    """Publishes images and takes note of when their tracks come."""

    def __init__(self, node: Node, case: Case) -> None:
        self._node = node
        self._scene = Scene(case.width, case.height, case.targets)
        self._images = node.create_publisher(Image, "image", qos.SENSOR_IMAGE)
        self._sent: dict[int, float] = {}
        self.latencies_ms: dict[int, float] = {}
        self.last = Track()
        node.create_subscription(Track, "tracker/track", self._on_track, qos.RESULT)
        if case.watched:
            for name in PICTURES:
                node.create_subscription(Image, f"tracker/{name}", lambda message: None, 1)

    @property
    def ready(self) -> bool:
        """Whether the node takes images and this process its tracks."""
        tracks = self._node.count_publishers("tracker/track")
        return self._images.get_subscription_count() > 0 and tracks > 0

    def send(self, seconds: float) -> None:
        """Publish the scene at a time of its own clock, which is the stamp."""
        stamp_ns = round((1 + seconds) * 1e9)
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
        message = bgr_to_image(self._scene.picture(seconds), header)
        self._sent[stamp_ns] = time.perf_counter()
        self._images.publish(message)

    def stream(self, start: float, seconds: float, rate: float) -> int:
        """Publish at a rate; return how many images that were."""
        began, count = time.perf_counter(), round(seconds * rate)
        for index in range(count):
            self.send(start + index / rate)
            time.sleep(max(0.0, began + (index + 1) / rate - time.perf_counter()))
        return count

    def boxes(self, seconds: float) -> list[InitBox]:
        """Init boxes of all targets for the next image."""
        side = float(TARGET_SIDE)
        return [
            InitBox(id=str(index), x=float(x), y=float(y), width=side, height=side)
            for index, (x, y) in enumerate(self._scene.corners(seconds))
        ]

    def _on_track(self, track: Track) -> None:
        now = time.perf_counter()
        stamp_ns = track.header.stamp.sec * 10**9 + track.header.stamp.nanosec
        sent = self._sent.get(stamp_ns)
        if sent is not None:
            self.latencies_ms[stamp_ns] = (now - sent) * 1e3
            self.last = track


def measure(case: Case, seconds: float, rate: float, parameters: list[str]) -> str:
    """Run one case with a node of its own; return its row."""
    with node_process(parameters) as process, spinning_node() as node:
        camera = Camera(node, case)
        wait_for(lambda: camera.ready, "the node")
        client = node.create_client(Initialize, "tracker/initialize")
        wait_for(client.service_is_ready, "its service")
        clock = camera.stream(0.0, 1.0, rate) / rate
        calls = [client.call_async(Initialize.Request(box=box)) for box in camera.boxes(clock)]
        while not all(call.done() for call in calls):
            camera.send(clock)  # stands still until all targets are adapted
            time.sleep(1 / rate)
            clock += 1e-3
        for call in calls:
            assert call.result().accepted, call.result().reason
        clock += camera.stream(clock, 3.0, rate) / rate
        time.sleep(0.5)
        camera.latencies_ms.clear()
        dropped, processor = camera.last.dropped_images, processor_seconds(process.pid)
        began = time.perf_counter()
        count = camera.stream(clock, seconds, rate)
        elapsed = time.perf_counter() - began
        processor = processor_seconds(process.pid) - processor
        time.sleep(0.5)
        latencies = np.array(list(camera.latencies_ms.values()))
        is_lost = camera.last.state == Track.LOST and case.targets
        states = " (lost!)" if is_lost else ""
    p50, p95, p99 = np.percentile(latencies, (50, 95, 99))
    return (
        f"| {case.name}{states} | {count} | {count - len(latencies)} "
        f"| {camera.last.dropped_images - dropped} | {p50:.1f} | {p95:.1f} | {p99:.1f} "
        f"| {latencies.max():.1f} | {100 * processor / elapsed:.0f} % |"
    )


@contextmanager
def spinning_node() -> Iterator[Node]:
    """A node whose callbacks a thread runs."""
    rclpy.init(args=[])  # not the words of this command
    node = Node("camera")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        yield node
    finally:
        executor.shutdown()
        thread.join(WAIT_S)
        node.destroy_node()
        rclpy.try_shutdown()


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; end the program if it does not for a minute."""
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not appear in {WAIT_S:g} s")
        time.sleep(0.05)


def processor_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of every case")
    parser.add_argument("--rate", type=float, default=30.0, help="images a second")
    parser.add_argument("--case", action="append", help="only cases whose name holds this")
    parser.add_argument(
        "--parameter", action="append", default=[], help="of the node, name:=value; repeatable"
    )
    arguments = parser.parse_args()
    wanted = arguments.case or [""]
    cases = [case for case in CASES if any(part in case.name for part in wanted)]
    if not cases:
        parser.error(f"--case {wanted}: accepted is part of {[case.name for case in CASES]}")
    reuse_large_blocks()
    use_own_domain()
    print(f"{describe_machine()}; {arguments.rate:g} Hz for {arguments.seconds:g} s\n")
    print(
        "| case | images | unanswered | dropped by the node | p50 ms | p95 ms | p99 ms | max ms "
        "| node, of one core |\n|---|---|---|---|---|---|---|---|---|"
    )
    for case in cases:
        print(measure(case, arguments.seconds, arguments.rate, arguments.parameter), flush=True)


if __name__ == "__main__":
    main()
