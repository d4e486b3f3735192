"""Whether a target may have been swapped for a look-alike that crossed its course.

After a crossing nothing in the picture need tell the two apart; what moves on as before is likely
the target. Of the two signs each alone is common: a look-alike nearby is mostly not taken, and
targets turn. A box that leaves the course just when something else responds as strongly is in doubt
(docs/lost.md).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from autrack_ros.tracking.engine import TrackResult

AS_STRONG = 0.9  # second peak, in parts of the peak, of what may be taken for the target
COURSE = 10  # frames over which a target's course is measured
BEFORE = 4  # frames from there to the look-alike; in these the box may be on that already
EXPECTED = 30  # frames for which the target is expected to keep to its course, BEFORE included
OFF = 1.0  # from so far off the course on it was left; in sides of a square as large as the target

Point = tuple[float, float]


@dataclass(slots=True)
class Crossing:
    """The course of a target that is followed, and whether it was left.

    Attributes:
        places: the target's centres in the last frames, image pixels, the latest last.
        start: where it was before a look-alike came up, as long as it is expected to keep to its
            course from there; else None.
        velocity: at ``start``, pixels a frame.
        frames: since ``start``.
        doubtful: frames left in which it is in doubt; 0: no doubt.
    """

    places: deque[Point] = field(default_factory=lambda: deque(maxlen=COURSE + BEFORE))
    start: Point | None = None
    velocity: Point = (0.0, 0.0)
    frames: int = 0
    doubtful: int = 0

    def advance(self, result: TrackResult, doubt_frames: int) -> None:
        """Take in one more frame.

        Args:
            result: of the target as it is followed.
            doubt_frames: for so many it is in doubt once it may have been swapped; 0: never.
        """
        self.pass_frame()
        self.doubtful = min(self.doubtful, doubt_frames)
        if self.frames > EXPECTED:
            self.start = None
        if self.start is None and _has_a_rival(result):
            self._set_out()
        place = result.box.pixel_center
        self.places.append(place)
        if self.start is None:
            return
        course = zip(self.start, self.velocity, strict=True)
        expected = [at + self.frames * by for at, by in course]
        if math.dist(place, expected) >= OFF * math.sqrt(result.box.area):
            self.doubtful, self.start = doubt_frames, None

    def pass_frame(self) -> None:
        """One more frame, whether the target is seen in it or not."""
        self.frames += 1
        self.doubtful = max(self.doubtful - 1, 0)

    def forget_course(self) -> None:
        """The target was not followed to where it is now. Doubt stays."""
        self.places.clear()
        self.start = None

    def _set_out(self) -> None:
        """Expect the target to go on as it moved until the look-alike came up."""
        if len(self.places) < COURSE + BEFORE:
            return
        first, start = self.places[0], self.places[COURSE]
        x, y = ((now - before) / COURSE for now, before in zip(start, first, strict=True))
        self.start, self.velocity, self.frames = start, (x, y), BEFORE


def _has_a_rival(result: TrackResult) -> bool:
    return result.look_alike is not None and result.second_peak >= AS_STRONG * result.peak
