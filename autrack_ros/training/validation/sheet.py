"""Clips to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from autrack_ros.training.validation.clips import HIDDEN, Clip
from autrack_ros.training.validation.scene import HEIGHT, WIDTH


def clip_sheet(clips: Sequence[Clip], columns: int = 10) -> np.ndarray:
    """Frames of each clip in a row, evenly spaced, the truth green, red where it is hidden."""
    rows = []
    for clip in clips:
        frames = list(clip.frames)
        tiles = []
        for number in np.linspace(0, len(frames) - 1, columns).round().astype(int):
            tile = cv2.resize(frames[number], (WIDTH, HEIGHT))
            scale = np.tile(np.divide((WIDTH, HEIGHT), frames[number].shape[1::-1]), 2)
            x, y, w, h = clip.truth[number] * scale
            color = (0, 255, 0) if clip.visible[number] >= HIDDEN else (0, 0, 255)
            corners = [(round(x), round(y)), (round(x + w), round(y + h))]
            tiles.append(cv2.rectangle(tile, *corners, color, 1))
        rows.append(np.hstack(tiles))
    return np.vstack(rows)
