"""Views of 3-D things: where the camera stands, and the cut-outs that it gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

VIEW_SIZE = 192  # pixels, longer side of the largest view of a thing
MARGIN = 2  # transparent pixels about a view
MAX_ASPECT = 6.0
MIN_PIXELS = 256
DISTANCE = 4.0  # of the camera, in radii of the thing's bounding sphere
BORDER = 4  # pixels of a canvas that the views leave free on either side


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Where the camera and the light stand about a thing; angles in degrees."""

    yaw: float  # 0 sees the front
    elevation: float
    light_yaw: float
    light_elevation: float
    ambient: float  # brightness, 0 to 1, of what the light does not reach


def direction(yaw: float, elevation: float) -> np.ndarray:
    """Unit vector to what is seen at these angles (degrees) from the thing."""
    yaw, elevation = math.radians(yaw), math.radians(elevation)
    level = math.cos(elevation)
    return np.array([level * math.sin(yaw), math.sin(elevation), level * math.cos(yaw)])


def camera(view: Viewpoint) -> np.ndarray:
    """4x4 matrix from the thing's coordinates to the camera's (x right, y up, z backwards)."""
    backwards = direction(view.yaw, view.elevation)
    right = np.cross([0, 1, 0], backwards)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = right, np.cross(backwards, right), backwards
    matrix[2, 3] = -DISTANCE
    return matrix


def projection(zoom: float) -> np.ndarray:
    """4x4 matrix from the camera's coordinates to OpenGL's; ``zoom`` is the focal length."""
    near, far = DISTANCE - 1.01, DISTANCE + 1.01
    matrix = np.zeros((4, 4))
    matrix[0, 0] = matrix[1, 1] = zoom
    matrix[2, 2:] = -(far + near) / (far - near), -2 * far * near / (far - near)
    matrix[3, 2] = -1
    return matrix


def frame(
    poses: Sequence[np.ndarray], cameras: Sequence[np.ndarray], canvas: int
) -> tuple[float, float]:
    """The zoom at which all views fill a canvas, and the scale that then makes them cut-outs.

    Args:
        poses: of each view the vertices, (N, 3), in the sphere of radius 1 about the origin.
        cameras: of each view its ``camera``.
        canvas: side in pixels.
    """
    reach = side = 0.0
    for vertices, matrix in zip(poses, cameras, strict=True):
        seen = vertices @ matrix[:3, :3].T + matrix[:3, 3]
        points = seen[:, :2] / -seen[:, 2:]
        reach = max(reach, float(np.abs(points).max()))
        side = max(side, float(np.ptp(points, axis=0).max()))
    zoom = (1 - 2 * BORDER / canvas) / reach
    return zoom, VIEW_SIZE / (side * zoom * canvas / 2)


def cut_out(layers: np.ndarray, scale: float) -> np.ndarray:
    """The cut-out of a canvas, resized; colours of its edge are the thing's own.

    Args:
        layers: HxWx4 float32, BGR (0 to 255) multiplied by the opacity, and opacity (0 to 1).
        scale: of the result.

    Returns:
        HxWx4 uint8 BGR and opacity, with ``MARGIN`` transparent pixels about what is seen; where
        nothing is seen the margins alone.
    """
    layers = cv2.resize(layers, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    layers[..., :3] /= np.maximum(layers[..., 3:], 1e-6)
    layers[..., 3] *= 255
    picture = np.clip(np.rint(layers), 0, 255).astype(np.uint8)
    picture[picture[..., 3] == 0] = 0
    x, y, width, height = cv2.boundingRect(picture[..., 3])
    cut = picture[y : y + height, x : x + width]
    return cv2.copyMakeBorder(cut, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_CONSTANT)


def is_clear(view: np.ndarray) -> bool:
    """Whether a view shows enough: ``MIN_PIXELS`` opaque ones, not longer than ``MAX_ASPECT``."""
    height, width = (side - 2 * MARGIN for side in view.shape[:2])
    compact = max(height, width) <= MAX_ASPECT * min(height, width)
    return compact and int(np.count_nonzero(view[..., 3] > 127)) >= MIN_PIXELS
