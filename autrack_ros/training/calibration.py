"""Fit the calibration of a tracker's score, and measure it on clips that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.tracking.calibration import Calibration, logit
from autrack_ros.tracking.errors import AutrackError

RIGHT_OVERLAP = 0.5
BINS = 10
_CONVERGED = 1e-9  # change of slope and offset in a Newton step


class CalibrationError(AutrackError):
    """Samples that no calibration can be fitted to; says what they lack."""


@dataclass(frozen=True, slots=True)
class ProbabilityQuality:
    """How good predicted probabilities are."""

    auroc: float  # 0..1: chance that a right frame has a higher one than a wrong frame
    expected_calibration_error: float  # 0..1, see ``expected_calibration_error``
    brier: float  # 0..1: mean squared difference to the outcome

    @classmethod
    def measure(cls, probabilities: np.ndarray, outcomes: np.ndarray) -> ProbabilityQuality:
        """Measure N predicted probabilities, 0..1, against N outcomes (bool)."""
        return cls(
            auroc(probabilities, outcomes),
            expected_calibration_error(probabilities, outcomes),
            float(np.mean((probabilities - outcomes) ** 2)),
        )


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """A calibration and what it is worth.

    Attributes:
        calibration: fitted on all clips.
        probabilities: N float64, of every frame by a fit without its clip.
        outcomes: N bool, whether the overlap was over ``RIGHT_OVERLAP``.
        before: of the scores as they are. A single calibration keeps their order, so that this
            AUROC is also that of the calibrated score.
        after: of ``probabilities``, which come from several fits.
    """

    calibration: Calibration
    probabilities: np.ndarray
    outcomes: np.ndarray
    before: ProbabilityQuality
    after: ProbabilityQuality


def fit_calibration(scores: np.ndarray, overlaps: np.ndarray) -> Calibration:
    """Logistic regression of "overlap > 0.5" on the log-odds of the score.

    Newton's method with halved steps on Platt's smoothed outcomes (Lin, Lin, Weng: A Note on
    Platt's Probabilistic Outputs, 2007), which keep the slope finite where scores separate them.

    Args:
        scores: N, 0..1.
        overlaps: N, 0..1; 0 where the target is not to be seen.

    Raises:
        CalibrationError: a value is not finite, all overlaps are on one side of 0.5, or a higher
            score goes with a lower overlap.
    """
    scores, overlaps = np.asarray(scores, float), np.asarray(overlaps, float)
    if not (np.isfinite(scores).all() and np.isfinite(overlaps).all()):
        raise CalibrationError("calibration: scores and overlaps must be finite numbers")
    outcomes = overlaps > RIGHT_OVERLAP
    right, wrong = int(outcomes.sum()), int((~outcomes).sum())
    if right == 0 or wrong == 0:
        raise CalibrationError(
            f"calibration: {right} frames with an overlap above {RIGHT_OVERLAP} and {wrong} "
            "others; it needs both"
        )
    wanted = np.where(outcomes, (right + 1) / (right + 2), 1 / (wrong + 2))
    inputs = np.stack([_logits(scores), np.ones(len(scores))], axis=1)
    weights = np.array([0.0, np.log((right + 1) / (wrong + 1))])

    def loss(values: np.ndarray) -> float:
        log_odds = inputs @ values
        return float((np.logaddexp(0, log_odds) - wanted * log_odds).sum())

    for _ in range(100):
        probabilities = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (probabilities - wanted)
        curvature = (inputs * (probabilities * (1 - probabilities))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        present = loss(weights)
        while loss(weights - step) > present and np.abs(step).max() > _CONVERGED:
            step /= 2
        weights = weights - step
        if np.abs(step).max() <= _CONVERGED:
            break
    slope, offset = (float(value) for value in weights)
    if slope <= 0:
        raise CalibrationError(
            f"calibration: the fitted slope is {slope:.3g}; the score says nothing about the "
            "overlap of these frames"
        )
    return Calibration(slope, offset)


def cross_validate(
    clips: Sequence[tuple[np.ndarray, np.ndarray]], folds: int = 5
) -> CalibrationReport:
    """Fit a calibration, and measure it on clips left out of the fit.

    Args:
        clips: scores and overlaps of the frames of each clip, as in ``fit_calibration``. Frames of
            a clip resemble each other, so that they are left out together.
        folds: clip i is in part i modulo ``folds``, which is left out of one fit.

    Raises:
        CalibrationError: as ``fit_calibration``, with or without a part; fewer clips than parts.
    """
    if not 2 <= folds <= len(clips):
        raise CalibrationError(f"calibration: {folds} folds of {len(clips)} clips")
    scores = np.concatenate([np.asarray(clip[0], float) for clip in clips])
    overlaps = np.concatenate([np.asarray(clip[1], float) for clip in clips])
    part = np.repeat(np.arange(len(clips)) % folds, [len(clip[0]) for clip in clips])
    probabilities = np.empty(len(scores))
    for fold in range(folds):
        out = part == fold
        calibration = fit_calibration(scores[~out], overlaps[~out])
        probabilities[out] = [calibration(score) for score in scores[out]]
    outcomes = overlaps > RIGHT_OVERLAP
    return CalibrationReport(
        fit_calibration(scores, overlaps),
        probabilities,
        outcomes,
        before=ProbabilityQuality.measure(scores, outcomes),
        after=ProbabilityQuality.measure(probabilities, outcomes),
    )


def auroc(scores: np.ndarray, outcomes: np.ndarray) -> float:
    """Area under the ROC curve: P(score of a right frame > of a wrong one), equal ones half.

    NaN where all outcomes are the same.
    """
    outcomes = np.asarray(outcomes, bool)
    right = int(outcomes.sum())
    wrong = len(outcomes) - right
    if right == 0 or wrong == 0:
        return float("nan")
    _, value, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2  # counted from 1
    return float((mean_rank[value][outcomes].sum() - right * (right + 1) / 2) / (right * wrong))


def reliability(
    probabilities: np.ndarray, outcomes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean prediction, observed share and count of each of ``BINS`` equal parts of 0..1.

    Means are NaN where the count is 0.
    """
    index = np.minimum((np.asarray(probabilities) * BINS).astype(int), BINS - 1)
    counts = np.bincount(index, minlength=BINS)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(index, probabilities, BINS) / counts
        observed = np.bincount(index, outcomes, BINS) / counts
    return predicted, observed, counts


def expected_calibration_error(probabilities: np.ndarray, outcomes: np.ndarray) -> float:
    """Mean difference of prediction and observed share over ``BINS`` bins, weighted by count.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    predicted, observed, counts = reliability(probabilities, outcomes)
    return float(np.nansum(np.abs(predicted - observed) * counts) / counts.sum())


SIDE, MARGIN, BARS = 360, 60, 90
GREY, BLACK, BLUE, RED = (225, 225, 225), (40, 40, 40), (200, 120, 30), (40, 60, 210)


def reliability_diagram(
    probabilities: np.ndarray, outcomes: np.ndarray, path: Path, title: str = ""
) -> None:
    """Draw observed share against predicted probability, with the number of frames below.

    Args:
        probabilities: N, 0..1.
        outcomes: N bool.
        path: the PNG to write.
        title: words above it.
    """
    predicted, observed, counts = reliability(probabilities, outcomes)
    bottom = MARGIN + SIDE
    image = np.full((bottom + BARS + MARGIN + 20, SIDE + 2 * MARGIN, 3), 255, np.uint8)

    def place(x: float, y: float) -> tuple[int, int]:
        return round(MARGIN + x * SIDE), round(bottom - y * SIDE)

    for tick in np.linspace(0, 1, 6):
        cv2.line(image, place(0, tick), place(1, tick), GREY, 1)
        cv2.line(image, place(tick, 0), place(tick, 1), GREY, 1)
        _text(image, f"{tick:.1f}", (MARGIN - 34, place(0, tick)[1] + 5))
        _text(image, f"{tick:.1f}", (place(tick, 0)[0] - 11, bottom + BARS + 32))
    cv2.line(image, place(0, 0), place(1, 1), (150, 150, 150), 1, cv2.LINE_AA)
    line = [place(x, y) for x, y, n in zip(predicted, observed, counts, strict=True) if n]
    cv2.polylines(image, [np.array(line, np.int32).reshape(-1, 1, 2)], False, RED, 2, cv2.LINE_AA)
    for point in line:
        cv2.circle(image, point, 4, RED, -1, cv2.LINE_AA)
    base = bottom + BARS + 10
    for index, count in enumerate(counts):
        left, right = place(index / BINS, 0)[0] + 3, place((index + 1) / BINS, 0)[0] - 3
        top = base - round(count / counts.max() * (BARS - 30))
        cv2.rectangle(image, (left, top), (right, base), BLUE, -1)
        _text(image, str(count), (left, top - 4), 0.38)
    _text(image, title or "observed share of overlap > 0.5", (MARGIN, 26))
    _text(image, "predicted probability, frames", (MARGIN + 60, len(image) - 16))
    cv2.imwrite(str(path), image)


def _text(image: np.ndarray, text: str, place: tuple[int, int], size: float = 0.5) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, BLACK, 1, cv2.LINE_AA)


def _logits(scores: np.ndarray) -> np.ndarray:
    return np.array([logit(score) for score in scores])


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(values / 2)
