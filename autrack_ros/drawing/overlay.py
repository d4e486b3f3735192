"""The image with every target on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.drawing.lines import draw_box, draw_edges, draw_trail
from autrack_ros.drawing.style import KINDS, LIGHT, LOOK_ALIKE, STYLES, Sizes, style_of
from autrack_ros.drawing.text import (
    Area,
    draw_backing,
    draw_outlined,
    draw_text,
    printable,
    shortened,
    text_size,
)
from autrack_ros.tracking.boxes import Box

_INSET_PART = 1 / 3  # side of the inset as a part of the image's shorter side
_LABEL_PART = 0.5  # width of a label's text at most, as a part of the image's


@dataclass(frozen=True, slots=True)
class DrawnTarget:
    """A target as it is drawn.

    Attributes:
        box: edge coordinates, pixels of the image; the last known one of a lost target.
        label: its name.
        score: 0..1, or None to leave it out.
        state: one of ``STATES``.
        trail: (x, y) of its centres, oldest first; None leaves a gap (see ``Trail``).
        look_alike: box of another thing that looks like it, if one is seen.
    """

    box: Box
    label: str = ""
    score: float | None = None
    state: str = "tracking"
    trail: Sequence[tuple[float, float] | None] = ()
    look_alike: Box | None = None

    def __post_init__(self) -> None:
        style_of(self.state)


def draw_overlay(
    image: np.ndarray, targets: Iterable[DrawnTarget], *, inset: np.ndarray | None = None
) -> np.ndarray:
    """Draw boxes, names, scores, trails, and a legend that counts targets and look-alikes.

    Args:
        image: HxWx3 uint8 BGR; not changed.
        targets: later ones are drawn over earlier ones.
        inset: a uint8 BGR picture (as from ``draw_heatmap``) to show in a lower corner.

    Returns:
        A new HxWx3 uint8 BGR image.
    """
    canvas = image.copy()
    sizes = Sizes.of(canvas)
    targets = list(targets)
    inset_area = Area(0, 0, 0, 0)
    if inset is not None:
        inset_area = _draw_inset(canvas, inset, targets, sizes)
    taken = [inset_area, _draw_legend(canvas, targets, sizes, inset_area)]
    for target in targets:
        draw_trail(canvas, target.trail, STYLES[target.state].color, sizes.line)
    for target in targets:
        if target.look_alike is not None:
            style = KINDS[LOOK_ALIKE]
            draw_box(canvas, target.look_alike, style.color, sizes.line, style.pattern)
    for target in targets:
        style = STYLES[target.state]
        draw_box(canvas, target.box, style.color, sizes.line, style.pattern)
        if target.state == "lost":
            _draw_question_mark(canvas, target.box, sizes)
    for target in targets:
        taken.append(_draw_label(canvas, target, sizes, taken))
    return canvas


def _draw_label(
    canvas: np.ndarray, target: DrawnTarget, sizes: Sizes, taken: Sequence[Area]
) -> Area:
    """Name and score beside the box, where no other label is if there is such a place."""
    score = "" if target.score is None else f"{target.score:.2f}"
    room = round(_LABEL_PART * canvas.shape[1]) - text_size(score, sizes)[0]
    name = shortened(printable(target.label), room, sizes)
    text = " ".join(filter(None, (name, score)))
    if not text:
        return Area(0, 0, 0, 0)
    text_width, text_height = text_size(text, sizes)
    margin = max(2, text_height // 2)
    band = max(2, margin // 2)
    width, height = text_width + 2 * margin + band, text_height + 2 * margin
    gap = sizes.line // 2 + 2
    # A box may lie far outside, farther than an int of OpenCV or a sum of floats is exact.
    rows, columns = canvas.shape[:2]
    left, right = np.clip((target.box.x, target.box.x + target.box.w), -width, columns + width)
    top, bottom = np.clip((target.box.y, target.box.y + target.box.h), -height, rows + height)
    near, far = round(left - sizes.line / 2), round(right + sizes.line / 2 - width)
    above, below = round(top - gap - height), round(bottom + gap)
    wanted = [
        Area(x, y, width, height)
        for x, y in (
            (near, above),
            (near, below),
            (far, above),
            (far, below),
            (round(right + gap), round(top)),
            (round(left - gap - width), round(top)),
            (near, round(top + gap)),
        )
    ]
    # The first of those that cover least of what is drawn, if possible beside the box.
    area = min(
        wanted,
        key=lambda place: (
            sum(place.inside(canvas).shared(other) for other in taken),
            place != place.inside(canvas),
        ),
    ).inside(canvas)
    draw_backing(canvas, area)
    color = STYLES[target.state].color
    canvas[area.top : area.top + area.height, area.left : area.left + band] = color
    draw_text(canvas, text, area.left + band + margin, area.top + margin + text_height, sizes)
    return area


def _draw_legend(
    canvas: np.ndarray, targets: Sequence[DrawnTarget], sizes: Sizes, inset: Area
) -> Area:
    """Line style, number and word of every kind, at the lower edge or where fewer boxes are."""
    counts = Counter(target.state for target in targets)
    counts[LOOK_ALIKE] = sum(target.look_alike is not None for target in targets)
    kinds = [kind for kind in KINDS if counts[kind]]
    texts = {kind: f"{counts[kind]} {kind}" if counts[kind] > 1 else kind for kind in kinds} or {
        "": "no target"
    }
    text_height = text_size("", sizes)[1]
    margin = max(3, text_height // 2)
    sample = 2 * text_height
    row_height = text_height + margin
    places: list[tuple[int, int]] = []  # of every entry: left, row
    x, row, width = margin, 0, 0
    for kind, text in texts.items():
        length = text_size(text, sizes)[0] + (sample + margin if kind else 0)
        if places and x + length + margin > canvas.shape[1] - inset.width:
            x, row = margin, row + 1
        places.append((x, row))
        x += length + 2 * margin
        width = max(width, x - margin)
    height = margin + row_height * (row + 1)
    left = inset.width if inset.width and inset.left == 0 else 0
    drawn = [box for t in targets for box in (t.box, t.look_alike) if box is not None]
    boxes = [Area(*(round(float(value)) for value in box)) for box in drawn]
    area = min(
        (Area(left, top, width, height).inside(canvas) for top in (canvas.shape[0] - height, 0)),
        key=lambda place: sum(place.shared(box) for box in boxes),
    )
    draw_backing(canvas, area)
    for (kind, text), (x, row) in zip(texts.items(), places, strict=True):
        x, bottom = area.left + x, area.top + margin + text_height + row * row_height
        if kind:
            style, y = KINDS[kind], bottom - text_height // 2 + 0.5
            ends = np.array([[x, y]]), np.array([[x + sample, y]])
            draw_edges(canvas, *ends, style.color, sizes.line, style.pattern)
            x += sample + margin
        draw_text(canvas, text, x, bottom, sizes)
    return area


def _draw_question_mark(canvas: np.ndarray, box: Box, sizes: Sizes) -> None:
    height, width = canvas.shape[:2]
    center = np.clip(box.center, 0, (width, height))
    scale = np.clip(min(box.w, box.h) / 50, sizes.font_scale, 4 * sizes.font_scale)
    draw_outlined(canvas, "?", tuple(center), float(scale))


def _draw_inset(
    canvas: np.ndarray, inset: np.ndarray, targets: Sequence[DrawnTarget], sizes: Sizes
) -> Area:
    """Put the inset into the lower right corner, or the lower left one where a box is there."""
    height, width = canvas.shape[:2]
    scale = min(height, width) * _INSET_PART / max(inset.shape[:2])
    size = (max(1, round(inset.shape[1] * scale)), max(1, round(inset.shape[0] * scale)))
    small = cv2.resize(inset, size, interpolation=cv2.INTER_AREA)
    top, left = height - size[1], width - size[0]
    if any(
        target.box.y + target.box.h > top and target.box.x + target.box.w > left
        for target in targets
    ):
        left = 0
    canvas[top:, left : left + size[0]] = small
    cv2.rectangle(canvas, (left, top), (left + size[0] - 1, height - 1), LIGHT, sizes.line)
    return Area(left, top, *size)
