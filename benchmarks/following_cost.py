"""What a second template, states, looks at the target and the camera's motion cost a frame.

    python -m benchmarks.following_cost [--frames 300] [--threads 1]

All follow the square of ``benchmarks.peers.speed``, alone and again with three like it about it,
frame by frame in turns. The mean counts, for a target in plain sight is looked at in every
sixteenth frame alone.
"""

from __future__ import annotations

import argparse
import statistics
import time

import cv2
import numpy as np

from autrack_ros.evaluation.presence_tracker import presence_settings
from autrack_ros.memory import reuse_large_blocks
from autrack_ros.tracking import AdaptationSettings, Box, Follower, TrackingEngine, load_engine
from autrack_ros.tracking.likeness import LEARNT
from autrack_ros.tracking.threads import set_threads
from benchmarks.machine import describe_machine
from benchmarks.peers.speed import SIDE, Clip, clouds

AWAY = 140  # pixels from the target to each of the three like it, centre to centre
LIKE = 0.5  # share of the target's colours in theirs


class Crowd(Clip):
    """The square with three of its kind in its search region, which go with it."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(5)
        self._others = [
            cv2.addWeighted(self._target, LIKE, clouds(random, (6, 6), (SIDE, SIDE)), 1 - LIKE, 0)
            for _ in range(3)
        ]

    def frame(self, index: int) -> np.ndarray:
        """480x640x3 uint8 BGR."""
        image = super().frame(index)
        x, y, w, h = self.box(index)
        places = (x - AWAY, y), (x + AWAY, y), (x, y + AWAY)
        for other, (left, top) in zip(self._others, places, strict=True):
            here = image[max(top, 0) : top + h, max(left, 0) : left + w]
            seen = other[max(-top, 0) :, max(-left, 0) :]
            here[:] = seen[: here.shape[0], : here.shape[1]]
        return image


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    reuse_large_blocks()  # as the node and the command line do
    engine = load_engine(device="cpu")
    print(f"{describe_machine()}; {arguments.threads} threads, {engine.runtime.name}")
    for title, clip in (("Alone", Clip()), ("With three like it", Crowd())):
        print(f"\n{title}:\n")
        print("| | mean ms | times | median ms | first frames, mean ms |\n|---|---|---|---|---|")
        taken = times_of_frames(engine, clip, arguments.frames)
        later = {name: times[LEARNT + 1 :] for name, times in taken.items()}
        bare = statistics.mean(next(iter(later.values())))
        for name, times in later.items():
            mean, first = statistics.mean(times), statistics.mean(taken[name][1 : LEARNT + 1])
            median = statistics.median(times)
            print(f"| {name} | {mean:.1f} | {mean / bare:.2f} | {median:.1f} | {first:.1f} |")


def times_of_frames(engine: TrackingEngine, clip: Clip, frames: int) -> dict[str, list[float]]:
    """How long each frame took each way of following, ms.

    Args:
        engine: computes for all.
        clip: gives the images, and the target in the first.
        frames: how many after those in which it is learnt how much a target looks like itself.
    """
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
    for index in range(1, frames + LEARNT + 2):
        image = clip.frame(index)
        # Who is later finds the image in the processor's cache.
        for name, follower in list(followers.items())[:: 1 if index % 2 else -1]:
            began = time.perf_counter()
            follower.follow(image)
            taken[name].append((time.perf_counter() - began) * 1e3)
    return taken


if __name__ == "__main__":
    main()
