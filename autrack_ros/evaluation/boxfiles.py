"""Box files: one ``x,y,w,h`` a line, edge coordinates, pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.frames import SourceError


def read_boxes(path: str | Path) -> np.ndarray:
    """Boxes of a file, N x 4 float64; commas, tabs and spaces separate, NaN is kept.

    Raises:
        SourceError: the file is missing or empty, or a line is not four numbers.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read as a box file ({error})") from error
    boxes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            x, y, w, h = (float(value) for value in line.replace(",", " ").split())
        except ValueError as error:
            raise SourceError(
                f"{path}, line {number}: {line.strip()!r}; accepted: four numbers x,y,w,h"
            ) from error
        boxes.append((x, y, w, h))
    if not boxes:
        raise SourceError(f"{path} holds no box")
    return np.array(boxes)


def write_boxes(path: str | Path, boxes: Iterable[Sequence[float]] | np.ndarray) -> None:
    """Write boxes with three decimals, one ``x,y,w,h`` a line."""
    lines = (",".join(f"{value:.3f}" for value in box) + "\n" for box in boxes)
    Path(path).write_text("".join(lines), encoding="utf-8")
