"""Cut-outs at about the size they are shown at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.training.sources.base import DataError
from autrack_ros.training.sources.pictures import read_picture


def read_image(path: Path, channels: int) -> np.ndarray:
    """A picture with 3 (BGR) or 4 channels (and opacity), something of it opaque."""
    image = read_picture(path)
    if image is None:
        raise DataError(f"validation clips: {path} is no readable picture")
    if channels == 3:
        return np.ascontiguousarray(image[..., :3])
    if image.shape[2] != 4 or not (image[..., 3] > 127).any():
        raise DataError(f"validation clips: {path} is no cut-out: it needs transparency")
    return image


@dataclass(frozen=True, slots=True)
class Sprite:
    """One view of an object at about the size it is shown at.

    Attributes:
        pixels: HxWx4 float32, BGR (0..255) times opacity, and opacity (0..1).
        outline: Nx2 float64, hull of the areas of the opaque pixels.
        anchor: the point that follows the path.
    """

    pixels: np.ndarray
    outline: np.ndarray
    anchor: np.ndarray

    @classmethod
    def from_cutout(
        cls, image: np.ndarray, scale: float, gains: np.ndarray, anchor: np.ndarray | None = None
    ) -> Sprite:
        """An HxWx4 cut-out, its colours multiplied by three gains, reduced where scale < 1.

        The anchor, by default the middle, is given in the cut-out's edge coordinates.
        """
        border = ((2, 2), (2, 2), (0, 0))
        opacity = np.pad(image[..., 3:].astype(np.float32) / 255, border)
        colors = np.pad((image[..., :3] * gains).clip(0, 255).astype(np.float32), border)
        pixels = np.concatenate([colors * opacity, opacity], axis=2)
        outline = outline_of(image[..., 3] > 127)
        if anchor is None:
            anchor = np.array(image.shape[1::-1]) / 2
        full = np.array(pixels.shape[1::-1])
        size = np.ceil(full * min(scale, 1.0)).astype(int)
        pixels = cv2.resize(pixels, tuple(map(int, size)), interpolation=cv2.INTER_AREA)
        return cls(pixels, (outline + 2) * (size / full), (anchor + 2) * (size / full))


def outline_of(opaque: np.ndarray) -> np.ndarray:
    """Hull of the areas of the opaque pixels, Nx2 float64."""
    rows = np.flatnonzero(opaque.any(axis=1))
    first = opaque[rows].argmax(axis=1)
    last = opaque.shape[1] - opaque[rows, ::-1].argmax(axis=1)  # behind the last opaque pixel
    ends = np.concatenate([first, first, last, last])
    corners = np.stack([ends, np.concatenate([rows, rows + 1] * 2)], axis=1)
    return cv2.convexHull(corners.astype(np.int32))[:, 0].astype(float)


def side_of(outline: np.ndarray) -> float:
    """Side of the square with the area of an outline's box, pixels."""
    return math.sqrt(np.ptp(outline, axis=0).prod())


def inscribed_circle(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and radius of the largest circle within which a cut-out is opaque."""
    solid = np.pad((image[..., 3] > 240).astype(np.uint8), 1)
    distance = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return np.array([column - 0.5, row - 0.5]), float(distance.max())
