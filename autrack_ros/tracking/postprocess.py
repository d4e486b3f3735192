"""From a prediction to the target's new centre and size (video_analyst, siamfcpp_track.py)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autrack_ros.tracking.presets import TrackerSettings


class Selection(NamedTuple):
    """The cell a frame's result is read from, in search-region pixels."""

    cell: int  # index in the flattened response map
    center: tuple[float, float]  # pixel-centre coordinates
    size: tuple[float, float]  # width, height
    penalty: float  # 0..1, for change of scale and aspect
    score: float  # 0..1, class probability times centre-ness
    windowed_score: float  # 0..1, after penalty and window


def cosine_window(rows: int, cols: int) -> np.ndarray:
    """Outer product of Hann windows, float64 (rows, cols), 0 at the border and 1 at the peak."""
    return np.outer(np.hanning(rows), np.hanning(cols))


def context_size(width: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
    """Side of the square with the area of a box with its context, pixels."""
    context = (width + height) / 2
    return np.sqrt((width + context) * (height + context))


def change(ratio: np.ndarray) -> np.ndarray:
    """Ratio or its inverse, whichever is at least 1."""
    return np.maximum(ratio, 1 / ratio)


def select(
    score: np.ndarray,
    corners: np.ndarray,
    target_size: tuple[float, float],
    window: np.ndarray,
    settings: TrackerSettings,
) -> Selection:
    """Choose the cell with the best penalised and windowed score.

    Args:
        score: (H, W) float32, 0..1.
        corners: (H, W, 4) float32 inclusive corners of the predicted boxes.
        target_size: width and height of the target so far, search-region pixels.
        window: (H, W), from ``cosine_window``.
        settings: penalty and window influence.

    Raises:
        FloatingPointError: no predicted box is finite.
    """
    score, corners, window = score.ravel(), corners.reshape(-1, 4), window.ravel()
    finite = np.isfinite(corners).all(axis=1)
    if not finite.any():
        raise FloatingPointError("the network predicts no finite box")
    corners = np.where(finite[:, None], corners, 0.0)
    width = corners[:, 2] - corners[:, 0] + 1
    height = corners[:, 3] - corners[:, 1] + 1
    target_width, target_height = target_size
    scale_change = change(context_size(width, height) / context_size(target_width, target_height))
    aspect_change = change((target_width / target_height) / (width / height))
    penalty = np.exp(-(aspect_change * scale_change - 1) * settings.penalty_k)
    influence = settings.window_influence
    windowed = penalty * score * (1 - influence) + window * influence
    best = int(np.argmax(np.where(finite, windowed, -1.0)))
    x0, y0, x1, y1 = (float(value) for value in corners[best])
    return Selection(
        cell=best,
        center=((x0 + x1) / 2, (y0 + y1) / 2),
        size=(float(width[best]), float(height[best])),
        penalty=float(penalty[best]),
        score=float(score[best]),
        windowed_score=float(windowed[best]),
    )
