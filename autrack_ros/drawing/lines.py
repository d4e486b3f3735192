"""Boxes in every line style, points and trails; all drawn in place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from autrack_ros.drawing.style import DARK, LIGHT, Color, Pattern
from autrack_ros.tracking.boxes import Box

Point = Sequence[float] | np.ndarray

_SHIFT = 4  # fractional bits of the coordinates that OpenCV draws at
_OLDEST_OPACITY = 0.1  # of a trail


def draw_box(
    canvas: np.ndarray, box: Box, color: Color, line_px: int, pattern: Pattern = ()
) -> None:
    """Draw the edges of a box, with a dark rim that shows on any background."""
    height, width = canvas.shape[:2]
    # Edges far outside are not seen, and OpenCV's coordinates would overflow.
    far = 10 * line_px
    left, right = np.clip((box.x, box.x + box.w), -far, width + far)
    top, bottom = np.clip((box.y, box.y + box.h), -far, height + far)
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    draw_edges(canvas, corners, np.roll(corners, -1, axis=0), color, line_px, pattern)


def draw_edges(
    canvas: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    color: Color,
    line_px: int,
    pattern: Pattern = (),
) -> None:
    """Draw straight lines in a style, N x 2 (x, y) each, with a dark rim."""
    pieces = [
        piece
        for start, end in zip(starts, ends, strict=True)
        for piece in _pieces(start, end, line_px, pattern)
    ]
    dot_px = max(2, round(1.5 * line_px))  # a dot as wide as the line is hardly seen
    # Both passes whole: the rim of a piece must not cut its neighbour.
    for extra_px, shade in ((rim(line_px), DARK), (0, color)):
        for start, end in pieces:
            width_px = line_px if (start != end).any() else dot_px
            draw_line(canvas, start, end, shade, width_px + extra_px)


def rim(line_px: int) -> int:
    """How much wider the dark line below a line is, pixels."""
    return 2 * max(1, line_px // 4)


def draw_line(
    canvas: np.ndarray, start: Point, end: Point, color: Color | int, line_px: int
) -> None:
    """Draw a straight line with round ends; points are (x, y), edge coordinates."""
    ends = (_fixed(start), _fixed(end))
    cv2.line(canvas, *ends, color, line_px, cv2.LINE_AA, _SHIFT)


def draw_ring(canvas: np.ndarray, center: Point, radius: float, line_px: int) -> None:
    """Draw a light ring with a dark rim."""
    for width_px, shade in ((line_px + rim(line_px), DARK), (line_px, LIGHT)):
        length = round(radius * 2**_SHIFT)
        cv2.circle(canvas, _fixed(center), length, shade, width_px, cv2.LINE_AA, _SHIFT)


def draw_trail(
    canvas: np.ndarray,
    points: Sequence[tuple[float, float] | None],
    color: Color,
    line_px: int,
) -> None:
    """Draw a line through points, oldest first, that fades towards the oldest.

    Args:
        canvas: HxWx3 uint8 BGR.
        points: (x, y), edge coordinates; None leaves a gap.
        color: of the line.
        line_px: width at the newest point.
    """
    opacities = np.linspace(_OLDEST_OPACITY, 1, len(points))
    lines = [
        (start, end, opacity)
        for start, end, opacity in zip(points, points[1:], opacities[1:], strict=False)
        if start is not None and end is not None
    ]
    if not lines:
        return
    # Lines that overlap must not add up: opacities are drawn first, then blended once.
    ends = np.array([point for start, end, _ in lines for point in (start, end)])
    image_size = canvas.shape[1::-1]
    low = np.clip(np.floor(ends.min(axis=0)) - 2 * line_px - 2, 0, image_size).astype(int)
    high = np.clip(np.ceil(ends.max(axis=0)) + 2 * line_px + 2, 0, image_size).astype(int)
    if (low >= high).any():
        return
    part = canvas[low[1] : high[1], low[0] : high[0]]
    for width_px, shade, strength in ((line_px + rim(line_px), DARK, 0.5), (line_px, color, 1.0)):
        cover = np.zeros(part.shape[:2], np.uint8)
        for start, end, opacity in lines:
            level = round(255 * strength * opacity)
            draw_line(cover, np.subtract(start, low), np.subtract(end, low), level, width_px)
        rows, columns = cover.nonzero()
        share = cover[rows, columns, None] / 255
        part[rows, columns] = np.rint((1 - share) * part[rows, columns] + share * shade)


def _pieces(
    start: np.ndarray, end: np.ndarray, line_px: int, pattern: Pattern
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The drawn pieces of a line; the pattern is stretched so that it also ends drawn."""
    if not pattern:
        return [(start, end)]
    unit = max(line_px, 1.5)
    period = sum(map(sum, pattern)) * unit
    first_drawn = pattern[0][0] * unit
    length = float(np.linalg.norm(end - start))
    repeats = max(1, round((length - first_drawn) / period))
    stretch = length / (repeats * period + first_drawn)
    pieces = []
    position = 0.0
    for drawn, left_out in [*(pattern * repeats), (pattern[0][0], 0)]:
        span = np.array([position, position + drawn * unit * stretch]) / max(length, 1e-9)
        pieces.append((start + span[0] * (end - start), start + span[1] * (end - start)))
        position += (drawn + left_out) * unit * stretch
    return pieces


def _fixed(point: Point) -> tuple[int, int]:
    """A point in OpenCV's fixed-point coordinates; its pixel i lies at edge coordinate i + 1/2."""
    x, y = ((float(value) - 0.5) * 2**_SHIFT for value in point)
    return round(x), round(y)
