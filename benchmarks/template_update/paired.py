"""Paired differences of two rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autrack_ros.evaluation.statistics import CLEAR_CHANGE, interval
from benchmarks.template_update.rows import Row


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean change of the AUC, with its 95 % bootstrap interval over cases."""

    cases: int
    mean: float
    low: float
    high: float
    better: int
    worse: int
    least: float  # of the changes

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"

    @property
    def verdict(self) -> str:
        """better, worse, or that neither is shown."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no difference shown"


def difference(row: Row, base: Row, names: Sequence[str]) -> Difference:
    """Of two rows over cases that both have."""
    changes = np.array([row.results[name].auc - base.results[name].auc for name in names])
    return Difference(
        len(names),
        float(changes.mean()),
        *interval(changes),
        int((changes > CLEAR_CHANGE).sum()),
        int((changes < -CLEAR_CHANGE).sum()),
        float(changes.min()),
    )
