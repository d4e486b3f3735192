"""What the peers have in common: where a crop lies, and which cell of a response map is chosen."""

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


def mean_color(image: np.ndarray) -> tuple[float, ...]:
    """Mean of each channel of an image."""
    return cv2.mean(image)[:3]


def context_side(w: np.ndarray | float, h: np.ndarray | float) -> np.ndarray:
    """Side of the square with the area of a box and half its width and height around it."""
    context = (w + h) / 2
    return np.sqrt((w + context) * (h + context))


def hann(cells: int) -> np.ndarray:
    """Cells x cells Hann window, 0 at the border."""
    return np.outer(np.hanning(cells), np.hanning(cells))


class Choice(NamedTuple):
    """The best cell of a response map: its box in crop pixels, and what it is worth."""

    x: float  # of the centre
    y: float
    w: float
    h: float
    score: float  # 0..1
    penalty: float  # 0..1, for a change of size and shape


def choose(
    score: np.ndarray,
    distances: np.ndarray,
    points: np.ndarray,
    size: tuple[float, float],
    window_weight: float,
    penalty: float,
) -> Choice:
    """The cell with the best score, changes of size and shape and the way to it counted against it.

    Args:
        score: N x N, 0..1.
        distances: 4 x N x N, from a cell's point to the left, top, right and bottom of its box.
        points: N, their coordinates in crop pixels.
        size: of the target so far, crop pixels.
        window_weight: share of the Hann window.
        penalty: how fast a change costs.
    """
    left, top, right, bottom = distances
    x, y = points[None, :], points[:, None]
    w, h = left + right, top + bottom
    scale = _change(context_side(w, h) / context_side(*size))
    aspect = _change((size[0] / size[1]) / (w / h))
    kept = np.exp(-(scale * aspect - 1) * penalty)
    windowed = kept * score * (1 - window_weight) + hann(len(score)) * window_weight
    best = np.unravel_index(int(np.argmax(windowed)), windowed.shape)
    return Choice(
        float((x + (right - left) / 2)[best]),
        float((y + (bottom - top) / 2)[best]),
        float(w[best]),
        float(h[best]),
        float(score[best]),
        float(kept[best]),
    )


def _change(ratio: np.ndarray) -> np.ndarray:
    """Ratio or its inverse, whichever is at least 1."""
    return np.maximum(ratio, 1 / ratio)
