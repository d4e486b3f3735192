"""Time a frame, memory, and the networks alone.

The trackers follow the same made clip in turns, block by block, so that whatever else the machine
does slows all; so do the networks alone, which all run in OpenVINO.
"""

from __future__ import annotations

# Each tracker has a process of its own, which begins by importing this file. A peer's must not load
# torch, or its memory would be ours too: what does is imported inside functions.
import argparse
import functools
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from autrack_ros.evaluation.metrics import ious
from autrack_ros.evaluation.peers.networks import import_openvino, infer_request
from autrack_ros.memory import reuse_large_blocks
from benchmarks.machine import resident_megabytes
from benchmarks.peers import PEERS

if TYPE_CHECKING:
    import openvino

Rectangle = tuple[float, ...]  # x, y, w, h: edge coordinates, pixels
Follow = Callable[[np.ndarray], Rectangle]  # the next frame -> where the target is
Start = Callable[[np.ndarray, Rectangle, int], Follow]  # first frame, target, threads

WIDTH, HEIGHT, SIDE = 640, 480, 96
BLOCK = 20  # frames that one side runs before the other's turn


def clouds(
    random: np.random.Generator, cells: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """A picture of coloured clouds, uint8 BGR: (rows, columns) of them, (width, height) pixels."""
    colors = random.integers(0, 256, (*cells, 3), dtype=np.uint8)
    return cv2.resize(colors, size, interpolation=cv2.INTER_CUBIC)


class Clip:
    """A square of coloured clouds that goes round over other clouds, 144 frames a turn.

    Frames are made when asked for, so that they take no memory.
    """

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._background = clouds(random, (12, 16), (WIDTH, HEIGHT))
        self._target = clouds(random, (6, 6), (SIDE, SIDE))

    def box(self, index: int) -> tuple[int, int, int, int]:
        """The target in a frame."""
        angle = 2 * math.pi * index / 144
        x = (WIDTH - SIDE) / 2 + 150 * math.cos(angle)
        y = (HEIGHT - SIDE) / 2 + 100 * math.sin(angle)
        return round(x), round(y), SIDE, SIDE

    def frame(self, index: int) -> np.ndarray:
        """480x640x3 uint8 BGR."""
        x, y, w, h = self.box(index)
        image = self._background.copy()
        image[y : y + h, x : x + w] = self._target
        return image


def start_ours(
    preset: str, weights: Path | None, runtime: str, image: np.ndarray, box: Rectangle, threads: int
) -> Follow:
    """Our tracker without update, on the target of the first frame."""
    import torch

    from autrack_ros.tracking import AdaptationSettings, Box, load_tracker

    torch.set_num_threads(threads)
    settings = AdaptationSettings(method="none")
    tracker = load_tracker(preset, weights, "cpu", settings, runtime)
    tracker.initialize(image, Box(*box))
    return lambda image: tracker.update(image).box


def start_peer(name: str, folder: Path, image: np.ndarray, box: Rectangle, threads: int) -> Follow:
    """A peer on the target of the first frame; ``name`` is one of ``PEERS``."""
    peer = PEERS[name](folder, threads)
    peer.init(image, box)
    return peer.update


def serve(pipe: Connection, start: Start, threads: int) -> None:
    """Follow the clip, as many frames as each message says, until one says 0."""
    reuse_large_blocks()  # as our node and command line do; NanoTrack gains a little too
    cv2.setNumThreads(threads)
    clip = Clip()
    follow = start(clip.frame(0), clip.box(0), threads)
    index = 0
    for count in iter(pipe.recv, 0):
        times, boxes = [], []
        for _ in range(count):
            index += 1
            image = clip.frame(index)
            started = time.perf_counter()
            boxes.append(follow(image))
            times.append((time.perf_counter() - started) * 1e3)
        pipe.send((times, boxes, resident_megabytes()))


class TrackerProcess:
    """A tracker in a process of its own, and what was measured of it after the first block."""

    def __init__(self, start: Start, threads: int) -> None:
        self.times: list[float] = []  # milliseconds a frame
        self.boxes: list[Rectangle] = []
        self.megabytes = 0.0
        self._pipe, far_end = multiprocessing.Pipe()
        # Spawned, not forked: a fork would own the memory of this process too.
        self._process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(far_end, start, threads), daemon=True
        )
        self._process.start()
        far_end.close()
        self._run(BLOCK)

    def run_block(self) -> None:
        """Follow ``BLOCK`` more frames."""
        times, boxes, self.megabytes = self._run(BLOCK)
        self.times += times
        self.boxes += boxes

    def overlap(self) -> float:
        """Mean overlap with the target: whether it was tracked at all."""
        clip = Clip()
        indices = range(BLOCK + 1, BLOCK + 1 + len(self.boxes))
        return float(ious(np.array(self.boxes), np.array([clip.box(i) for i in indices])).mean())

    def close(self) -> None:
        """End the process."""
        self._pipe.send(0)
        self._process.join()

    def _run(self, count: int) -> tuple[list[float], list[Rectangle], float]:
        try:
            self._pipe.send(count)
            return self._pipe.recv()
        except (EOFError, ConnectionError):
            raise SystemExit("a tracker's process has ended early; its error is above") from None


@dataclass(frozen=True, slots=True)
class Use:
    """What a tracker takes: the median of a frame's milliseconds, and memory."""

    milliseconds: float
    megabytes: float
    overlap: float  # mean, with the clip's target: whether it was tracked at all


def time_trackers(starts: Mapping[str, Start], threads: int, frames: int) -> dict[str, Use]:
    """Whole updates of all trackers, in turns."""
    sides = {name: TrackerProcess(start, threads) for name, start in starts.items()}
    for _ in range(math.ceil(frames / BLOCK)):
        for side in sides.values():
            side.run_block()
    for side in sides.values():
        side.close()
    return {
        name: Use(statistics.median(side.times), side.megabytes, side.overlap())
        for name, side in sides.items()
    }


def time_networks(
    models: Mapping[str, Sequence[openvino.Model]], threads: int, frames: int
) -> dict[str, float]:
    """Median milliseconds of what each tracker computes in a frame, in turns."""
    core = import_openvino().Core()
    runs = {
        name: [_run(infer_request(core, model, threads), model) for model in parts]
        for name, parts in models.items()
    }

    def run_all(parts: Sequence[Callable[[], None]]) -> None:
        for part in parts:
            part()

    whole = [functools.partial(run_all, parts) for parts in runs.values()]
    return dict(zip(runs, time_in_turns(whole, frames), strict=True))


def _run(request: openvino.InferRequest, model: openvino.Model) -> Callable[[], None]:
    random = np.random.default_rng(0)
    inputs = [
        random.integers(0, 256, node.shape).astype(node.get_element_type().to_dtype())
        for node in model.inputs
    ]
    return functools.partial(request.infer, inputs, share_inputs=True, share_outputs=True)


def time_in_turns(runs: Sequence[Callable[[], None]], count: int) -> list[float]:
    """Median milliseconds of each, after a first block of each."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(1 + math.ceil(count / BLOCK)):
        for run, own in zip(runs, times, strict=True):
            for _ in range(BLOCK):
                started = time.perf_counter()
                run()
                own.append((time.perf_counter() - started) * 1e3)
    return [statistics.median(own[BLOCK:]) for own in times]


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: accepted is a whole number above 0")
    return int(text)
