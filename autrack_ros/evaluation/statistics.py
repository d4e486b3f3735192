"""What a mean over sequences is worth: intervals, and paired differences.

Trackers differ from sequence to sequence by far more than they differ from each other, so they are
compared sequence by sequence; sequences are what is resampled, as another set of them would have
been drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLEAR_CHANGE = 0.005  # of a metric, from which a sequence counts as won or lost
MIN_SEQUENCES = 3  # for an interval
_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Difference:
    """How one run differs from another over the same sequences.

    Attributes:
        sequences: how many.
        mean: of the differences.
        low: lower end of the 95 % interval of the mean; None for fewer than ``MIN_SEQUENCES``.
        high: its upper end.
        wins: sequences with more than ``CLEAR_CHANGE`` above.
        ties: those in between.
        losses: those as far below.
    """

    sequences: int
    mean: float
    low: float | None
    high: float | None
    wins: int
    ties: int
    losses: int

    @property
    def verdict(self) -> str:
        """``better`` or ``worse``, where the interval excludes 0; else that neither is shown."""
        if self.low is not None and self.low > 0:
            return "better"
        if self.high is not None and self.high < 0:
            return "worse"
        return "no difference shown"


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of N values, by the percentile bootstrap.

    The same values give the same interval (Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13; the seed is 0).
    """
    picks = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def paired_difference(values: np.ndarray, reference: np.ndarray) -> Difference:
    """How values differ from those of a reference on the same N >= 1 sequences."""
    changes = values - reference
    wins, losses = int((changes > CLEAR_CHANGE).sum()), int((changes < -CLEAR_CHANGE).sum())
    low, high = interval(changes) if len(changes) >= MIN_SEQUENCES else (None, None)
    return Difference(
        len(changes),
        float(changes.mean()),
        low,
        high,
        wins,
        len(changes) - wins - losses,
        losses,
    )
