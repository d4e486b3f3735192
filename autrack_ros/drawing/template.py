"""The template before and after its update."""

from __future__ import annotations

import cv2
import numpy as np

from autrack_ros.drawing.style import DARK, Sizes
from autrack_ros.drawing.text import draw_text, text_size


def draw_template(
    template: np.ndarray, adapted: np.ndarray, gain: float | None = None, panel_px: int = 256
) -> np.ndarray:
    """Draw the template, the updated template and their amplified difference, side by side.

    Args:
        template: SxSx3 BGR, grey levels 0..255 (float or uint8).
        adapted: the same shape.
        gain: factor of the difference, which is drawn around mid grey; None takes the one at which
            the largest change just reaches black or white. The title names it.
        panel_px: width and height of a panel, pixels.

    Returns:
        uint8 BGR image, three panels wide, with a line of titles above them.
    """
    difference = adapted.astype(np.float32) - template.astype(np.float32)
    if gain is None:
        largest = float(np.abs(difference).max())
        gain = 127 / largest if largest > 0 else 1.0
    changed = bool(difference.any())
    panels = (template, adapted, 128 + gain * difference)
    titles = ("template", "updated", f"change x{gain:.3g}" if changed else "no change")
    return np.hstack(
        [_titled(panel, text, panel_px) for panel, text in zip(panels, titles, strict=True)]
    )


def _titled(panel: np.ndarray, text: str, side: int) -> np.ndarray:
    """Draw the pixels as they are (no smoothing), side x side, below their title."""
    pixels = np.clip(np.rint(panel), 0, 255).astype(np.uint8)
    picture = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_NEAREST)
    picture[:, -1] = DARK
    scale = max(0.4, side / 256 * 0.6)
    sizes = Sizes(1, scale, max(1, round(1.5 * scale)))
    text_height = text_size(text, sizes)[1]
    margin = max(4, text_height // 2)
    title = np.full((text_height + 2 * margin, side, 3), DARK, np.uint8)
    draw_text(title, text, margin, margin + text_height, sizes)
    return np.vstack([title, picture])
