"""Small pictures of frames with boxes on them, for sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from autrack_ros.drawing.lines import draw_box
from autrack_ros.tracking import Box

TILE = (256, 192)  # width, height
OURS, OTHERS = (233, 180, 86), (0, 159, 230)  # sky blue, orange

DrawnBox = tuple[tuple[int, int, int], int, np.ndarray]  # BGR, px, (x, y, w, h)


def tile(image: np.ndarray, boxes: Sequence[DrawnBox]) -> np.ndarray:
    """An image with boxes, scaled to fit into TILE; HxWx3 uint8 BGR."""
    height, width = image.shape[:2]
    scale = min(TILE[0] / width, TILE[1] / height)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for color, line_px, box in boxes:
        draw_box(small, Box(*(scale * box).tolist()), color, line_px)
    canvas = np.zeros((TILE[1], TILE[0], 3), np.uint8)
    left, top = (TILE[0] - small.shape[1]) // 2, (TILE[1] - small.shape[0]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas
