"""What a tracker said of every image of a bag, whichever way it was run, and its score."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation import long_term, metrics
from autrack_ros.evaluation.attributes import box_attributes
from autrack_ros.evaluation.bags.boxes import UNKNOWN
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.presence import TrackState

IDLE = "idle"
_BOX_COLUMNS = ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True)
class Track:
    """The answer to one image.

    Attributes:
        stamp_ns: of the image.
        state: idle (not started), or a state of ``TrackState``.
        box: edge coordinates, pixels; None without a target and while it is lost.
        score: 0..1.
    """

    stamp_ns: int
    state: str
    box: Box | None = None
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """All answers of one run over a bag.

    Attributes:
        name: how it was run, such as offline.
        tracks: an image each, in order.
        numbers: of ``score``.
    """

    name: str
    tracks: Sequence[Track]
    numbers: dict[str, Any]


def boxes_of(tracks: Sequence[Track]) -> np.ndarray:
    """Their boxes, N x 4; NaN where there is none."""
    return np.array([track.box or UNKNOWN for track in tracks]).reshape(-1, 4)


def last_boxes_of(tracks: Sequence[Track]) -> np.ndarray:
    """Their boxes, N x 4, where a target is LOST the last one; NaN before the start."""
    boxes, last = [], UNKNOWN
    for track in tracks:
        last = track.box or (last if track.state == TrackState.LOST.value else UNKNOWN)
        boxes.append(last)
    return np.array(boxes).reshape(-1, 4)


def overlaps_of(tracks: Sequence[Track], truth: np.ndarray) -> np.ndarray:
    """Overlap of the last known box an image, N; NaN without truth and before the start.

    Args:
        tracks: an image each.
        truth: M x 4; more than N where the run ended early.
    """
    truth = truth[: len(tracks)]
    started = np.array([track.state != IDLE for track in tracks])
    return np.where(started, metrics.ious(last_boxes_of(tracks), truth), np.nan)


def write_tracks(path: Path, tracks: Sequence[Track], truth: np.ndarray | None) -> None:
    """Write them as CSV, an image a line; empty where there is no box or nothing to compare.

    Where a target is LOST, the overlap is that of its last box.
    """
    overlaps = np.full(len(tracks), np.nan) if truth is None else overlaps_of(tracks, truth)
    lines = [",".join(("image", "stamp_ns", "state", *_BOX_COLUMNS, "score", "overlap")) + "\n"]
    for index, (track, overlap) in enumerate(zip(tracks, overlaps, strict=True)):
        box = ["", "", "", ""] if track.box is None else [f"{value:.3f}" for value in track.box]
        compared = "" if np.isnan(overlap) else f"{overlap:.6f}"
        words = [str(index + 1), str(track.stamp_ns), track.state, *box]
        lines.append(",".join([*words, f"{track.score:.6f}", compared]) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def read_tracks(path: Path) -> list[Track]:
    """What ``write_tracks`` wrote, with its decimals.

    Raises:
        SourceError: it is not there.
    """
    if not path.is_file():
        raise SourceError(f"{path}: missing; choose another folder for the results")
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Track(
                int(row["stamp_ns"]),
                row["state"],
                Box(*(float(row[name]) for name in _BOX_COLUMNS)) if row["x"] else None,
                float(row["score"]),
            )
            for row in csv.DictReader(file)
        ]


def score(
    tracks: Sequence[Track], truth: np.ndarray | None, size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """The numbers of a run, from the image it was started in.

    ``scores`` are those of ``metrics.scores``, with its last box where a target is lost;
    ``long_term`` those of ``long_term.summary``, where a lost target is no report; ``attributes``
    those of ``metrics.attribute_scores``. They are None where nothing after the first image can be
    compared. ``lost_but_present`` counts images in which
    the target is there, ``boxed_but_absent`` those in which it is annotated as absent.

    Args:
        tracks: an image each.
        truth: N x 4 or more (see ``boxes``); None where it is not known.
        size: width and height of the images, for the attributes; None: without them.
    """
    start = next((i for i, track in enumerate(tracks) if track.state != IDLE), len(tracks))
    truth = None if truth is None else truth[: len(tracks)]
    started = tracks[start:]
    numbers: dict[str, Any] = {
        "images": len(tracks),
        "first_image": start + 1 if started else None,
        "states": dict(sorted(Counter(track.state for track in tracks).items())),
        "mean_score": float(np.mean([track.score for track in started])) if started else None,
    }
    if truth is None:
        return numbers
    truth = truth[start:]
    there, boxed = metrics.present(truth), np.isfinite(boxes_of(started)).all(axis=1)
    annotated = np.isfinite(truth).all(axis=1)
    absent = annotated & ~there
    scores = of_long_term = by_attribute = None
    if there[1:].any():
        scores = metrics.scores(last_boxes_of(started), truth)
        reports = long_term.Reports(
            overlaps_of(started, truth),
            np.array([track.score for track in started]),
            np.array([track.state for track in started]),
            annotated,
        )
        of_long_term = long_term.summary({"bag": reports})
        del of_long_term["sequences"]  # the same once more
        attributes = {} if size is None else box_attributes(truth, size, annotated)
        by_attribute = metrics.attribute_scores(last_boxes_of(started), truth, attributes)
    return {
        **numbers,
        "compared_images": int(there.sum()),
        "scores": scores,
        "long_term": of_long_term,
        "attributes": by_attribute,
        "lost_but_present": int((there & ~boxed).sum()),
        "boxed_but_absent": int((absent & boxed).sum()),
    }
