"""Box files: one ``x,y,w,h`` a line, edge coordinates, pixels; and files of marks a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.frames import SourceError


def read_boxes(path: str | Path) -> np.ndarray:
    """Boxes of a file, N x 4 float64; commas, tabs and spaces separate.

    A box of four NaN (target absent) is kept.

    Raises:
        SourceError: the file is missing or empty, or a line is not four numbers, all finite or all
            NaN.
    """
    return _read_lines(path, lambda count: count == 4, "four numbers x,y,w,h")


def read_regions(path: str | Path) -> np.ndarray:
    """Rectangles and polygons of a file (VOT), as the axis-aligned boxes around them, N x 4.

    Raises:
        SourceError: the file is missing or empty, or a line is neither four numbers nor the corners
            of a polygon.
    """
    return _read_lines(
        path,
        lambda count: count == 4 or (count >= 6 and count % 2 == 0),
        "a rectangle x,y,w,h or a polygon x1,y1,x2,y2,x3,y3,...",
    )


def read_marks(path: str | Path, frames: int) -> np.ndarray:
    """One whole number a frame, N int; commas and white space separate.

    Raises:
        SourceError: the file is missing, or does not hold ``frames`` numbers.
    """
    words = _text(path).replace(",", " ").split()
    try:
        marks = np.array([float(word) for word in words]).astype(int)
    except ValueError as error:
        raise SourceError(f"{path}: {error}; accepted: whole numbers, one a frame") from error
    if len(marks) != frames:
        raise SourceError(f"{path}: {len(marks)} marks; {frames} are expected")
    return marks


def box_lines(boxes: Iterable[Sequence[float]] | np.ndarray, form: str = ".3f") -> str:
    """Boxes as text, one ``x,y,w,h`` a line; an empty ``form`` loses no digit."""
    return "".join(",".join(f"{float(value):{form}}" for value in box) + "\n" for box in boxes)


def write_boxes(path: str | Path, boxes: Iterable[Sequence[float]] | np.ndarray) -> None:
    """Write boxes with three decimals, one ``x,y,w,h`` a line."""
    Path(path).write_text(box_lines(boxes), encoding="utf-8")


def _read_lines(path: str | Path, accepts: Callable[[int], bool], accepted: str) -> np.ndarray:
    boxes = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        told = f"{path}, line {number}: {line.strip()[:80]!r}"
        try:
            values = np.array([float(value) for value in line.replace(",", " ").split()])
        except ValueError as error:
            raise SourceError(f"{told}; accepted: {accepted}") from error
        if not accepts(len(values)):
            raise SourceError(f"{told}; accepted: {accepted}")
        if not (np.isfinite(values).all() or np.isnan(values).all()):
            raise SourceError(f"{told}; accepted: finite numbers, or NaN alone (target absent)")
        boxes.append(values if len(values) == 4 else _bounds(values))
    if not boxes:
        raise SourceError(f"{path} holds no box")
    return np.array(boxes)


def _bounds(polygon: np.ndarray) -> np.ndarray:
    corners = polygon.reshape(-1, 2)
    low = corners.min(axis=0)
    return np.concatenate((low, corners.max(axis=0) - low))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as an annotation ({error})") from error
