"""From a tracker's score to the probability that its box is right.

Platt, "Probabilistic Outputs for Support Vector Machines", 1999: a logistic function whose two
numbers are fitted on sequences that were not trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from autrack_ros.tracking.errors import CheckpointError, ConfigurationError

SLOPE_KEY = "calibration_slope"
OFFSET_KEY = "calibration_offset"
_SMALLEST = 1e-6  # scores nearer to 0 or 1 are taken as this far from it


def logit(score: float) -> float:
    """Log-odds of a score, finite for every score of 0..1."""
    inside = min(max(score, _SMALLEST), 1 - _SMALLEST)
    return math.log(inside / (1 - inside))


@dataclass(frozen=True, slots=True)
class Calibration:
    """p(overlap > 0.5) = sigmoid(slope * logit(score) + offset).

    Overlap is the intersection over union of the tracker's box with the target's.

    Raises:
        ConfigurationError: a number is not finite, or the slope is not above 0 (a higher score
            would mean a lower probability).
    """

    slope: float
    offset: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and self.slope > 0 and math.isfinite(self.offset)):
            raise ConfigurationError(
                f"calibration slope {self.slope!r}, offset {self.offset!r}: both must be finite, "
                "the slope above 0"
            )

    def __call__(self, score: float) -> float:
        """The probability, 0..1, that a box of this score (0..1) overlaps the target by over 0.5.

        It rises with the score; NaN stays NaN.
        """
        if math.isnan(score):
            return math.nan
        return 0.5 + 0.5 * math.tanh((self.slope * logit(score) + self.offset) / 2)

    def to_metadata(self) -> dict[str, str]:
        """Entries for the metadata of a safetensors file; ``from_metadata`` gets the same back."""
        return {SLOPE_KEY: repr(self.slope), OFFSET_KEY: repr(self.offset)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Calibration | None:
        """The calibration in the metadata of a weights file; None where it has none.

        Raises:
            CheckpointError: one entry without the other, or values that are no calibration.
        """
        present = {key: metadata[key] for key in (SLOPE_KEY, OFFSET_KEY) if key in metadata}
        if not present:
            return None
        if len(present) < 2:
            raise CheckpointError(
                f"metadata of the weights holds {present} alone: {SLOPE_KEY} and {OFFSET_KEY} "
                "come together"
            )
        try:
            return cls(float(present[SLOPE_KEY]), float(present[OFFSET_KEY]))
        except ValueError as error:  # ConfigurationError is one
            raise CheckpointError(
                f"metadata of the weights, {present}: accepted are two finite numbers, the slope "
                "above 0"
            ) from error
