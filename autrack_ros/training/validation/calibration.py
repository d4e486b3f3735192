"""Fit the calibration of a tracker's score, and measure it on clips that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrack_ros.drawing.figures import BLUE, VERMILION, dress, new_figure
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
    drawn = counts > 0
    figure = new_figure(560, 620)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (4, 1)})
    upper.plot((0, 1), (0, 1), color="0.5", linestyle="--", label="perfect calibration")
    upper.plot(predicted[drawn], observed[drawn], color=VERMILION, marker="o", label="observed")
    upper.set_ylabel(f"observed share of overlap > {RIGHT_OVERLAP}")
    upper.set_ylim(-0.02, 1.02)
    upper.legend(loc="upper left")
    upper.set_title(title)
    bars = lower.bar((np.arange(BINS) + 0.5) / BINS, counts, 0.9 / BINS, color=BLUE)
    lower.bar_label(bars, fontsize="small")
    lower.margins(y=0.2)
    lower.set_ylabel("frames")
    lower.set_xlabel("predicted probability")
    lower.set_xlim(-0.02, 1.02)
    lower.set_xticks(np.linspace(0, 1, 6))
    for axes in (upper, lower):
        dress(axes)
    figure.align_ylabels()
    figure.savefig(path)


def _logits(scores: np.ndarray) -> np.ndarray:
    return np.array([logit(score) for score in scores])


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(values / 2)
