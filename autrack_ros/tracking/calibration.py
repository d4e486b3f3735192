"""From a tracker's score to the probability that its box is right.

Platt, "Probabilistic Outputs for Support Vector Machines", 1999: a logistic function whose two
numbers are fitted on sequences that were not trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from autrack_ros.tracking.errors import CheckpointError, ConfigurationError

Fitted = TypeVar("Fitted", bound="Logistic")
_SMALLEST = 1e-6  # scores nearer to 0 or 1 are taken as this far from it


def logit(score: float) -> float:
    """Log-odds of a score, finite for every score of 0..1."""
    inside = min(max(score, _SMALLEST), 1 - _SMALLEST)
    return math.log(inside / (1 - inside))


@dataclass(frozen=True, slots=True)
class Logistic:
    """Slope and offset of a logistic function that was fitted to weights, kept in their metadata.

    Raises:
        ConfigurationError: a number is not finite, or the slope is not above 0.
    """

    slope: float
    offset: float
    name: ClassVar[str]  # what it is of, in messages and in the keys of the metadata

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and self.slope > 0 and math.isfinite(self.offset)):
            raise ConfigurationError(
                f"{self.name} slope {self.slope!r}, offset {self.offset!r}: both must be finite, "
                "the slope above 0"
            )

    @classmethod
    def keys(cls) -> tuple[str, str]:
        """Of slope and offset in the metadata."""
        return f"{cls.name}_slope", f"{cls.name}_offset"

    def to_metadata(self) -> dict[str, str]:
        """Entries for the metadata of a safetensors file; ``from_metadata`` gets the same back."""
        return dict(zip(self.keys(), (repr(self.slope), repr(self.offset)), strict=True))

    @classmethod
    def from_metadata(cls: type[Fitted], metadata: Mapping[str, str]) -> Fitted | None:
        """What the metadata of a weights file have; None where they have nothing of it.

        Raises:
            CheckpointError: one entry without the other, or values that are not accepted.
        """
        keys = cls.keys()
        present = {key: metadata[key] for key in keys if key in metadata}
        if not present:
            return None
        try:
            return cls(*(float(present[key]) for key in keys))
        except (KeyError, ValueError) as error:  # ConfigurationError is a ValueError
            raise CheckpointError(
                f"metadata of the weights, {present}: accepted are two finite numbers, "
                f"{' and '.join(keys)}, the first above 0"
            ) from error


class Calibration(Logistic):
    """p(overlap > 0.5) = sigmoid(slope * logit(score) + offset).

    Overlap is the intersection over union of the tracker's box with the target's. A slope not above
    0 would mean that a higher score is a lower probability.
    """

    __slots__ = ()
    name = "calibration"

    def __call__(self, score: float) -> float:
        """The probability, 0..1, that a box of this score (0..1) overlaps the target by over 0.5.

        It rises with the score; NaN stays NaN.
        """
        if math.isnan(score):
            return math.nan
        return 0.5 + 0.5 * math.tanh((self.slope * logit(score) + self.offset) / 2)
