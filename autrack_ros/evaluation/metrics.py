"""One-pass metrics of single-object tracking.

Success and precision are those of OTB (Wu, Lim, Yang: Online Object Tracking, CVPR 2013, and its
toolkit); normalised precision is TrackingNet's (Müller et al., ECCV 2018); average overlap and
success rates are GOT-10k's (Huang, Zhao, Huang, TPAMI 2021).

Boxes are N x 4 arrays x, y, w, h in edge coordinates. A frame whose annotation is not finite or has
no area (target absent) counts in no metric; a prediction that is not finite overlaps nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

SUCCESS_THRESHOLDS = np.linspace(0, 1, 21)
PRECISION_PX = 20.0
PRECISION_THRESHOLDS = np.arange(51)  # pixels
NORMALIZED_THRESHOLDS = np.arange(51) / 100
NORMALIZED_PRECISION_AT = 0.2

Scores = dict[str, float]

# What tables call the metrics.
COLUMNS = {
    "auc": "AUC",
    "precision": "P@20px",
    "normalized_precision": "NP@0.2",
    "normalized_precision_auc": "NP-AUC",
    "ao": "AO",
    "sr50": "SR50",
    "sr75": "SR75",
}
LEGEND = (  # of these, for pages
    "AUC: success, the part of the frames whose overlap is above a threshold, averaged over 21 of "
    "them; AO: mean overlap; SR50, SR75: part of the frames whose overlap is above 0.5 and 0.75; "
    "P@20px: part whose centre is at most 20 pixels off; NP@0.2, NP-AUC: the same relative to the "
    "box's size, at 0.2 and averaged up to 0.5. Frames without an annotated target do not count."
)


def present(truth: np.ndarray) -> np.ndarray:
    """Frames in which the target is annotated, N bool."""
    return np.isfinite(truth).all(axis=1) & (truth[:, 2:] > 0).all(axis=1)


def ious(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union a frame, N float64, 0..1; NaN where the target is absent."""
    with np.errstate(invalid="ignore"):
        low = np.maximum(predicted[:, :2], truth[:, :2])
        high = np.minimum(predicted[:, :2] + predicted[:, 2:], truth[:, :2] + truth[:, 2:])
        intersection = (high - low).clip(min=0).prod(axis=1)
        union = predicted[:, 2:].prod(axis=1) + truth[:, 2:].prod(axis=1) - intersection
        # Rounding puts equal boxes a little over 1, which would pass the strict threshold 1.
        overlap = np.nan_to_num(intersection / union, nan=0.0).clip(max=1)
    return np.where(present(truth), overlap, np.nan)


def center_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the centres a frame, pixels, N float64; NaN where the target is absent."""
    return _distances(predicted, truth, np.ones((len(truth), 2)))


def normalized_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the centres a frame, each axis in units of the annotated box's side.

    N float64; NaN where the target is absent.
    """
    return _distances(predicted, truth, truth[:, 2:])


def _distances(predicted: np.ndarray, truth: np.ndarray, units: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = predicted[:, :2] - truth[:, :2] + (predicted[:, 2:] - truth[:, 2:]) / 2
        distance = np.nan_to_num(np.hypot(*(difference / units).T), nan=np.inf)
    return np.where(present(truth), distance, np.nan)


def success_curve(overlaps: np.ndarray) -> np.ndarray:
    """Part of the annotated frames with an overlap strictly above each threshold, 21 float64."""
    return (_annotated(overlaps)[:, None] > SUCCESS_THRESHOLDS).mean(axis=0)


def success_auc(overlaps: np.ndarray) -> float:
    """Success AUC: mean of the success curve over its 21 thresholds 0, 0.05, ... 1."""
    return float(success_curve(overlaps).mean())


def precision(errors: np.ndarray, pixels: float = PRECISION_PX) -> float:
    """Part of the annotated frames whose centre error is at most ``pixels``."""
    return float((_annotated(errors) <= pixels).mean())


def precision_curve(errors: np.ndarray) -> np.ndarray:
    """Part of the annotated frames whose centre error is at most 0, 1, ... 50 px, 51 float64."""
    return (_annotated(errors)[:, None] <= PRECISION_THRESHOLDS).mean(axis=0)


def normalized_precision(errors: np.ndarray, at: float = NORMALIZED_PRECISION_AT) -> float:
    """Normalised precision as most tables give it: part of the errors that are at most ``at``.

    Args:
        errors: of ``normalized_errors``.
        at: threshold.
    """
    return precision(errors, at)


def normalized_precision_auc(errors: np.ndarray) -> float:
    """Normalised precision as got10k and video_analyst give it: mean of its curve.

    The thresholds are 0, 0.01, ... 0.5.

    Args:
        errors: of ``normalized_errors``.
    """
    return float((_annotated(errors)[:, None] <= NORMALIZED_THRESHOLDS).mean())


def average_overlap(overlaps: np.ndarray) -> float:
    """GOT-10k's AO: mean overlap of the annotated frames after frame 1, which was given."""
    return float(_annotated(overlaps[1:]).mean())


def success_rate(overlaps: np.ndarray, threshold: float) -> float:
    """GOT-10k's SR: part of the annotated frames after frame 1 with an overlap above this."""
    return float((_annotated(overlaps[1:]) > threshold).mean())


def astray(overlaps: np.ndarray) -> float:
    """Part of the annotated frames after frame 1 without overlap: what is followed is not it."""
    return float((_annotated(overlaps[1:]) == 0).mean())


def ends_astray(overlaps: np.ndarray) -> bool:
    """Whether most annotated frames of the last third have no overlap."""
    annotated = _annotated(overlaps[1:])
    return bool(np.median(annotated[-math.ceil(len(annotated) / 3) :]) == 0)


def scores(predicted: np.ndarray, truth: np.ndarray) -> Scores:
    """Every metric of one sequence, 0..1, by name.

    Args:
        predicted: N x 4, frame 1 included.
        truth: N x 4, with a present target in some frame after frame 1.
    """
    overlaps = ious(predicted, truth)
    errors = normalized_errors(predicted, truth)
    return {
        "auc": success_auc(overlaps),
        "precision": precision(center_errors(predicted, truth)),
        "normalized_precision": normalized_precision(errors),
        "normalized_precision_auc": normalized_precision_auc(errors),
        "ao": average_overlap(overlaps),
        "sr50": success_rate(overlaps, 0.5),
        "sr75": success_rate(overlaps, 0.75),
    }


def attribute_scores(
    predicted: np.ndarray, truth: np.ndarray, attributes: Mapping[str, np.ndarray]
) -> dict[str, Scores]:
    """Every metric on the frames that have an attribute, for each attribute that can be scored.

    Args:
        predicted: N x 4, frame 1 included.
        truth: N x 4.
        attributes: N bool each, by name.
    """
    marked = {name: np.where(on[:, None], truth, np.nan) for name, on in attributes.items()}
    return {
        name: scores(predicted, part) for name, part in marked.items() if present(part)[1:].any()
    }


def mean_scores(rows: Iterable[Scores]) -> Scores | None:
    """Mean of every metric over sequences; None of none."""
    rows = list(rows)
    if not rows:
        return None
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _annotated(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
