"""One-pass metrics of OTB (Wu, Lim, Yang: Online Object Tracking, CVPR 2013, and its toolkit).

Boxes are N x 4 arrays x, y, w, h in edge coordinates. A frame whose annotation is not finite or has
no area (target absent) counts in no metric; a prediction that is not finite overlaps nothing.
"""

from __future__ import annotations

import numpy as np

SUCCESS_THRESHOLDS = np.linspace(0, 1, 21)
PRECISION_PX = 20.0


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
        overlap = np.nan_to_num(intersection / union, nan=0.0)
    return np.where(present(truth), overlap, np.nan)


def center_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of the centres a frame, pixels, N float64; NaN where the target is absent."""
    with np.errstate(invalid="ignore"):
        difference = predicted[:, :2] - truth[:, :2] + (predicted[:, 2:] - truth[:, 2:]) / 2
        distance = np.nan_to_num(np.hypot(*difference.T), nan=np.inf)
    return np.where(present(truth), distance, np.nan)


def success_curve(overlaps: np.ndarray) -> np.ndarray:
    """Part of the annotated frames with an overlap strictly above each threshold, 21 float64."""
    overlaps = overlaps[~np.isnan(overlaps)]
    return (overlaps[:, None] > SUCCESS_THRESHOLDS).mean(axis=0)


def success_auc(overlaps: np.ndarray) -> float:
    """Success AUC: mean of the success curve over its 21 thresholds 0, 0.05, ... 1."""
    return float(success_curve(overlaps).mean())


def precision(errors: np.ndarray, pixels: float = PRECISION_PX) -> float:
    """Part of the annotated frames whose centre error is at most ``pixels``."""
    return float((errors[~np.isnan(errors)] <= pixels).mean())
