"""Whether the node leaks: its memory, threads and open files over a long run.

    python -m benchmarks.soak [--frames 30000] [--targets 200]

It needs ROS 2 and the built messages.

The node runs in a process of its own. It gets the images of a made scene, each as soon as the track
of the one before has come, and again and again the box of its target, drawn half a second ago: so
it keeps images, catches up, adapts, follows and draws. The exit status is 1 when its memory at the
end is over that after the first thousand images by more than 5 %.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import rclpy
from autrack_ros.msg import AdaptationReport, InitBox, Status, Track
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from autrack_ros.memory import reuse_large_blocks
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from benchmarks.machine import describe_machine
from benchmarks.node_process import WAIT_S, node_process, use_own_domain

WIDTH, HEIGHT, SIDE = 640, 480, 64
PLACE = (280, 200)  # upper left corner of the target, when it does not sway
PERIOD_NS = 33_333_333
CYCLE = 90  # images until the scene is as before
AGE = 15  # of a box, images
SETTLED = 1000  # images, from which on memory must not grow
ALLOWED = 0.05


class Scene:
    """A textured square that sways on a smooth background, and the stamps of its images."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        coarse = random.integers(60, 120, (HEIGHT // 40, WIDTH // 40, 3), dtype=np.uint8)
        background = np.kron(coarse, np.ones((40, 40, 1), np.uint8))
        cells = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        square = np.kron(cells, np.ones((SIDE // 8, SIDE // 8, 1), np.uint8))
        self._pictures = []
        for index in range(CYCLE):
            picture = background.copy()
            x, y = self._corner(index)
            picture[y : y + SIDE, x : x + SIDE] = square
            self._pictures.append(picture)

    def image(self, index: int) -> Image:
        """The image of a number."""
        return bgr_to_image(self._pictures[index % CYCLE], self._header(index))

    def box(self, index: int) -> InitBox:
        """The target's box, drawn on the image of a number."""
        x, y = map(float, self._corner(index))
        header, side = self._header(index), float(SIDE)
        return InitBox(header=header, id="square", x=x, y=y, width=side, height=side)

    def _corner(self, index: int) -> tuple[int, int]:
        return PLACE[0] + round(60 * np.sin(2 * np.pi * index / CYCLE)), PLACE[1]

    def _header(self, index: int) -> Header:
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod((index + 1) * PERIOD_NS, 10**9)
        return header


class Client:
    """Sends images and boxes, looks at the pictures, and counts what comes back."""

    def __init__(self) -> None:
        rclpy.init(args=[])  # not the words of this command
        self._node = node = Node("soak")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._scene = Scene()
        self._images = node.create_publisher(Image, "image", qos.SENSOR_IMAGE)
        self._boxes = node.create_publisher(InitBox, "init_box", qos.COMMAND)
        self._stamp: object = None  # of the newest track
        self.counts = {"started": 0, "refused": 0, "adapted": 0, "pictures": 0, "with a box": 0}
        node.create_subscription(Track, "tracker/track", self._on_track, qos.RESULT)
        node.create_subscription(Status, "tracker/status", self._on_status, qos.STATUS)
        node.create_subscription(
            AdaptationReport,
            "tracker/adaptation",
            lambda report: self._count("adapted"),
            qos.RESULT,
        )
        for name in ("overlay", "response_heatmap", "template"):
            node.create_subscription(
                Image, f"tracker/{name}", lambda image: self._count("pictures"), qos.DEBUG_IMAGE
            )

    @property
    def ready(self) -> bool:
        """Whether both ends know each other."""
        self._executor.spin_once(0.05)
        ends = (self._images.get_subscription_count(), self._boxes.get_subscription_count())
        return all(ends) and self._node.count_publishers("tracker/track") > 0

    def frame(self, index: int) -> None:
        """Send an image and wait for its track; best effort may lose it, then again."""
        image = self._scene.image(index)
        for _ in range(int(WAIT_S)):
            self._images.publish(image)
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                self._executor.spin_once(0.05)
                if self._stamp == image.header.stamp:
                    return
        raise SystemExit(f"no track of image {index} in {WAIT_S:g} s")

    def start(self, index: int) -> None:
        """Send the box of the target in an image that came before this one."""
        self._boxes.publish(self._scene.box(index - AGE))

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def _on_track(self, track: Track) -> None:
        self._stamp = track.header.stamp
        self.counts["with a box"] += track.size_x > 0

    def _on_status(self, status: Status) -> None:
        if status.event in (Status.STARTED, Status.REFUSED):
            self._count("started" if status.event == Status.STARTED else "refused")

    def _count(self, name: str) -> None:
        self.counts[name] += 1


def usage(pid: int) -> tuple[float, int, int]:
    """Resident megabytes, threads and open files of a process."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in status)
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return int(values["VmRSS"].split()[0]) / 1024, int(values["Threads"]), files


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30_000, help="images, in all")
    parser.add_argument("--targets", type=int, default=200, help="initialisations, in all")
    parser.add_argument(
        "--parameter", action="append", default=[], help="of the node, name:=value; repeatable"
    )
    arguments = parser.parse_args()
    reuse_large_blocks()
    use_own_domain()
    shown = {round(arguments.frames * tenth / 10) for tenth in range(1, 11)} | {SETTLED}
    every = max(2 * AGE, arguments.frames // arguments.targets)
    print(f"{describe_machine()}; {' '.join(arguments.parameter) or 'default parameters'}\n")
    print("| images | boxes | resident MB | threads | open files |\n|---|---|---|---|---|")
    with node_process(arguments.parameter) as process:
        client = Client()
        end = time.monotonic() + WAIT_S
        while not client.ready:
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"the node did not appear in {WAIT_S:g} s")
        settled = megabytes = 0.0
        began = time.monotonic()
        for index in range(arguments.frames):
            if index % every == every // 2:
                client.start(index)
            client.frame(index)
            if index + 1 in shown:
                megabytes, threads, files = usage(process.pid)
                if index + 1 == SETTLED:
                    settled = megabytes
                boxes = client.counts["started"] + client.counts["refused"]
                row = f"| {index + 1} | {boxes} | {megabytes:.1f} | {threads} | {files} |"
                print(row, flush=True)
        elapsed = time.monotonic() - began
        client.close()
    growth = megabytes / settled - 1 if settled else 0.0
    counts = ", ".join(f"{count} {name}" for name, count in client.counts.items())
    print(f"\n{elapsed:.0f} s, {1e3 * elapsed / arguments.frames:.1f} ms an image; {counts}")
    print(f"memory since image {SETTLED}: {growth:+.1%}")
    raise SystemExit(growth > ALLOWED)


if __name__ == "__main__":
    main()
