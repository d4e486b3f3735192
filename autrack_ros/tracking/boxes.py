"""Boxes: the one place where the coordinate convention of this package is defined.

Pixel (column i, row j), counted from 0, covers the area [i, i+1) x [j, j+1). A ``Box`` has its
edges in these *edge coordinates*: it covers [x, x+w) x [y, y+h), so a box around the whole image is
``Box(0, 0, width, height)`` and its centre is ``x + w/2``. Every public interface (command line,
messages, files) uses edge coordinates.

SiamFC++ computes in *pixel-centre coordinates*, where pixel i lies at i, i.e. edge coordinate minus
one half. Its "inclusive" corner boxes (x0, y0, x1, y1) with ``w = x1 - x0 + 1`` are the centres of
the corner pixels. ``corners`` and ``from_corners`` convert exactly; nothing else in the package
adds or subtracts a one or a half.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from autrack_ros.tracking.errors import InvalidBoxError

MIN_SIDE_PX = 2.0
MAX_SIDE_RATIO = 4.0  # a target much larger than the image has nothing left to be matched by


class Box(NamedTuple):
    """Axis-aligned box in edge coordinates, pixels: top-left corner (x, y), width w, height h."""

    x: float
    y: float
    w: float
    h: float

    @property
    def center(self) -> tuple[float, float]:
        """Centre in edge coordinates, pixels."""
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.w * self.h

    @property
    def pixel_center(self) -> tuple[float, float]:
        """Centre in pixel-centre coordinates (where pixel 0 lies at 0.0), as SiamFC++ uses."""
        return self.x + (self.w - 1) / 2, self.y + (self.h - 1) / 2

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Inclusive corners (x0, y0, x1, y1) in pixel-centre coordinates, as SiamFC++ uses."""
        return self.x, self.y, self.x + self.w - 1, self.y + self.h - 1

    @classmethod
    def from_pixel_center(cls, cx: float, cy: float, w: float, h: float) -> Box:
        """Box from its centre in pixel-centre coordinates and its size."""
        return cls(cx - (w - 1) / 2, cy - (h - 1) / 2, w, h)

    @classmethod
    def from_corners(cls, x0: float, y0: float, x1: float, y1: float) -> Box:
        """Box from inclusive corners in pixel-centre coordinates."""
        return cls(x0, y0, x1 - x0 + 1, y1 - y0 + 1)

    def scaled(self, factor: float) -> Box:
        """The box in the image resized by ``factor``."""
        return Box(*(factor * value for value in self))

    def clipped(self, width: float, height: float) -> Box:
        """The part of the box inside a ``width`` x ``height`` image (sides may become 0)."""
        x0, y0 = min(max(self.x, 0.0), width), min(max(self.y, 0.0), height)
        x1 = min(max(self.x + self.w, 0.0), width)
        y1 = min(max(self.y + self.h, 0.0), height)
        return Box(x0, y0, x1 - x0, y1 - y0)


def validate_box(box: Box, image_width: int, image_height: int) -> None:
    """Check that a target box can be tracked in an image of the given size.

    Raises:
        InvalidBoxError: a value is not finite; a side is under ``MIN_SIDE_PX`` pixels or over
            ``MAX_SIDE_RATIO`` times the image's; or the part of the box inside the image is under
            ``MIN_SIDE_PX`` pixels wide or high.
    """
    shown = f"box x={box.x:g} y={box.y:g} w={box.w:g} h={box.h:g}"
    if not all(math.isfinite(value) for value in box):
        raise InvalidBoxError(f"{shown}: every value must be a finite number")
    if box.w < MIN_SIDE_PX or box.h < MIN_SIDE_PX:
        raise InvalidBoxError(f"{shown}: width and height must be at least {MIN_SIDE_PX:g} px")
    if box.w > MAX_SIDE_RATIO * image_width or box.h > MAX_SIDE_RATIO * image_height:
        raise InvalidBoxError(
            f"{shown}: width and height must be at most {MAX_SIDE_RATIO:g} times those of the "
            f"{image_width}x{image_height} image"
        )
    inside = box.clipped(image_width, image_height)
    if inside.w < MIN_SIDE_PX or inside.h < MIN_SIDE_PX:
        raise InvalidBoxError(
            f"{shown}: at least {MIN_SIDE_PX:g} x {MIN_SIDE_PX:g} px of it must lie inside the "
            f"{image_width}x{image_height} image"
        )


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0..1, areas in edge coordinates; 0 if both boxes are empty."""
    width = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    height = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    intersection = max(width, 0.0) * max(height, 0.0)
    union = a.area + b.area - intersection
    return intersection / union if union > 0 else 0.0
