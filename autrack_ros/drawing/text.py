"""Text on dark plates that stay inside the picture; drawn in place."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

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
    """Replace what OpenCV's fonts lack, all but ASCII, by question marks."""
    return text.encode("ascii", "replace").decode()


def text_size(text: str, sizes: Sizes) -> tuple[int, int]:
    """Width and height of a line of text, pixels; the height does not depend on the letters."""
    (width, _), _ = cv2.getTextSize(text, _FONT, sizes.font_scale, sizes.stroke)
    (_, height), _ = cv2.getTextSize("X", _FONT, sizes.font_scale, sizes.stroke)
    return width, height


def shortened(text: str, width: int, sizes: Sizes) -> str:
    """Cut a text so that it is at most so many pixels wide; two dots stand for the rest."""
    if text_size(text, sizes)[0] <= width:
        return text
    while text and text_size(text + "..", sizes)[0] > width:
        text = text[:-1]
    return text + ".." if text else ""


def draw_text(
    canvas: np.ndarray, text: str, left: int, bottom: int, sizes: Sizes, color: Color = LIGHT
) -> None:
    """Draw a line of text that stands on row ``bottom``."""
    cv2.putText(
        canvas, text, (left, bottom), _FONT, sizes.font_scale, color, sizes.stroke, cv2.LINE_AA
    )


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
