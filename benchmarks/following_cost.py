"""What a second template, states, looks at the target and the camera's motion cost a frame.

    python -m benchmarks.following_cost [--frames 300] [--threads 1]

All follow the square of ``benchmarks.peers.speed``, frame by frame in turns. The mean counts, for
a target in plain sight is looked at in every sixteenth frame alone.
"""

from __future__ import annotations

import argparse
import statistics
import time

from autrack_ros.evaluation.presence_tracker import presence_settings
from autrack_ros.memory import reuse_large_blocks
from autrack_ros.tracking import AdaptationSettings, Box, Follower, load_engine
from autrack_ros.tracking.likeness import LEARNT
from autrack_ros.tracking.threads import set_threads
from benchmarks.machine import describe_machine
from benchmarks.peers.speed import Clip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    reuse_large_blocks()  # as the node and the command line do
    engine, clip = load_engine(device="cpu"), Clip()
    plain = engine.start(clip.frame(0), Box(*clip.box(0)))
    updated, _ = engine.adapt(clip.frame(0), plain, AdaptationSettings())
    followers = {
        f"{kind}, {template}": Follower(engine, presence_settings(recover))
        for kind, recover in (("bare tracker", False), ("as the node follows", True))
        for template in ("template as cut", "and the updated one")
    }
    for follower, target in zip(followers.values(), (plain, updated) * 2, strict=True):
        follower.put("target", target, clip.frame(0))
    taken: dict[str, list[float]] = {name: [] for name in followers}
    for index in range(1, arguments.frames + LEARNT + 2):
        image = clip.frame(index)
        # Who is later finds the image in the processor's cache.
        for name, follower in list(followers.items())[:: 1 if index % 2 else -1]:
            began = time.perf_counter()
            follower.follow(image)
            taken[name].append((time.perf_counter() - began) * 1e3)
    print(f"{describe_machine()}; {arguments.threads} threads, {engine.runtime.name}\n")
    print("| | mean ms | times | median ms | first frames, mean ms |\n|---|---|---|---|---|")
    later = {name: times[LEARNT + 1 :] for name, times in taken.items()}
    bare = statistics.mean(next(iter(later.values())))
    for name, times in later.items():
        mean, first = statistics.mean(times), statistics.mean(taken[name][1 : LEARNT + 1])
        median = statistics.median(times)
        print(f"| {name} | {mean:.1f} | {mean / bare:.2f} | {median:.1f} | {first:.1f} |")


if __name__ == "__main__":
    main()
