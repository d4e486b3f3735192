"""Long-term metrics: how well a tracker says that its target is gone, and takes it back.

Precision, recall and F are VOT-LT's (Lukezic et al.: Now You See Me, 2018; VOT challenges 2018 to
2022). A frame counts as reported where there is a box (it is not LOST) and the score is at least a
threshold. Precision is the mean overlap of the reported frames, 0 where the target is absent;
recall is the mean overlap of the frames with the target, 0 where nothing is reported. Both are
averaged over sequences at every threshold; F is the largest of their harmonic means.

None of this counts frame 1, whose box was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autrack_ros.tracking.presence import TrackState

FOUND_OVERLAP = 0.5  # a box that overlaps the target by more is right, and finds it
_THRESHOLDS = 1000  # at most, of the score


@dataclass(frozen=True, slots=True)
class Reports:
    """What was reported of one target, N frames; frame 1 included.

    Attributes:
        overlaps: 0..1; NaN where the target is absent or nothing is annotated.
        scores: of the tracker; higher is surer.
        states: the values of ``TrackState``; LOST says that there is no target.
        annotated: bool; in the others it is not known whether the target is there.
    """

    overlaps: np.ndarray
    scores: np.ndarray
    states: np.ndarray
    annotated: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Frames with the target, N bool."""
        return ~np.isnan(self.overlaps)

    @property
    def absent(self) -> np.ndarray:
        """Frames known to be without the target, N bool."""
        return np.isnan(self.overlaps) & self.annotated

    @property
    def lost(self) -> np.ndarray:
        """Frames called LOST, N bool."""
        return self.states == TrackState.LOST.value

    @property
    def wrong(self) -> np.ndarray:
        """Frames with a box that does not overlap the target, absent ones included, N bool."""
        return ~self.lost & ((self.overlaps == 0) | self.absent)

    @property
    def right(self) -> np.ndarray:
        """Frames with a box that overlaps the target by more than half, N bool."""
        return ~self.lost & (np.nan_to_num(self.overlaps) > FOUND_OVERLAP)


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames and events of one or many sequences.

    Attributes:
        frames: that are annotated, as present or absent.
        absent: of them without the target.
        absent_lost: of these called LOST.
        present_lost: frames with the target called LOST.
        returns: how often the target came back after frames without it.
        frames_until_found: of those returns after which a box was on it before it left again; 0 is
            the frame in which it came back.
        wrong_frames: with a box that does not overlap the target, absent ones included.
        wrong_stretches: how often such a stretch began.
        wrong_tracking: of the wrong frames, those called TRACKING.
        right_frames: with a box that overlaps the target by more than half.
        right_tracking: of these, those called TRACKING.
    """

    frames: int = 0
    absent: int = 0
    absent_lost: int = 0
    present_lost: int = 0
    returns: int = 0
    frames_until_found: tuple[int, ...] = ()
    wrong_frames: int = 0
    wrong_stretches: int = 0
    wrong_tracking: int = 0
    right_frames: int = 0
    right_tracking: int = 0

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = asdict(self), asdict(other)
        return Counts(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def found(self) -> int:
        """Returns after which the target was found."""
        return len(self.frames_until_found)

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it; a median of None means that nothing was found."""
        waits = self.frames_until_found
        return {
            **asdict(self),
            "found": self.found,
            "median_frames_until_found": float(np.median(waits)) if waits else None,
        }


def count(reports: Reports) -> Counts:
    """The frames and events of one sequence."""
    present, absent, lost = (row[1:] for row in (reports.present, reports.absent, reports.lost))
    wrong, right = reports.wrong[1:], reports.right[1:]
    tracking = reports.states[1:] == TrackState.TRACKING.value
    waits = _waits(reports)
    return Counts(
        frames=int((present | absent).sum()),
        absent=int(absent.sum()),
        absent_lost=int((absent & lost).sum()),
        present_lost=int((present & lost).sum()),
        returns=len(waits),
        frames_until_found=tuple(wait for wait in waits if wait is not None),
        wrong_frames=int(wrong.sum()),
        wrong_stretches=int((wrong & ~np.concatenate(([False], wrong[:-1]))).sum()),
        wrong_tracking=int((wrong & tracking).sum()),
        right_frames=int(right.sum()),
        right_tracking=int((right & tracking).sum()),
    )


