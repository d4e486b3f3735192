"""The response map over the search region."""

from __future__ import annotations

import cv2
import numpy as np

from autrack_ros.drawing.lines import draw_box, draw_ring
from autrack_ros.drawing.style import DARK, LIGHT, Sizes, style_of
from autrack_ros.drawing.text import draw_text, text_size
from autrack_ros.tracking.boxes import Box

# Perceptually uniform: equal steps of the response look equal, in grey and to the colour-blind too.
_COLORMAP = cv2.COLORMAP_INFERNO
_OPACITY = 0.9  # cover of the colour at response 1
_DIMMED = 0.7  # brightness of the search region under the response


def draw_heatmap(
    search: np.ndarray,
    response: np.ndarray,
    response_to_image: np.ndarray,
    search_to_image: np.ndarray,
    box: Box | None = None,
    state: str = "tracking",
) -> np.ndarray:
    """Draw the response map over the search region, each cell where it belongs.

    The search region is shown in dimmed grey, the response in colour: its cover grows with it, on
    one scale for every image, which the bar on the right tells. A ring marks the highest cell. A
    thin frame shows the outermost cells of the map: outside it there is no response.

    Args:
        search: HxWx3 uint8 BGR, the search region.
        response: rows x cols float32, 0..1.
        response_to_image: 2x3, (col, row) of a cell -> edge coordinates in the image.
        search_to_image: 2x3, edge coordinates in the search region -> those in the image.
        box: the target, edge coordinates in the image.
        state: one of ``STATES``, for the colour and line of the box.

    Returns:
        A new uint8 BGR image, H rows; the colour bar is right of its first W columns.
    """
    height, width = search.shape[:2]
    to_search = np.asarray(cv2.invertAffineTransform(search_to_image))
    cell_to_search = to_search @ np.vstack([response_to_image, (0, 0, 1)])
    # OpenCV's pixel i lies at edge coordinate i + 1/2.
    cell_to_pixel = cell_to_search - np.array([[0, 0, 0.5], [0, 0, 0.5]])
    heat = cv2.warpAffine(
        np.ascontiguousarray(response, dtype=np.float32),
        cell_to_pixel,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    ).clip(0, 1)
    grey = cv2.convertScaleAbs(cv2.cvtColor(search, cv2.COLOR_BGR2GRAY), alpha=_DIMMED)
    canvas = _blend(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), heat)
    sizes = Sizes.of(canvas)
    rows, cols = response.shape
    (left, top), (right, bottom) = (
        cell_to_pixel @ np.array([[0, cols - 1], [0, rows - 1], [1, 1]])
    ).T
    ends = (round(left), round(top)), (round(right), round(bottom))
    cv2.rectangle(canvas, *ends, LIGHT, 1)
    if box is not None:
        style = style_of(state)
        corners = np.array([[box.x, box.x + box.w], [box.y, box.y + box.h], [1, 1]])
        (x, y), (x_end, y_end) = (to_search @ corners).T
        draw_box(canvas, Box(x, y, x_end - x, y_end - y), style.color, sizes.line, style.pattern)
    if response.max() > 0:
        row, col = np.unravel_index(response.argmax(), response.shape)
        peak = cell_to_search @ (col, row, 1)
        draw_ring(canvas, peak, 5 * sizes.line + 2, sizes.line)
    return np.hstack([canvas, _color_bar(height, sizes)])


def _blend(background: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Cover the background with the colours of the heat, rows x cols 0..1."""
    colors = cv2.applyColorMap((heat * 255).astype(np.uint8), _COLORMAP)
    cover = _OPACITY * np.sqrt(heat)
    return np.asarray(cv2.blendLinear(background, colors, 1 - cover, cover))


def _color_bar(height: int, sizes: Sizes) -> np.ndarray:
    """The scale of the colours as they look over black, 1 at the top, beside its numbers."""
    text_width, text_height = text_size("0.5", sizes)
    margin = max(3, text_height // 2)
    bar_width = text_height + 2
    canvas = np.full((height, 3 * margin + bar_width + text_width, 3), DARK, np.uint8)
    values = np.linspace(1, 0, max(2, height - 2 * margin), dtype=np.float32)
    scale = np.repeat(values[:, None], bar_width, axis=1)
    bar = _blend(np.zeros((*scale.shape, 3), np.uint8), scale)[: height - margin]
    canvas[margin : margin + len(bar), margin : margin + bar_width] = bar
    for value, bottom in (
        ("1", margin + text_height),
        ("0.5", (height + text_height) // 2),
        ("0", height - margin),
    ):
        draw_text(canvas, value, 2 * margin + bar_width, bottom, sizes)
    return canvas
