"""Where a target is, and the window that a network sees of it, as most trackers have them."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

MIN_SIDE_PX = 10.0


class Target(NamedTuple):
    """Where a target is: its centre and size in the image, edge coordinates, pixels."""

    cx: float
    cy: float
    w: float
    h: float

    @classmethod
    def of_box(cls, box: tuple[float, ...]) -> Target:
        """Of a box x, y, w, h."""
        x, y, w, h = box
        return cls(x + w / 2, y + h / 2, w, h)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, w, h."""
        return self.cx - self.w / 2, self.cy - self.h / 2, self.w, self.h

    def kept_in(self, image: np.ndarray) -> Target:
        """With its centre in the image, and neither tiny nor larger than it."""
        height, width = image.shape[:2]
        return Target(
            min(max(self.cx, 0.0), width),
            min(max(self.cy, 0.0), height),
            min(max(self.w, MIN_SIDE_PX), width),
            min(max(self.h, MIN_SIDE_PX), height),
        )


def crop(
    image: np.ndarray,
    target: Target,
    sides: tuple[float, float],
    size: int,
    padding: tuple[float, ...],
) -> np.ndarray:
    """A window around a target, ``sides`` image pixels wide and high, at size x size pixels.

    Args:
        image: HxWx3 uint8.
        target: its centre is the middle of the window.
        sides: width and height of the window, image pixels.
        size: of the crop, pixels.
        padding: what is outside the image, a grey level a channel.
    """
    step_x, step_y = sides[0] / size, sides[1] / size
    first = (
        target.cx - sides[0] / 2 + step_x / 2 - 0.5,
        target.cy - sides[1] / 2 + step_y / 2 - 0.5,
    )
    return cv2.warpAffine(
        image,
        np.array([[step_x, 0, first[0]], [0, step_y, first[1]]]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=padding,
    )
