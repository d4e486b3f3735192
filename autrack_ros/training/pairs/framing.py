"""Windows upon changed objects, as the tracker cuts them, and the boxes of objects in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TEMPLATE_SIZE = 128  # pixels
SEARCH_SIZE = 256


@dataclass(frozen=True, slots=True)
class Framed:
    """Windows of the tracker upon n objects.

    Attributes:
        to_picture: (n, 2, 3) from crop to picture pixels.
        corners: (n, 4) inclusive corners of the object in the crop.
    """

    to_picture: np.ndarray
    corners: np.ndarray


def linear_changes(
    degrees: np.ndarray, log_aspect: np.ndarray, mirrored: np.ndarray, shear: np.ndarray
) -> np.ndarray:
    """(n, 2, 2): mirror, then widen and flatten, then shear, then rotate."""
    angle = np.radians(degrees)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1)
    stretch = np.zeros((len(angle), 2, 2))
    stretch[:, 0, 0] = np.exp(log_aspect / 2) * np.where(mirrored, -1, 1)
    stretch[:, 1, 1] = np.exp(-log_aspect / 2)
    sheared = np.tile(np.eye(2), (len(angle), 1, 1))
    sheared[:, 0, 1] = shear
    return rotation.reshape(-1, 2, 2) @ sheared @ stretch


def changed_box(outline: np.ndarray, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corners, (n, 2) each, of the boxes of (n, 2, K) outlines after a change."""
    points = linear @ outline
    return points.min(axis=2), points.max(axis=2)


def context_sides(sizes: np.ndarray) -> np.ndarray:
    """``tracking.crops.context_side`` of (n, 2) widths and heights."""
    return np.sqrt(np.prod(sizes + sizes.mean(axis=1, keepdims=True), axis=1))


def squaring(outline: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """(n, 2, 2) stretches, of determinant 1, that make a square of the changed outlines' boxes."""
    width, height = changed_size(outline, linear).T
    across = np.sqrt(height / width)
    return np.stack([across, 0 * across, 0 * across, 1 / across], axis=1).reshape(-1, 2, 2)


def framed(
    middle: np.ndarray,
    outline: np.ndarray,
    linear: np.ndarray,
    size: int,
    ratio: np.ndarray,
    shift: np.ndarray,
) -> Framed:
    """The windows that a tracker with the right size estimate would cut, moved and scaled.

    Args:
        middle: (n, 2) of the objects in their pictures.
        outline: (n, 2, K) points of their outer edges, counted from the middle.
        linear: (n, 2, 2) changes of the pictures.
        size: side of the crop, pixels; the window is ``size / TEMPLATE_SIZE`` template windows.
        ratio: (n,) scales of the window; above 1 the object looks smaller.
        shift: (n, 2) of the window's middle, fractions of its side.
    """
    low, high = changed_box(outline, linear)
    side = context_sides(high - low) * ratio * (size / TEMPLATE_SIZE)
    step = (side / size)[:, None]
    center = (low + high) / 2 + shift * side[:, None]
    canvas_middle = (size - 1) / 2
    back = np.linalg.inv(linear)
    offset = middle + times(back, center - step * canvas_middle)
    to_picture = np.concatenate([back * step[:, :, None], offset[:, :, None]], axis=2)
    edges = [(corner - center) / step + canvas_middle for corner in (low, high)]
    return Framed(to_picture, np.concatenate([edges[0] + 0.5, edges[1] - 0.5], axis=1))


def times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, 2, 2) times (n, 2)."""
    return np.einsum("nij,nj->ni", matrices, vectors)


def box_size(corners: np.ndarray) -> np.ndarray:
    """(n, 2) widths and heights of (n, 4) inclusive corners."""
    return corners[:, 2:] - corners[:, :2] + 1


def changed_size(outline: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """(n, 2) widths and heights of (n, 2, K) outlines after a change."""
    low, high = changed_box(outline, linear)
    return high - low


def shape_window(to_shape: np.ndarray, size: int) -> np.ndarray:
    """(n, 4) x0, y0, x1, y1 of the whole canvas pixels that shapes reach (``Layer``)."""
    back = np.linalg.inv(to_shape[:, :, :2])
    middle, half = -times(back, to_shape[:, :, 2]), np.abs(back).sum(axis=2)
    low, high = np.floor(middle - half), np.ceil(middle + half) + 1
    return np.concatenate([low, high], axis=1).clip(0, size).astype(int)
