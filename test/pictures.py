"""Pictures for tests: a patch that moves and one that stands still; texture."""

from __future__ import annotations

import cv2
import numpy as np

from autrack_ros.tracking import Box

WIDTH, HEIGHT = 320, 240
BOX = Box(100, 80, 50, 40)  # of the patch that moves to the right
OTHER = Box(200, 150, 44, 52)  # of the patch that stands still


def picture(
    shift: int = 0, width: int = WIDTH, height: int = HEIGHT, patches: int = 2
) -> np.ndarray:
    """Smooth noise with two painted balls: OTHER, and BOX moved by ``shift`` pixels.

    They are things, not noise: the tracker is sure of them on every processor. The last of them
    are left out where ``patches`` is smaller.
    """
    generator = np.random.default_rng(7)
    background = generator.integers(60, 120, (height // 8, width // 8, 3), dtype=np.uint8)
    image = cv2.resize(background, (width, height), interpolation=cv2.INTER_CUBIC)
    blue, red = (200, 120, 40), (40, 60, 200)
    for box, colour in ((OTHER, blue), (moved(BOX, shift), red))[:patches]:
        paint_ball(image, box, colour)
    return image


def paint_ball(image: np.ndarray, box: Box, colour: tuple[int, int, int]) -> None:
    """An ellipse that fills the box, with a bright band and a dark eye."""
    x, y, w, h = map(int, box)
    ball = np.zeros(image.shape[:2], np.uint8)
    cv2.ellipse(ball, ((x + (w - 1) / 2, y + (h - 1) / 2), (w, h), 0), 255, cv2.FILLED)
    image[ball > 0] = colour
    ball[: y + h // 3] = ball[y + h // 2 :] = 0
    image[ball > 0] = (230, 230, 240)
    cv2.circle(image, (x + w // 3, y + h * 7 // 10), min(w, h) // 8, (30, 30, 30), cv2.FILLED)


def moved(box: Box, shift: int) -> Box:
    return box._replace(x=box.x + shift)


def textured_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """HxWx3 uint8 with structure at several scales."""
    random = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64):
        noise = random.uniform(-1, 1, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(127 + 60 * image, 0, 255).astype(np.uint8)
