"""Text on dark plates that stay inside the picture; drawn in place.

ASCII is drawn with OpenCV's strokes, which need no font and scale down well.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.drawing.letters import cover_of, drawable
from autrack_ros.drawing.style import DARK, LIGHT, Color, Sizes

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PLATE_OPACITY = 0.75


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of whole pixels."""

    left: int
    top: int
    width: int
    height: int

    def shared(self, other: Area) -> int:
        """How many pixels lie in both."""
        right = min(self.left + self.width, other.left + other.width)
        bottom = min(self.top + self.height, other.top + other.height)
        columns, rows = right - max(self.left, other.left), bottom - max(self.top, other.top)
        return max(0, columns) * max(0, rows)

    def inside(self, image: np.ndarray) -> Area:
        """The same area, moved into the picture and cut where it is larger."""
        height, width = image.shape[:2]
        left = min(max(self.left, 0), max(width - self.width, 0))
        top = min(max(self.top, 0), max(height - self.height, 0))
        return Area(left, top, min(self.width, width - left), min(self.height, height - top))


def printable(text: str) -> str:
    """Replace what cannot be drawn by question marks."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if text.isascii() else drawable(text)


def text_size(text: str, sizes: Sizes) -> tuple[int, int]:
    """Width and height of a line of text, pixels; the height does not depend on the letters."""
    (width, height), _ = cv2.getTextSize("X", _FONT, sizes.font_scale, sizes.stroke)
    if text.isascii():
        (width, _), _ = cv2.getTextSize(text, _FONT, sizes.font_scale, sizes.stroke)
    else:
        width = cover_of(text, height).shape[1]
    return width, height


def shortened(text: str, width: int, sizes: Sizes) -> str:
    """Cut a text so that it is at most so many pixels wide; two dots stand for the rest."""
    if text_size(text, sizes)[0] <= width:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if text_size(text[:middle] + "..", sizes)[0] > width:
            too_long = middle
        else:
            fits = middle
    return text[:fits] + ".." if fits else ""


def draw_text(
    canvas: np.ndarray, text: str, left: int, bottom: int, sizes: Sizes, color: Color = LIGHT
) -> None:
    """Draw a line of printable text that stands on row ``bottom``."""
    if text.isascii():
        cv2.putText(
            canvas, text, (left, bottom), _FONT, sizes.font_scale, color, sizes.stroke, cv2.LINE_AA
        )
        return
    cover = cover_of(text, text_size("X", sizes)[1])
    top = bottom - 2 * len(cover) // 3
    part = canvas[max(top, 0) : top + cover.shape[0], max(left, 0) : left + cover.shape[1]]
    start = max(-top, 0), max(-left, 0)
    share = cover[start[0] :, start[1] :][: part.shape[0], : part.shape[1], None] / 255
    part[:] = np.rint((1 - share) * part + share * color)


def draw_outlined(canvas: np.ndarray, text: str, center: tuple[float, float], scale: float) -> None:
    """Draw light text with a dark rim, its middle at ``center``, at OpenCV's font scale."""
    stroke = max(1, round(2 * scale))
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, stroke)
    origin = (round(center[0] - width / 2), round(center[1] + height / 2))
    for width_px, shade in ((stroke + 2, DARK), (stroke, LIGHT)):
        cv2.putText(canvas, text, origin, _FONT, scale, shade, width_px, cv2.LINE_AA)


def draw_backing(canvas: np.ndarray, area: Area) -> None:
    """Darken an area of the picture."""
    part = canvas[area.top : area.top + area.height, area.left : area.left + area.width]
    # DARK is a grey, so one number stands for it.
    part[:] = cv2.convertScaleAbs(part, alpha=1 - _PLATE_OPACITY, beta=_PLATE_OPACITY * DARK[0])
