"""Colours, line styles and sizes.

A state is told by its colour, by its line style and by its word. Colours are from the Okabe-Ito
palette (Okabe and Ito, "Color universal design", 2008), told apart with every common colour
blindness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[int, int, int]  # blue, green, red

DARK: Color = (24, 24, 24)
LIGHT: Color = (245, 245, 245)

Pattern = tuple[tuple[float, float], ...]  # (drawn, left out) in line widths, repeated


@dataclass(frozen=True, slots=True)
class BoxStyle:
    """How boxes of a kind look; an empty pattern is a solid line, a drawn length 0 is a dot."""

    color: Color
    pattern: Pattern = ()


STYLES = {
    "tracking": BoxStyle((233, 180, 86)),  # sky blue, solid
    "uncertain": BoxStyle((66, 228, 240), ((6, 5),)),  # yellow, dashed
    "lost": BoxStyle((0, 94, 213), ((0, 4),)),  # vermillion, dotted
    "adapting": BoxStyle((167, 121, 204), ((7, 4), (0, 4))),  # reddish purple, dash and dot
}
STATES = tuple(STYLES)
LOOK_ALIKE = "look-alike"
KINDS = {**STYLES, LOOK_ALIKE: BoxStyle(LIGHT, ((3, 4),))}  # of boxes; it has short dashes


def style_of(state: str) -> BoxStyle:
    """Return the style of a state.

    Raises:
        ValueError: there is no such state.
    """
    if state not in STYLES:
        raise ValueError(f"state {state!r}: accepted is one of {', '.join(STATES)}")
    return STYLES[state]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes that suit a picture's resolution.

    Attributes:
        line: width of a box's line, pixels.
        font_scale: OpenCV's.
        stroke: width of a letter's line, pixels.
    """

    line: int
    font_scale: float
    stroke: int

    @classmethod
    def of(cls, image: np.ndarray) -> Sizes:
        """Sizes for a picture (rows x columns x ...); small letters stay readable."""
        unit = min(image.shape[:2]) / 480
        font_scale = max(0.35, 0.55 * unit)
        return cls(max(1, round(2 * unit)), font_scale, max(1, round(1.8 * font_scale)))
