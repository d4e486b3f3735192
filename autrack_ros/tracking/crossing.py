"""Whether a look-alike may have been taken for the target: it crossed, and the box left its way.

After that nothing in the picture need tell the two apart; what moves on as before is likely the
target. Of the two signs each alone is common. A look-alike nearby is mostly not taken, and targets
turn; a box that turns just when something else responds as high is in doubt (docs/lost.md).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from autrack_ros.tracking.engine import TrackResult

AS_HIGH = 0.9  # of the target's response: a look-alike that may be taken for it
WAY = 10  # frames over which it is measured how the target moves,
BEFORE = 4  # to so many before the look-alike responds so high, for the box may be on it then
EXPECTED = 30  # frames from there on in which the target is expected to keep to its way,
ASTRAY = 1.0  # up to so far, in parts of its side (of a square as large)

Point = tuple[float, float]


@dataclass(slots=True)
class Crossing:
    """What is known of a target's way while it is followed, and whether it was left.

    Attributes:
        places: the target's centres in the last frames, image pixels, the latest last.
        start: where it was before a look-alike came up; None where none did, or the target's way
            was not known yet.
        velocity: then, pixels a frame.
        frames: since ``start``.
        doubtful: frames for which it stays in doubt whether this is the target; 0: it is not.
    """

    places: deque[Point] = field(default_factory=lambda: deque(maxlen=WAY + BEFORE))
    start: Point | None = None
    velocity: Point = (0.0, 0.0)
    frames: int = 0
    doubtful: int = 0

    def advance(self, result: TrackResult, doubt_frames: int) -> None:
        """Take in one more frame.

        Args:
            result: of the target as it is followed.
            doubt_frames: for so many it stays in doubt.
        """
        self.pass_frame()
        if self.frames > EXPECTED:
            self.start = None
        if self.start is None and _responds_as_high(result):
            self._set_out()
        place = result.box.pixel_center
        self.places.append(place)
        if self.start is not None:
            way = zip(self.start, self.velocity, strict=True)
            expected = [at + self.frames * by for at, by in way]
            if math.dist(place, expected) >= ASTRAY * math.sqrt(result.box.area):
                self.doubtful = doubt_frames

    def pass_frame(self) -> None:
        """One more frame, whether the target is seen in it or not."""
        self.frames += 1
        self.doubtful = max(self.doubtful - 1, 0)

    def forget_way(self) -> None:
        """Forget how the target moved: it was not followed to where it is now. Doubt stays."""
        self.places.clear()
        self.start = None

    def _set_out(self) -> None:
        """Expect the target to go on as it moved until the look-alike came up."""
        if len(self.places) < WAY + BEFORE:
            return
        first, start = self.places[0], self.places[WAY]
        x, y = ((now - before) / WAY for now, before in zip(start, first, strict=True))
        self.start, self.velocity, self.frames = start, (x, y), BEFORE


def _responds_as_high(result: TrackResult) -> bool:
    return result.look_alike is not None and result.second_peak >= AS_HIGH * result.peak
