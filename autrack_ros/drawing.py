"""Pictures of a tracker's results: the overlay, the response heat map, the adapted template.

Arrays in, arrays out: no ROS and no tensors, so the node and the command line share them. Colours
are from the Okabe-Ito palette (told apart with every common colour blindness) and every state also
has a line style or a word of its own. Boxes are in edge coordinates (see ``tracking.boxes``).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from autrack_ros.tracking.boxes import Box

STATES = ("idle", "adapting", "tracking", "lost")

_COLORS_BGR = {
    "idle": (200, 200, 200),
    "adapting": (66, 228, 240),  # yellow
    "tracking": (233, 180, 86),  # sky blue
    "lost": (0, 94, 213),  # vermillion
}
_DARK = (24, 24, 24)
_LIGHT = (245, 245, 245)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHIFT = 4  # fractional bits of the coordinates that OpenCV draws at
_INSET_PART = 1 / 3  # side of the inset as a part of the image's shorter side
_MAX_LABEL_CHARACTERS = 24
_DIMMED = 0.7  # brightness of the search region under the response


def draw_overlay(
    image: np.ndarray,
    box: Box | None,
    *,
    label: str = "",
    score: float | None = None,
    state: str = "tracking",
    inset: np.ndarray | None = None,
) -> np.ndarray:
    """Draw the target's box, its name and its score.

    Args:
        image: HxWx3 uint8 BGR; not changed.
        box: the target, edge coordinates in pixels of ``image``; None draws the state only.
        label: name of the target.
        score: 0..1, or None to leave it out.
        state: one of ``STATES``; a lost target's box is dashed.
        inset: a uint8 BGR picture (as from ``draw_heatmap``) to show in a lower corner.

    Returns:
        A new HxWx3 uint8 BGR image.
    """
    canvas = image.copy()
    if inset is not None:
        _draw_inset(canvas, inset, box)
    if box is not None:
        _draw_box(canvas, box, _COLORS_BGR[state], dashed=state == "lost")
    _draw_plate(canvas, _caption(label, score, state), box)
    return canvas


def draw_heatmap(
    search: np.ndarray,
    response: np.ndarray,
    response_to_image: np.ndarray,
    search_to_image: np.ndarray,
    opacity: float = 0.9,
) -> np.ndarray:
    """Draw the response map over the search region, each cell where it belongs.

    The search region is shown in dimmed grey, the response in colour: its cover grows with it, on
    one scale for every image. A thin frame shows the outermost cells of the map: outside it there
    is no response.

    Args:
        search: SxSx3 uint8 BGR, the search region.
        response: rows x cols float32, 0..1.
        response_to_image: 2x3, (col, row) of a cell -> edge coordinates in the image.
        search_to_image: 2x3, edge coordinates in the search region -> those in the image.
        opacity: cover of the colour at response 1, 0..1.

    Returns:
        A new SxSx3 uint8 BGR image.
    """
    height, width = search.shape[:2]
    cell_to_pixel = _response_to_search(response_to_image, search_to_image)
    # OpenCV's pixel i lies at edge coordinate i + 1/2.
    cell_to_pixel[:, 2] -= 0.5
    heat = cv2.warpAffine(
        np.ascontiguousarray(response, dtype=np.float32),
        cell_to_pixel,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    ).clip(0, 1)
    colors = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    grey = cv2.convertScaleAbs(cv2.cvtColor(search, cv2.COLOR_BGR2GRAY), alpha=_DIMMED)
    cover = opacity * np.sqrt(heat)
    blended = cv2.blendLinear(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), colors, 1 - cover, cover)
    rows, cols = response.shape
    corners = cell_to_pixel @ np.array([[0, cols - 1], [0, rows - 1], [1, 1]])
    cv2.rectangle(blended, *_fixed(corners.T), _LIGHT, 1, cv2.LINE_AA, _SHIFT)
    return blended


def draw_template(
    template: np.ndarray, adapted: np.ndarray, gain: float | None = None, panel_px: int = 256
) -> np.ndarray:
    """Draw the template, the adapted template and their amplified difference, side by side.

    Args:
        template: SxSx3 BGR, grey levels 0..255 (float or uint8).
        adapted: the same shape.
        gain: factor of the difference, which is drawn around mid grey; None takes the one at which
            the largest change just reaches black or white. The caption names it.
        panel_px: width and height of a panel, pixels.

    Returns:
        uint8 BGR image, three panels wide, with a line of captions above them.
    """
    difference = adapted.astype(np.float32) - template.astype(np.float32)
    if gain is None:
        largest = float(np.abs(difference).max())
        gain = 127 / largest if largest > 0 else 1.0
    panels = (template, adapted, 128 + gain * difference)
    captions = ("template", "adapted", f"difference x{gain:.3g}")
    return np.hstack(
        [_captioned(panel, text, panel_px) for panel, text in zip(panels, captions, strict=True)]
    )


def _response_to_search(response_to_image: np.ndarray, search_to_image: np.ndarray) -> np.ndarray:
    """2x3 float64: (col, row) of a response cell -> edge coordinates in the search region."""
    return np.asarray(cv2.invertAffineTransform(search_to_image)) @ np.vstack(
        [response_to_image, (0, 0, 1)]
    )


def _caption(label: str, score: float | None, state: str) -> str:
    words = [label if len(label) <= _MAX_LABEL_CHARACTERS else label[:21] + "..."]
    if state != "tracking":
        words.append(state)
    if score is not None:
        words.append(f"{score:.2f}")
    # OpenCV's fonts have no other letters.
    return " ".join(filter(None, words)).encode("ascii", "replace").decode()


def _scale(image: np.ndarray) -> tuple[int, float]:
    """Line width in pixels and font scale that suit the image's resolution."""
    unit = min(image.shape[:2]) / 480
    return max(1, round(2 * unit)), max(0.4, 0.55 * unit)


