"""What following many targets in a frame costs, beside one; without ROS.

    python -m benchmarks.many_targets [--threads 2] [--runtime torch]

The whole of ``TrackingEngine.follow``: crops, network, choice of the boxes. Each number of targets
has its turn in every round, and is divided by one target in the same round.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from autrack_ros.memory import reuse_large_blocks
from autrack_ros.tracking import Box, load_engine
from autrack_ros.tracking.runtimes import RUNTIMES
from benchmarks.machine import describe_machine
from benchmarks.tracker_speed import frames

WIDTH, HEIGHT = 640, 480
COUNTS = (1, 2, 4, 8)
BOXES = [Box(x, y, 96, 96) for y in (100, 284) for x in (32, 192, 352, 512)]
WARM_UP = 5  # rounds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runtime", default="auto", choices=RUNTIMES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    reuse_large_blocks()  # as the node and the command line do
    engine = load_engine(device="cpu", runtime=arguments.runtime)
    images = frames(WIDTH, HEIGHT, 8)
    targets = [engine.start(images[0], box) for box in BOXES]
    wall: dict[int, list[float]] = {count: [] for count in COUNTS}
    processor: dict[int, list[float]] = {count: [] for count in COUNTS}
    for index in range(WARM_UP + arguments.rounds):
        for count in COUNTS:
            started, started_cpu = time.perf_counter(), time.process_time()
            engine.follow(images[index % len(images)], targets[:count])
            wall[count].append((time.perf_counter() - started) * 1e3)
            processor[count].append((time.process_time() - started_cpu) * 1e3)

    print(f"{describe_machine()}; {arguments.threads} threads, {engine.runtime.name}\n")
    print(f"| targets, {WIDTH}x{HEIGHT} | median ms | times one | processor ms | times one |")
    print("|---|---|---|---|---|")
    for count in COUNTS:
        cells = []
        for times in (wall, processor):
            own, one = times[count][WARM_UP:], times[1][WARM_UP:]
            ratio = statistics.median(a / b for a, b in zip(own, one, strict=True))
            cells.append(f"{statistics.median(own):.1f} | {ratio:.2f}")
        print(f"| {count} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
