"""How far the picture moved as a whole since the last one: the camera's own motion."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 128  # pixels, longer side of the small images that are compared
LEAST_RESPONSE = 0.3  # 0..1, of the phase correlation; below, the images have too little in common
EXPLAINED = 0.9  # of the difference between two pictures, at most, is left by a shift

Shift = tuple[float, float]  # across and down, image pixels


class CameraMotion:
    """The shift between images in a row, by phase correlation of small grey copies (0.3 ms).

    Kuglin and Hines: The phase correlation image alignment method, 1975. It sees shifts of up to
    half of the picture, but no turn and no change of scale.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._window: np.ndarray | None = None

    def shift(self, image: np.ndarray) -> Shift:
        """By how much what stands still moved in the picture.

        Args:
            image: HxWx3 uint8 BGR; with it the next one is compared.

        Returns:
            image pixels; (0, 0) where there was no image of that size before, or where the two do
            not show the same scene.
        """
        height, width = image.shape[:2]
        scale = SIDE / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        # Single pixels: a filter takes several times as long, and finds large shifts no better.
        pixels = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
        small = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
        last, self._last = self._last, small
        if last is None or last.shape != small.shape or min(size) < 2:
            return 0.0, 0.0
        if self._window is None or self._window.shape != small.shape:
            self._window = cv2.createHanningWindow(size, cv2.CV_32F)
        # It puts the window into the images it is given.
        (across, down), response = cv2.phaseCorrelate(last.copy(), small.copy(), self._window)
        if not response >= LEAST_RESPONSE:  # not a number where an image has no texture
            return 0.0, 0.0
        if not _explains(round(across), round(down), last, small):
            return 0.0, 0.0
        return across * width / size[0], down * height / size[1]


def _explains(across: int, down: int, last: np.ndarray, now: np.ndarray) -> bool:
    """Whether the pictures differ less with the shift than without, where they overlap.

    Else it is something in front of the camera that moved, or what repeats.
    """
    height, width = now.shape
    if abs(across) >= width or abs(down) >= height:
        return False
    here = np.s_[max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)]
    there = np.s_[max(-down, 0) : height + min(-down, 0), max(-across, 0) : width + min(-across, 0)]
    shifted = cv2.norm(now[here], last[there], cv2.NORM_L1)
    still = cv2.norm(now[here], last[here], cv2.NORM_L1)
    return shifted < EXPLAINED * still
