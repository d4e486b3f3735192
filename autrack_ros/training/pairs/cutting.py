"""One view of an object as a square crop: its pixels, its opacity and its outline."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.crops import CropGeometry, context_side
from autrack_ros.training.sources.base import DataError, is_compact, is_trainable, require_overlap

CROP_SIZE = 400  # pixels
CROP_CONTEXTS = 2.8  # side of a crop, in context sides (tracking.crops.context_side) of its object
OUTLINE_POINTS = 32
OPAQUE = 128  # an opacity from which a pixel belongs to the object

_ANGLES = np.arange(OUTLINE_POINTS) * (2 * math.pi / OUTLINE_POINTS)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).round(12)  # exact at 90 degrees


def crop_geometry(box: Box) -> CropGeometry:
    """The window about an object: its centre, ``CROP_CONTEXTS`` context sides wide."""
    side = CROP_CONTEXTS * context_side(box.w, box.h)
    return CropGeometry.square(box.pixel_center, side, CROP_SIZE)


def cut_box(picture: np.ndarray, box: Box, out: np.ndarray, where: str) -> np.ndarray | None:
    """Cut an object's window from its picture.

    Args:
        picture: HxWx4 uint8 BGRA.
        box: the object; what is of it outside the picture does not count.
        out: SxSx4 uint8, written: beyond the picture its edge goes on, at opacity 0.
        where: names the picture in an error message.

    Returns:
        The ellipse inscribed in the box, (32, 2) in crop pixels (pixel centres); None, and nothing
        written, where the object is too small, long or large to learn from. A thing rarely reaches
        the corners of its box, so a turned ellipse bounds a turned thing better than a turned box.

    Raises:
        DataError: the box lies outside the picture.
    """
    height, width = picture.shape[:2]
    require_overlap(box, width, height, where)
    if not is_trainable(box, width, height):
        return None
    box = box.clipped(width, height)
    geometry = crop_geometry(box)
    source, to_source = _reduced(picture, geometry)
    cv2.warpAffine(
        source,
        to_source,
        (CROP_SIZE, CROP_SIZE),
        dst=out,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    inside = geometry.to_crop(Box(0, 0, width, height)).clipped(CROP_SIZE, CROP_SIZE)
    left, top = round(inside.x), round(inside.y)
    right, bottom = round(inside.x + inside.w), round(inside.y + inside.h)
    out[:top, :, 3] = out[bottom:, :, 3] = out[:, :left, 3] = out[:, right:, 3] = 0
    thing = geometry.to_crop(box)
    return np.array(thing.center) - 0.5 + _DIRECTIONS * (thing.w / 2, thing.h / 2)


def cut_cutout(
    picture: np.ndarray, out: np.ndarray, where: str
) -> tuple[np.ndarray | None, tuple[float, ...]]:
    """Cut the window of an object that is cut out already.

    Args:
        picture: HxWx4 uint8, BGR and opacity.
        out: SxSx4 uint8, written: the mean colour, at opacity 0, where nothing is.
        where: names the picture in an error message.

    Returns:
        The points of the object that reach farthest in 32 directions, (32, 2) in crop pixels (pixel
        centres), or None, and nothing written, where it is too small or long to learn from; and the
        mean colour of what is opaque.

    Raises:
        DataError: the picture has no opacity.
    """
    if picture.shape[2] != 4:
        raise DataError(f"{where}: a cut-out without transparency")
    opaque = (picture[..., 3] >= OPAQUE).view(np.uint8)
    color = cv2.mean(picture, opaque)[:3]
    points = cv2.findNonZero(opaque)
    if points is None:
        return None, color
    hull = cv2.convexHull(points)[:, 0].astype(np.float64)
    box = Box.from_corners(*hull.min(axis=0).tolist(), *hull.max(axis=0).tolist())
    if not is_compact(box):
        return None, color
    geometry = crop_geometry(box)
    _paint(picture, geometry, color, out)
    # The corners of pixels, not their centres, so that the outline bounds the box.
    farthest = hull[(hull @ _DIRECTIONS.T).argmax(axis=0)] + np.sign(_DIRECTIONS) / 2
    middle = (CROP_SIZE - 1) / 2
    return (farthest - geometry.center) * geometry.scale + middle, color


def _paint(
    picture: np.ndarray, geometry: CropGeometry, color: tuple[float, ...], out: np.ndarray
) -> None:
    height, width = picture.shape[:2]
    edges = geometry.to_crop(Box(0, 0, width, height)).clipped(CROP_SIZE, CROP_SIZE)
    left, top = int(edges.x), int(edges.y)
    right, bottom = math.ceil(edges.x + edges.w), math.ceil(edges.y + edges.h)
    # Weighted by opacity: the colour of what cannot be seen must not bleed into the edge.
    weighted = picture.astype(np.float32)
    weighted[..., :3] *= weighted[..., 3:] / 255
    source, to_source = _reduced(weighted, geometry)
    to_source[:, 2] += to_source[:, :2] @ (left, top)
    warped = cv2.warpAffine(
        source,
        to_source,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    opacity = warped[..., 3:]
    seen = opacity >= 1
    warped[..., :3] = np.where(seen, warped[..., :3] * (255 / np.maximum(opacity, 1)), color)
    out[:] = (*(round(channel) for channel in color), 0)
    out[top:bottom, left:right] = (warped + 0.5).clip(0, 255)


def background_squares(picture: np.ndarray) -> Iterator[np.ndarray]:
    """Square parts of a picture: of its whole and, if it is large, of half its shorter side.

    Args:
        picture: HxWx3 uint8.

    Yields:
        SxSx3 uint8, together all of the picture.
    """
    height, width = picture.shape[:2]
    shorter = min(height, width)
    for side in (shorter, shorter // 2):
        if side < min(shorter, CROP_SIZE):
            return
        for top in _starts(height, side):
            for left in _starts(width, side):
                square = picture[top : top + side, left : left + side]
                method = cv2.INTER_AREA if side > CROP_SIZE else cv2.INTER_LINEAR
                yield cv2.resize(square, (CROP_SIZE, CROP_SIZE), interpolation=method)


def _starts(length: int, side: int) -> list[int]:
    count = math.ceil(length / side)
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def _reduced(picture: np.ndarray, geometry: CropGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture that a window needs, reduced so far that bilinear sampling is enough.

    Returns:
        The part (the picture itself where its scale is fine), and the 2x3 affine map from crop to
        part, pixel centres.
    """
    to_picture = geometry.crop_to_image
    factor = int(1 / geometry.scale[0])
    if factor < 2:
        return picture, to_picture
    height, width = picture.shape[:2]
    window = geometry.to_image(Box(0, 0, geometry.size, geometry.size))
    inside = Box(window.x - factor, window.y - factor, window.w + 2 * factor, window.h + 2 * factor)
    inside = inside.clipped(width, height)
    left, top = int(inside.x), int(inside.y)
    part = picture[top : math.ceil(inside.y + inside.h), left : math.ceil(inside.x + inside.w)]
    size = max(round(part.shape[1] / factor), 1), max(round(part.shape[0] / factor), 1)
    reduced = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    zoom = np.array([size[0] / part.shape[1], size[1] / part.shape[0]])
    to_part = to_picture * zoom[:, None]
    to_part[:, 2] = (to_picture[:, 2] - (left, top) + 0.5) * zoom - 0.5
    return reduced, to_part
