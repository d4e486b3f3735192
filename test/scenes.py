"""Cards before a calm background, for tests of targets that go and come back."""

import numpy as np
from pictures import textured_image

from autrack_ros.tracking import Box

TARGET = Box(140, 90, 48, 40)


def scene(*boxes: tuple[Box, int]) -> np.ndarray:
    """Textured objects (box, seed of the texture) on another texture."""
    image = cv_blur(textured_image(240, 320, 3))
    for box, seed in boxes:
        x, y, w, h = (round(value) for value in box)
        image[y : y + h, x : x + w] = textured_image(h, w, seed)[..., ::-1] // 2 + 100
    return image


def cv_blur(image: np.ndarray) -> np.ndarray:
    return (image // 4 + 60).astype(np.uint8)  # a calm background


def moved(box: Box, dx: float, dy: float = 0) -> Box:
    return box._replace(x=box.x + dx, y=box.y + dy)
