"""Time per frame and per adaptation of the tracker alone, without ROS.

    python -m benchmarks.tracker_speed [--device cuda] [--threads 2] [--runtime torch]

Official networks run with random weights, because their weights are not shipped; the time does not
depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from autrack_ros.memory import reuse_large_blocks
from autrack_ros.networks import NETWORKS
from autrack_ros.tracking import (
    PRESETS,
    AdaptationSettings,
    Box,
    Tracker,
    TrackingEngine,
    load_tracker,
)
from autrack_ros.tracking.runtimes import RUNTIMES
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
from benchmarks.machine import describe_machine, resident_megabytes

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
OFFICIAL = ("siamfcpp_tinyconv_vot", "siamfcpp_alexnet_vot", "siamfcpp_shufflenet_x0_5_got10k",
            "siamfcpp_googlenet_vot")  # fmt: skip


def frames(width: int, height: int, count: int) -> list[np.ndarray]:
    """A noise texture that moves 3 pixels a frame."""
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return [np.roll(image, 3 * index, axis=1) for index in range(count)]


def time_updates(tracker: Tracker, width: int, height: int, count: int) -> tuple[float, float]:
    """Median wall and processor milliseconds of ``update``."""
    images = frames(width, height, 8)
    side = height / 5
    tracker.initialize(images[0], Box(width / 2 - side / 2, height / 2 - side / 2, side, side))
    wall, processor = [], []
    for index in range(count + 5):
        started, started_cpu = time.perf_counter(), time.process_time()
        tracker.update(images[index % len(images)])
        wall.append((time.perf_counter() - started) * 1e3)
        processor.append((time.process_time() - started_cpu) * 1e3)
    return statistics.median(wall[5:]), statistics.median(processor[5:])


def time_adaptation(tracker: Tracker, settings: AdaptationSettings) -> tuple[float, int]:
    """Median milliseconds of the whole ``initialize`` and the steps it made."""
    (image,) = frames(640, 480, 1)
    tracker.adaptation = settings
    times = []
    for _ in range(5):
        started = time.perf_counter()
        report = tracker.initialize(image, Box(280, 200, 96, 96))
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times), report.steps


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runtime", default="auto", choices=RUNTIMES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--official", action="store_true", help="also the official networks")
    parser.add_argument("--no-reuse-memory", dest="reuse_memory", action="store_false")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.reuse_memory:
        reuse_large_blocks()  # as the node and the command line do
    off = AdaptationSettings(method="none")
    started, started_cpu = time.perf_counter(), time.process_time()
    tracker = load_tracker(device=arguments.device, adaptation=off, runtime=arguments.runtime)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    print(f"{describe_machine()}; {arguments.threads} threads, {tracker.engine.runtime.name}")
    print(f"load_tracker: {seconds:.1f} s, {processor_seconds:.1f} s of a processor\n")

    print(f"| {tracker.engine.preset.name}, update | median ms | processor ms |\n|---|---|---|")
    for width, height in SIZES:
        wall, processor = time_updates(tracker, width, height, arguments.frames)
        print(f"| {width}x{height} | {wall:.1f} | {processor:.1f} |")

    print("\n| initialize | steps | median ms |\n|---|---|---|")
    for label, settings in (
        ("no adaptation", off),
        ("defaults", AdaptationSettings()),
        ("32 steps, 1 crop", AdaptationSettings(steps=32, support_crops=1)),
    ):
        milliseconds, steps = time_adaptation(tracker, settings)
        print(f"| {label} | {steps} | {milliseconds:.0f} |")

    if arguments.official:
        print("\n| official network, 640x480 | median ms | processor ms |\n|---|---|---|")
        for name in OFFICIAL:
            preset = PRESETS[name]
            network = NETWORKS[preset.network]()
            runtime = TorchRuntime(network, preset, tracker.engine.runtime.device)
            tracker = Tracker(TrackingEngine(runtime, preset), off)
            wall, processor = time_updates(tracker, 640, 480, arguments.frames // 3)
            print(f"| {name} | {wall:.1f} | {processor:.1f} |")

    print(f"\nresident memory: {resident_megabytes():.0f} MB")


if __name__ == "__main__":
    main()
