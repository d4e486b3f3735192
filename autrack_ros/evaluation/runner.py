"""Run a tracker over frames."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.presence import TrackState

if TYPE_CHECKING:
    from autrack_ros.tracking import AdaptationReport, TrackResult


class Located(Protocol):
    """What a tracker makes of a frame, at least."""

    @property
    def box(self) -> Box:
        """Where the target is, edge coordinates, pixels; where it was last if it is not found."""

    @property
    def score(self) -> float:
        """0..1; of one tracker, higher is surer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tracker that is measured makes of a frame.

    Attributes:
        box: where the target is, edge coordinates, pixels; where it was last while it is LOST.
        score: of one tracker, higher is surer.
        state: LOST where it says that there is no target.
        result: response and search region, of our tracker.
    """

    box: Box
    score: float
    state: TrackState = TrackState.TRACKING
    result: TrackResult | None = None


Result = TypeVar("Result", bound=Located)
Result_co = TypeVar("Result_co", bound=Located, covariant=True)


class FollowsTarget(Protocol[Result_co]):
    """All that a run needs of a tracker."""

    def initialize(self, image: np.ndarray, box: Box) -> AdaptationReport | None:
        """Take a target; HxWx3 uint8 BGR.

        Raises:
            InvalidBoxError: there is nothing to track in the box.
        """

    def update(self, image: np.ndarray) -> Result_co:
        """Find the target in the next image, of the same size."""


@dataclass(frozen=True, slots=True)
class TrackedFrame(Generic[Result]):
    """What the tracker made of one frame.

    Attributes:
        image: the frame, HxWx3 uint8 BGR.
        box: edge coordinates, pixels; the given box on frame 1.
        score: 0..1; 1 on frame 1.
        seconds: time of ``initialize`` on frame 1, of ``update`` on every other.
        report: of the template's adaptation, on frame 1 of a tracker that has one.
        result: of ``update``; None on frame 1.
    """

    image: np.ndarray
    box: Box
    score: float
    seconds: float
    report: AdaptationReport | None = None
    result: Result | None = None


def track(
    tracker: FollowsTarget[Result], frames: Iterable[np.ndarray], box: Box
) -> Iterator[TrackedFrame[Result]]:
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
