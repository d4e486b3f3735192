"""What becomes of targets that vanish or are crossed: our box beside the bare tracker's.

    python -m benchmarks.lost_pictures OUTPUT.jpg CASE [CASE ...]

A CASE is a folder of ``benchmarks.hard_cases``, such as ``.cache/hard_cases/erased/boat1``.
Each is a row: before the target is gone, while it is, and after; or, where it stays, before and
after the follower doubts that its box is on it. The true box is white and thin; the follower's is
blue, and thin while it is LOST, for then it is the last one; the bare tracker's is orange.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.drawing.style import LIGHT
from autrack_ros.drawing.text import draw_outlined
from autrack_ros.evaluation.datasets import read_all
from autrack_ros.evaluation.metrics import present
from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings
from autrack_ros.evaluation.runner import Answer
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking import (
    AdaptationSettings,
    Box,
    PresenceSettings,
    Tracker,
    TrackState,
    load_engine,
)
from benchmarks.tiles import OTHERS, OURS, TILE, DrawnBox, tile

QUALITY = 88


def moments(truth: np.ndarray, followed: list[Answer]) -> list[int]:
    """Six frames: one before the first gap in the truth, three in it, two after it.

    Where there is none, three before the first doubt and three from there on.
    """
    gone = np.flatnonzero(~present(truth))
    if gone.size == 0:
        sure = PresenceSettings().tracking_score
        doubts = [a.state is TrackState.UNCERTAIN and a.score >= sure for a in followed]
        first = doubts.index(True) + 1  # the first frame has no answer
        return [first + wait for wait in (-14, -6, -2, 0, 12, 40)]
    first, last = int(gone[0]), int(gone[-1])
    after = [min(last + wait, len(truth) - 1) for wait in (5, 50)]
    return [first - 5, first + 8, (first + last) // 2, last - 1, *after]


def answers(tracker: Tracker, sequence: Sequence, recover: bool) -> list[Answer]:
    """Of every frame but the first."""
    follower = PresenceTracker(tracker, presence_settings(recover))
    first, *images = sequence.frames
    follower.initialize(first, Box(*sequence.truth[0].tolist()))
    return [follower.update(image) for image in images]


def row(tracker: Tracker, sequence: Sequence) -> np.ndarray:
    """The moments of a sequence side by side."""
    ours, bare = (answers(tracker, sequence, recover) for recover in (True, False))
    chosen, seen = moments(sequence.truth, ours), present(sequence.truth)
    tiles = []
    for index, image in enumerate(sequence.frames):
        if index not in chosen:
            continue
        answer = ours[index - 1]
        is_lost = answer.state is TrackState.LOST
        boxes: list[DrawnBox] = [(LIGHT, 1, sequence.truth[index])] if seen[index] else []
        boxes.append((OTHERS, 2, np.array(bare[index - 1].box)))
        boxes.append((OURS, 1 if is_lost else 2, np.array(answer.box)))
        picture = tile(image, boxes)
        there = "" if seen[index] else ", target gone"
        draw_outlined(picture, f"frame {index + 1}{there}", (TILE[0] / 2, TILE[1] - 12), 0.4)
        draw_outlined(picture, answer.state.name, (TILE[0] / 2, 14), 0.45)
        tiles.append(picture)
    return np.hstack(tiles)


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("cases", type=Path, nargs="+")
    arguments = parser.parse_args()
    tracker = Tracker(load_engine(device="cpu"), AdaptationSettings(method="none"))
    rows = []
    for case in arguments.cases:
        (sequence,) = (one for one in read_all(case.parent) if one.name == case.name)
        rows.append(row(tracker, sequence))
    cv2.imwrite(str(arguments.output), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
