"""What the node adds to the tracker: from an image message to its published track, and memory.

    python -m benchmarks.node_overhead          (ROS 2 and the built messages are needed)

The tracker's own time is taken out of every frame, so the overhead is conversion, bookkeeping and
publishing. One process; the node's own worker does the work.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import rclpy
from autrack_ros.msg import InitBox
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from autrack_ros.memory import reuse_large_blocks
from autrack_ros.node.image_conversion import bgr_to_image
from autrack_ros.node.tracker_node import TrackerNode
from benchmarks.machine import describe_machine, resident_megabytes

WARM_UP, COUNT = 10, 100


def measure(node: TrackerNode, width: int, height: int, watched: bool) -> tuple[float, float]:
    """Median milliseconds of ``update`` and of all else, for one image size."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    updates: list[float] = []
    update = node._tracker.update

    def timed_update(image: np.ndarray):
        started = time.perf_counter()
        result = update(image)
        updates.append((time.perf_counter() - started) * 1e3)
        return result

    node._on_reset(Trigger.Request(), Trigger.Response())  # drops the target of the last size
    node._process(bgr_to_image(picture, Header(frame_id="camera")))
    node._on_init_box(InitBox(id="a", x=width / 2 - 40, y=height / 2 - 40, width=80.0, height=80.0))
    watchers = []
    if watched:
        watchers = [
            node.create_subscription(Image, f"~/{topic}", lambda message: None, 1)
            for topic in ("overlay", "response_map", "response_heatmap")
        ]
        while any(
            publisher.get_subscription_count() == 0
            for publisher in (node._overlay, node._response_map, node._heatmap)
        ):
            time.sleep(0.01)
    node._process(bgr_to_image(picture, Header(frame_id="camera")))
    node._tracker.update = timed_update
    total = []
    for _ in range(WARM_UP + COUNT):
        message = bgr_to_image(picture, Header(frame_id="camera"))
        started = time.perf_counter()
        node._process(message)
        total.append((time.perf_counter() - started) * 1e3)
    node._tracker.update = update
    for watcher in watchers:
        node.destroy_subscription(watcher)
    rest = [whole - part for whole, part in zip(total, updates, strict=True)][WARM_UP:]
    return statistics.median(updates[WARM_UP:]), statistics.median(rest)


def main() -> None:
    """Print the table."""
    reuse_large_blocks()
    rclpy.init()
    node = TrackerNode()
    print(describe_machine(), end="\n\n")
    print("| image | debug images | update ms | overhead ms | overhead |\n|---|---|---|---|---|")
    for width, height in ((640, 480), (1920, 1080)):
        for watched in (False, True):
            update, rest = measure(node, width, height, watched)
            shown = "all" if watched else "none"
            print(
                f"| {width}x{height} | {shown} | {update:.1f} | {rest:.2f} "
                f"| {100 * rest / update:.1f} % |"
            )
    print(f"\nresident memory: {resident_megabytes():.0f} MB")
    node.close()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
