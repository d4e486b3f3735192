"""What the sets of annotated videos have in common: text files and evenly spaced frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.training.sources.base import DataError, View

VIEWS_PER_OBJECT = 8
MAX_CLIPS = 2500  # with the views above, 20,000 crops: 8 GB in memory

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of the items, from the first to the last."""
    if len(items) <= count:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]


def read_boxes(path: Path) -> np.ndarray:
    """Boxes of a clip: four numbers a line, separated by commas or white space.

    Returns:
        (frames, 4) float64 as written: left, top, width, height.

    Raises:
        DataError: the file does not exist, is empty, or a line (named) is not four numbers.
    """
    rows = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            x, y, w, h = map(float, re.split(r"[,\s]+", line.strip()))
        except ValueError as error:
            raise DataError(
                f"{path}:{number}: {line[:80]!r} is not a box (left, top, width, height)"
            ) from error
        rows.append((x, y, w, h))
    if not rows:
        raise DataError(f"{path}: no box; a line for every frame is expected")
    return np.array(rows)


def read_flags(path: Path, frames: int) -> np.ndarray:
    """A mark, 0 or 1, for every frame of a clip, separated by commas or white space.

    Returns:
        (frames,) bool.

    Raises:
        DataError: the file does not exist or does not have ``frames`` such marks.
    """
    marks = re.split(r"[,\s]+", _text(path).strip())
    if len(marks) != frames or not set(marks) <= {"0", "1"}:
        raise DataError(f"{path}: {len(marks)} marks; {frames} are expected, each 0 or 1")
    return np.array(marks) == "1"


def clip_views(
    boxes: np.ndarray, visible: np.ndarray, picture: Callable[[int], Path], count: int
) -> list[View]:
    """At most ``count`` evenly spaced frames in which an object can be seen.

    Args:
        boxes: (frames, 4) in edge coordinates; one that is not finite or has no area says that the
            object is not there.
        visible: (frames,) bool.
        picture: file of a frame, counted from 0.
        count: at most so many.
    """
    there = visible & np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    frames = evenly_spaced(np.flatnonzero(there).tolist(), count)
    return [View(picture(frame), Box(*boxes[frame].tolist())) for frame in frames]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as an annotation ({error})") from error
