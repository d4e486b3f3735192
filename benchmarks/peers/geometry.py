"""What the peers have in common besides windows: which cell of a response map is chosen."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


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
