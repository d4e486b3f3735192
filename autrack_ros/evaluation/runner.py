"""Run a tracker over frames."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from autrack_ros.tracking import AdaptationReport, Box, Tracker, TrackResult


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """What the tracker made of one frame.

    Attributes:
        image: the frame, HxWx3 uint8 BGR.
        box: edge coordinates, pixels; the given box on frame 1.
        score: 0..1; 1 on frame 1.
        seconds: time of ``initialize`` on frame 1, of ``update`` on every other.
        report: of the template's adaptation, on frame 1 only.
        result: of ``update``; None on frame 1.
    """

    image: np.ndarray
    box: Box
    score: float
    seconds: float
    report: AdaptationReport | None = None
    result: TrackResult | None = None


def track(tracker: Tracker, frames: Iterable[np.ndarray], box: Box) -> Iterator[TrackedFrame]:
    """Start on the first frame with ``box``, then follow the target, one item a frame."""
    for index, image in enumerate(frames):
        start = time.perf_counter()
        if index == 0:
            report = tracker.initialize(image, box)
            yield TrackedFrame(image, box, 1.0, time.perf_counter() - start, report=report)
        else:
            result = tracker.update(image)
            seconds = time.perf_counter() - start
            yield TrackedFrame(image, result.box, result.score, seconds, result=result)
