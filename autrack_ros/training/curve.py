"""The learning curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, MARGIN = 900, 420, 60
GREY, BLACK = (225, 225, 225), (40, 40, 40)
CURVES = (  # log field, colour BGR
    ("loss", (200, 120, 30)),
    ("validation_loss", (40, 60, 210)),
    ("validation_iou", (60, 150, 40)),
)


def draw_learning_curve(rows: Sequence[Mapping[str, float | str]], path: Path) -> None:
    """Draw losses and validation overlap against the number of pairs seen.

    Args:
        rows: the log; an empty field is no point.
        path: the PNG to write.
    """
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    points = {
        name: [(float(row["pairs"]), float(row[name])) for row in rows if row[name] != ""]
        for name, _ in CURVES
    }
    right = max(float(row["pairs"]) for row in rows)
    top = max(1.0, *(y for curve in points.values() for _, y in curve[1:] or curve))

    def place(x: float, y: float) -> tuple[int, int]:
        across = MARGIN + x / right * (WIDTH - 2 * MARGIN)
        up = HEIGHT - MARGIN - min(y / top, 1.0) * (HEIGHT - 2 * MARGIN)
        return round(across), round(up)

    for part in np.linspace(0, 1, 6):
        y = part * top
        cv2.line(image, place(0, y), place(right, y), GREY, 1)
        _text(image, f"{y:.2f}", (8, place(0, y)[1] + 5), BLACK)
        x = part * right
        _text(image, f"{x / 1000:.0f}k", (place(x, 0)[0] - 14, HEIGHT - MARGIN + 22), BLACK)
    _text(image, "pairs", (WIDTH // 2 - 20, HEIGHT - 12), BLACK)
    for index, (name, color) in enumerate(CURVES):
        line = np.array([place(x, y) for x, y in points[name]], np.int32).reshape(-1, 1, 2)
        cv2.polylines(image, [line], False, color, 2, cv2.LINE_AA)
        _text(image, name.replace("_", " "), (MARGIN + 180 * index, 30), color)
    cv2.imwrite(str(path), image)


def _text(
    image: np.ndarray, text: str, place: tuple[int, int], color: tuple[int, int, int]
) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)
