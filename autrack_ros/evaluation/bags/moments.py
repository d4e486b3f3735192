"""The worst moments of a run over bags: where it followed a wrong thing, lost or doubted, and slow.

A wrong thing is something that looks alike, or the background: a box that does not overlap the
target, or one where the target is annotated as absent. Lost counts where the target is there, or
where nothing is annotated; doubt (UNCERTAIN) only in the latter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from autrack_ros.evaluation.long_term import Reports
from autrack_ros.tracking.presence import TrackState

WRONG, LOST, DOUBT = "on a wrong thing", "lost", "in doubt"
KINDS = (WRONG, LOST, DOUBT)  # the worst first
_SLOW = 2.0  # times the median of the bag


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of images that went wrong in one way.

    Attributes:
        sequence: name of the bag.
        kind: one of ``KINDS``.
        start: index of its first image, from the image of the start on.
        end: of its last one.
    """

    sequence: str
    kind: str
    start: int
    end: int

    @property
    def length(self) -> int:
        """Images."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class SlowImage:
    """An image that took far longer than usual in its bag.

    Attributes:
        sequence: name of the bag.
        index: of the image, from the image of the start on.
        seconds: it took.
        median: of its bag, seconds.
    """

    sequence: str
    index: int
    seconds: float
    median: float


def find_moments(sequence: str, reports: Reports) -> list[Moment]:
    """All moments of a bag, in their order.

    Args:
        sequence: name of the bag.
        reports: of its images.
    """
    unknown = ~reports.present & ~reports.absent
    labels = np.select(
        [
            reports.wrong,
            reports.lost & (reports.present | unknown),
            unknown & (reports.states == TrackState.UNCERTAIN.value),
        ],
        KINDS,
        "",
    )
    found, start = [], 0
    for kind, group in groupby(labels.tolist()):
        length = len(list(group))
        if kind:
            found.append(Moment(sequence, kind, start, start + length - 1))
        start += length
    return found


def worst_first(moments: Iterable[Moment]) -> list[Moment]:
    """By kind, then the longest first; in the order of bags and images where they are equal."""
    return sorted(moments, key=lambda m: (KINDS.index(m.kind), -m.length, m.sequence, m.start))


def find_slow_images(sequence: str, seconds: np.ndarray) -> list[SlowImage]:
    """Images that took more than twice the median of their bag, the start left out."""
    median = float(np.median(seconds[1:])) if len(seconds) > 1 else 0.0
    slow = np.flatnonzero(seconds[1:] > _SLOW * median) + 1
    return [SlowImage(sequence, i, float(seconds[i]), median) for i in slow.tolist()]
