"""Smooth functions of time.

Positions are edge coordinates of an unshaken frame, times are in frames.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Curve = Callable[[float], float]
Path2D = Callable[[float], np.ndarray]


def path_of(x: Curve, y: Curve) -> Path2D:
    """Of two functions, a point: (2,) float64."""
    return lambda time: np.array([x(time), y(time)])


def straight(point: np.ndarray, velocity: np.ndarray, moment: float) -> Path2D:
    """At ``point`` at that moment, with a velocity in pixels a frame."""
    return lambda time: point + velocity * (time - moment)


def smooth_step(value: float) -> float:
    """Smooth step from 0 (value <= 0) to 1 (value >= 1)."""
    inside = min(max(value, 0.0), 1.0)
    return inside * inside * (3 - 2 * inside)
