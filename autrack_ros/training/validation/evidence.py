"""Fit what a target's likeness to its first image says beside the score (tracking/likeness.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autrack_ros.evaluation.metrics import ious
from autrack_ros.tracking.adaptation import AdaptationSettings
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.engine import TrackingEngine
from autrack_ros.tracking.likeness import Evidence, Resemblance
from autrack_ros.tracking.tracker import Tracker
from autrack_ros.training.validation.calibration import RIGHT_OVERLAP, CalibrationError
from autrack_ros.training.validation.clips import HIDDEN, Clip

SLOPES = np.arange(4.0, 30.5, 0.5)
OFFSETS = np.arange(0.0, 8.25, 0.25)


class Looks(NamedTuple):
    """N frames: calibrated scores, likenesses in parts of the usual one, overlaps (0 if hidden)."""

    scores: np.ndarray
    likenesses: np.ndarray
    overlaps: np.ndarray


def look_at(engine: TrackingEngine, clips: Sequence[Clip]) -> Looks:
    """Follow the target of every clip, without an update, and compare it in each frame."""
    tracker = Tracker(engine, AdaptationSettings(method="none"))
    rows = []
    for clip in clips:
        first, *images = clip.frames
        tracker.initialize(first, Box(*clip.truth[0].tolist()))
        known = Resemblance()
        results = []
        for image in images:
            result = tracker.update(image)
            likeness = engine.likeness(image, tracker.target)
            known.learn(likeness, result.score)
            results.append((result.score, known.relative(likeness), result.box))
        overlaps = ious(np.array([box for _, _, box in results]), clip.truth[1:])
        seen = clip.visible[1:] >= HIDDEN
        rows += [
            (score, likeness, overlap)
            for (score, likeness, _), overlap in zip(
                results, np.where(seen, overlaps, 0.0), strict=True
            )
        ]
    return Looks(*np.array(rows).T)


def fit_evidence(looks: Looks) -> Evidence:
    """The slope and offset with the lowest log-loss, right and wrong frames counting alike.

    Frames with an overlap above 0 and up to 0.5 are neither.

    Raises:
        CalibrationError: there are no right frames, or no wrong ones.
    """
    right = looks.overlaps > RIGHT_OVERLAP
    wrong = looks.overlaps == 0
    if not (right.any() and wrong.any()):
        raise CalibrationError(
            f"likeness: {right.sum()} frames with an overlap above {RIGHT_OVERLAP} and "
            f"{wrong.sum()} without any; it needs both"
        )
    scores = np.clip(looks.scores, 1e-6, 1.0)

    def loss(slope: float, offset: float) -> float:
        against = np.exp(-slope * (looks.likenesses - 1) - offset)
        chance = np.clip(scores / (1 + scores * against), 1e-6, 1 - 1e-6)
        return float(-np.log(chance[right]).mean() - np.log(1 - chance[wrong]).mean())

    slope, offset = min(((s, o) for s in SLOPES for o in OFFSETS), key=lambda both: loss(*both))
    return Evidence(float(slope), float(offset))
