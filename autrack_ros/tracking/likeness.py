"""How much what is in a box looks like the target, and what that says beside the score.

The response says where in a search region the target would be if it were there, so another thing of
its kind in its place scores high. A template cut at the box and compared with the first one, cell
by cell, tells the two apart better (docs/lost.md has the numbers), for a quarter of a frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autrack_ros.tracking.calibration import Logistic
from autrack_ros.tracking.runtimes import Features

EVERY = 16  # frames: so often what is followed is looked at, and always while the score is not
SURE = 0.8  # so high
LIKELY = 0.5  # from here on a frame teaches how much the target usually looks like itself
LEARNT = 10  # such frames are enough


def likeness(first: Features, other: Features) -> float:
    """Cosine between two templates' features at the same place, mean over the places; -1..1.

    Args:
        first: of one template; the first of the maps, (..., C, h, w), is compared.
        other: of the other.
    """
    one, two = (maps[0].reshape(*maps[0].shape[-3:]) for maps in (first, other))
    products = (np.einsum("chw,chw->hw", *pair) for pair in ((one, two), (one, one), (two, two)))
    dots, squared, other_squared = products
    return float((dots / np.maximum(np.sqrt(squared * other_squared), 1e-12)).mean())


class Evidence(Logistic):
    """Score and likeness together: a box is right where both say so.

    The odds against the two add up, (1 - p) / p = (1 - s) / s + (1 - q) / q: s is the score, and
    q = sigmoid(slope * (l - 1) + offset), where l is the likeness in parts of the usual one.
    """

    __slots__ = ()
    name = "likeness"

    def __call__(self, score: float, likeness: float) -> float:
        """The probability, 0..1, that a box is right; never above the score."""
        unlike = math.exp(-self.slope * (likeness - 1) - self.offset)
        return score / (1 + score * unlike)


@dataclass(slots=True)
class Resemblance:
    """How much a target looks like itself, from frame to frame.

    Attributes:
        usual: its mean likeness in the first frames with a score from ``LIKELY`` on; 0 as long as
            there was none, and then nothing is judged by it.
        looks: how many they were.
        latest: likeness in the last frame looked at, in parts of ``usual``.
        frames: since then.
    """

    usual: float = 0.0
    looks: int = 0
    latest: float = 1.0
    frames: int = EVERY

    def is_due(self, score: float) -> bool:
        """Whether to look in one more frame, in which it is followed with this score."""
        self.frames += 1
        return self.frames >= EVERY or self.looks < LEARNT or score < SURE

    def start_again(self) -> None:
        """It was lost and found: what is there now must be judged, and teaches nothing."""
        self.latest, self.frames, self.looks = 1.0, EVERY, LEARNT

    def relative(self, likeness: float) -> float:
        """A likeness in parts of the usual one; 1 as long as that is not known."""
        return likeness / self.usual if self.usual > 0 else 1.0

    def learn(self, likeness: float, score: float) -> None:
        """Take in the likeness of what is followed; the score is that of the response alone."""
        self.frames, self.latest = 0, self.relative(likeness)
        if score >= LIKELY and self.looks < LEARNT:
            self.looks += 1
            self.usual += (likeness - self.usual) / self.looks
