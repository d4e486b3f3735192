"""Sub-window crops around a target (SiamFC++; video_analyst, pipeline/utils/crop.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import InvalidImageError


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """A window of the image, resampled to ``size`` x ``size`` pixels.

    By default the window's edges fall on the crop's edges, so that a length of one image pixel is
    exactly ``scale`` crop pixels and boxes map without bias, however small the target.

    ``corner_aligned`` reproduces video_analyst at test time, on which the published settings were
    tuned: the side is rounded to whole pixels and the centres of the corner pixels are aligned,
    while boxes are still mapped by the unrounded ``scale``.
    """

    center: tuple[float, float]  # image, pixel-centre coordinates
    sides: tuple[float, float]  # width and height, image pixels
    size: int  # crop pixels
    corner_aligned: bool = False

    @classmethod
    def square(
        cls, center: tuple[float, float], side: float, size: int, corner_aligned: bool = False
    ) -> CropGeometry:
        """A window as wide as it is high."""
        return cls(center, (side, side), size, corner_aligned)

    @property
    def scale(self) -> tuple[float, float]:
        """Crop pixels per image pixel, across and down."""
        return self.size / self.sides[0], self.size / self.sides[1]

    @property
    def crop_to_image(self) -> np.ndarray:
        """Affine map from crop to image, float64 2x3, in pixel-centre coordinates."""
        center: np.ndarray = np.array(self.center)
        sides: np.ndarray = np.array(self.sides)
        step: np.ndarray
        first: np.ndarray
        if self.corner_aligned:
            # float32, as the official code: near a half level a crop's byte depends on it.
            center = center.astype(np.float32)
            half = ((np.round(sides) - 1) / 2).astype(np.float32)
            first = center - half
            step = ((center + half) - first) / np.float32(self.size - 1)
        else:
            step = sides / self.size
            first = center - (self.size - 1) / 2 * step
        return np.array([[step[0], 0, first[0]], [0, step[1], first[1]]], float)

    def to_crop(self, box: Box) -> Box:
        """A box of the image as a box of the crop (both in edge coordinates)."""
        (cx, cy), (across, down) = box.pixel_center, self.scale
        middle = (self.size - 1) / 2
        return Box.from_pixel_center(
            (cx - self.center[0]) * across + middle,
            (cy - self.center[1]) * down + middle,
            box.w * across,
            box.h * down,
        )

    def to_image(self, box: Box) -> Box:
        """A box of the crop as a box of the image (both in edge coordinates)."""
        (cx, cy), (across, down) = box.pixel_center, self.scale
        middle = (self.size - 1) / 2
        return Box.from_pixel_center(
            (cx - middle) / across + self.center[0],
            (cy - middle) / down + self.center[1],
            box.w / across,
            box.h / down,
        )


def context_side(width: float, height: float, context_amount: float = 0.5) -> float:
    """Side of the square template window of a target, pixels: sqrt((w + c(w+h)) (h + c(w+h)))."""
    context = context_amount * (width + height)
    return math.sqrt((width + context) * (height + context))


def crop(image: np.ndarray, geometry: CropGeometry, padding: tuple[float, ...]) -> np.ndarray:
    """Resample a window of an image, bilinear; what lies outside the image is ``padding``.

    Args:
        image: HxWx3 uint8.
        geometry: the window and the output size.
        padding: one grey level per channel, 0..255.

    Returns:
        size x size x 3 uint8.
    """
    return resample(image, geometry.crop_to_image, geometry.size, padding)


def resample(
    image: np.ndarray, crop_to_image: np.ndarray, size: int, padding: tuple[float, ...]
) -> np.ndarray:
    """As ``crop``, by any 2x3 affine map from crop to image (pixel-centre coordinates)."""
    return cv2.warpAffine(
        image,
        crop_to_image,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=padding,
    )


def mean_color(image: np.ndarray) -> tuple[float, ...]:
    """Padding colour of a sequence: channel means of its first frame, truncated to whole levels."""
    return tuple(float(int(channel)) for channel in cv2.mean(image)[: image.shape[2]])


def edge_map(pixel_center_map: np.ndarray) -> np.ndarray:
    """An affine map between pixel-centre coordinates as one between edge coordinates."""
    edges = pixel_center_map.copy()
    edges[:, 2] += 0.5 - edges[:, :2].sum(axis=1) * 0.5
    return edges


def validate_image(image: np.ndarray) -> None:
    """Refuse what is no image.

    Raises:
        InvalidImageError: it is not HxWx3 uint8 with pixels.
    """
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or image.size == 0
    ):
        shown = (
            f"{image.dtype} {image.shape}"
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise InvalidImageError(f"image is {shown}; accepted is HxWx3 uint8 BGR, not empty")
