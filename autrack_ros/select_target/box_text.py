"""Boxes as people type them."""

from __future__ import annotations

import math
from typing import Any

from autrack_ros.tracking import Box, InvalidBoxError
from autrack_ros.tracking.boxes import MIN_SIDE_PX

FORM = "x,y,w,h in pixels, such as 10,20,30,40"


def read_box(value: Any) -> Box:
    """Read a box from a parameter: "x,y,w,h" or [x, y, w, h], edge coordinates in pixels.

    Raises:
        InvalidBoxError: it is not of that form, not finite, or a side is under 2 px.
    """
    parts = value.split(",") if isinstance(value, str) else value
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != 4:
        raise InvalidBoxError(f"box {value!r}: accepted is {FORM}")
    box = Box(*numbers)
    if not all(math.isfinite(number) for number in box):
        raise InvalidBoxError(f"box {value!r}: every value must be a finite number")
    if min(box.w, box.h) < MIN_SIDE_PX:
        raise InvalidBoxError(f"box {value!r}: w and h must be at least {MIN_SIDE_PX:g} px")
    return box


def read_line(line: str) -> tuple[Box, str]:
    """Read "x,y,w,h [id]"; blanks after the commas are welcome. The id is empty if left out.

    Raises:
        InvalidBoxError: the box is not of that form, or not usable.
    """
    *edges, tail = line.split(",", 3)
    height, _, target_id = tail.strip().partition(" ")
    return read_box(",".join([*edges, height])), target_id.strip()