def _waits(reports: Reports) -> list[int | None]:
    """Frames until the target was found, for each time it came back; None where it was not."""
    found = reports.right
    waits: list[int | None] = []
    was_absent, since = False, None
    for index, (present, absent) in enumerate(zip(reports.present, reports.absent, strict=True)):
        if absent:
            was_absent, since = True, None
        elif present and was_absent:
            was_absent, since = False, index
            waits.append(None)
        if since is not None and found[index]:
            waits[-1], since = index - since, None
    return waits


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Precision, recall and F, 0..1, of one or many sequences."""

    precision: float
    recall: float
    f_score: float


def f_score(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Harmonic mean, 0 where both are 0."""
    both = precision + recall
    return np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)


def best_accuracy(
    sequences: Mapping[str, Reports],
) -> tuple[float, Accuracy, dict[str, Accuracy]]:
    """Accuracy at the threshold of the score that is best for the mean over the sequences.

    Where nothing at all is reported of a sequence, its precision is 1 and its recall 0.

    Args:
        sequences: at least one, each with the target in some frame after frame 1.

    Returns:
        the threshold, the means over the sequences, and the same of each sequence at it.
    """
    reported = [row.scores[1:][~row.lost[1:]] for row in sequences.values()]
    thresholds = _thresholds(reported)
    rows = [_curves(row, thresholds) for row in sequences.values()]
    precision, recall = np.mean(rows, axis=0)
    best = int(np.argmax(f_score(precision, recall)))
    of_sequences = {
        name: _accuracy(*curves[:, best]) for name, curves in zip(sequences, rows, strict=True)
    }
    mean = _accuracy(precision[best], recall[best])
    return float(thresholds[best]), mean, of_sequences


def _accuracy(precision: float, recall: float) -> Accuracy:
    return Accuracy(
        float(precision), float(recall), float(f_score(np.array(precision), np.array(recall)))
    )


def _thresholds(reported: Sequence[np.ndarray]) -> np.ndarray:
    """Scores that occur, ascending; evenly chosen among them where there are many."""
    scores = np.unique(np.concatenate(reported))
    if len(scores) == 0:
        return np.array([0.0])
    picks = np.linspace(0, len(scores) - 1, min(len(scores), _THRESHOLDS)).round().astype(int)
    return scores[picks]


def _curves(reports: Reports, thresholds: np.ndarray) -> np.ndarray:
    """Precision and recall at every threshold, 2 x thresholds."""
    chosen = (~reports.lost & (reports.present | reports.absent))[1:]
    scores, overlaps = reports.scores[1:][chosen], np.nan_to_num(reports.overlaps[1:][chosen])
    order = np.argsort(-scores, kind="stable")
    sums = np.concatenate(([0.0], np.cumsum(overlaps[order])))
    counts = np.searchsorted(-scores[order], -thresholds, side="right")
    precision = np.where(counts > 0, sums[counts] / np.maximum(counts, 1), 1.0)
    return np.stack((precision, sums[counts] / reports.present[1:].sum()))


def summary(sequences: Mapping[str, Reports]) -> dict[str, Any]:
    """All of it as JSON takes it: of the run, and below ``sequences`` of each.

    The accuracies of the run are means over sequences, its counts are sums.

    Args:
        sequences: see ``best_accuracy``.
    """
    threshold, mean, accuracies = best_accuracy(sequences)
    counts = {name: count(reports) for name, reports in sequences.items()}
    return {
        "threshold": threshold,
        **asdict(mean),
        **sum(counts.values(), Counts()).as_dict(),
        "sequences": {
            name: {**asdict(accuracies[name]), **counts[name].as_dict()} for name in sequences
        },
    }


# What tables call it.
COLUMNS = (
    "F",
    "precision",
    "recall",
    "absent, called LOST",
    "present, called LOST",
    "back and found",
    "median frames",
    "on a wrong thing",
    "stretches",
)


def cells(row: Mapping[str, Any] | None) -> list[str]:
    """A row of a table with ``COLUMNS``, of what ``summary`` gives; dashes where it is None."""
    if row is None:
        return ["-"] * len(COLUMNS)
    wait = row["median_frames_until_found"]
    return [
        *(f"{row[name]:.4f}" for name in ("f_score", "precision", "recall")),
        f"{row['absent_lost']} of {row['absent']}",
        f"{row['present_lost']} of {row['frames'] - row['absent']}",
        f"{row['found']} of {row['returns']}",
        "-" if wait is None else f"{wait:g}",
        f"{row['wrong_frames']} of {row['frames']}",
        str(row["wrong_stretches"]),
    ]