def _fixed(points: np.ndarray) -> list[tuple[int, int]]:
    """Points in OpenCV's fixed-point coordinates."""
    return [(round(x * 2**_SHIFT), round(y * 2**_SHIFT)) for x, y in points.tolist()]


def _draw_box(canvas: np.ndarray, box: Box, color: tuple[int, int, int], dashed: bool) -> None:
    line_px, _ = _scale(canvas)
    left, top, right, bottom = box.x - 0.5, box.y - 0.5, box.x + box.w - 0.5, box.y + box.h - 0.5
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    # A dark line below the coloured one keeps the box visible on any background.
    for width, shade, dash in ((line_px + 2, _DARK, False), (line_px, color, dashed)):
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            _draw_line(canvas, start, end, shade, width, dash)


def _draw_line(
    canvas: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    color: tuple[int, int, int],
    line_px: int,
    dashed: bool,
) -> None:
    if not dashed:
        cv2.line(canvas, *_fixed(np.array([start, end])), color, line_px, cv2.LINE_AA, _SHIFT)
        return
    # An odd number of equal pieces: the corners are always drawn.
    length = float(np.linalg.norm(end - start))
    pieces = 2 * max(1, min(100, math.floor(length / (10 * line_px)))) + 1
    points = np.linspace(start, end, pieces + 1)
    for piece in range(0, pieces, 2):
        ends = _fixed(points[piece : piece + 2])
        cv2.line(canvas, *ends, color, line_px, cv2.LINE_AA, _SHIFT)


def _draw_plate(canvas: np.ndarray, text: str, box: Box | None) -> None:
    """Text on a dark plate: above the box where there is room, else in it; always in the image."""
    if not text:
        return
    line_px, font_scale = _scale(canvas)
    stroke_px = max(1, round(1.6 * font_scale))
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, font_scale, stroke_px)
    margin = max(2, text_height // 3)
    width, height = text_width + 2 * margin, text_height + baseline + margin
    x, y = (0.0, 0.0) if box is None else (box.x - line_px, box.y - line_px - 1 - height)
    if box is not None and y < 0:
        y = box.y + line_px
    image_height, image_width = canvas.shape[:2]
    left = round(min(max(x, 0), max(image_width - width, 0)))
    top = round(min(max(y, 0), max(image_height - height, 0)))
    plate = canvas[top : top + height, left : left + width]
    plate[:] = plate * 0.25 + np.array(_DARK) * 0.75
    origin = (left + margin, top + margin + text_height - margin // 3)
    cv2.putText(canvas, text, origin, _FONT, font_scale, _LIGHT, stroke_px, cv2.LINE_AA)


def _draw_inset(canvas: np.ndarray, inset: np.ndarray, box: Box | None) -> None:
    """Put the inset into the lower right corner, or the lower left one where the box is there."""
    height, width = canvas.shape[:2]
    longest = max(1, round(min(height, width) * _INSET_PART))
    scale = longest / max(inset.shape[:2])
    size = (max(1, round(inset.shape[1] * scale)), max(1, round(inset.shape[0] * scale)))
    small = cv2.resize(inset, size, interpolation=cv2.INTER_AREA)
    top, left = height - size[1], width - size[0]
    if box is not None and box.y + box.h > top and box.x + box.w > left:
        left = 0
    canvas[top:, left : left + size[0]] = small
    line_px, _ = _scale(canvas)
    corner = (left + size[0] - 1, height - 1)
    cv2.rectangle(canvas, (left, top), corner, _LIGHT, line_px)


def _captioned(panel: np.ndarray, text: str, side: int) -> np.ndarray:
    """Draw the pixels as they are (no smoothing), side x side, below their caption."""
    pixels = np.clip(np.rint(panel), 0, 255).astype(np.uint8)
    canvas = np.full((side + side // 10, side, 3), _DARK, np.uint8)
    canvas[side // 10 :] = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_NEAREST)
    canvas[:, -1] = _DARK
    font_scale = side / 256 * 0.5
    origin = (side // 32, round(side * 0.07))
    cv2.putText(canvas, text, origin, _FONT, font_scale, _LIGHT, 1, cv2.LINE_AA)
    return canvas
