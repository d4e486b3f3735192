"""How far the picture moved as a whole since the last one: the camera's own motion."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 128  # pixels, longer side of the small images that are compared
LEAST_RESPONSE = 0.3  # 0..1, of the phase correlation; below, the images have too little in common
EXPLAINED = 0.9  # of the difference between two pictures, at most, is left by a shift

Shift = tuple[float, float]  # across and down, image pixels


class CameraMotion:
    """The shift between images in a row, by phase correlation of small grey copies (0.1 ms).

    Kuglin and Hines: The phase correlation image alignment method, 1975. It sees shifts of up to
    half of the picture, but no turn and no change of scale.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._now: np.ndarray | None = None
        self._scale = (1.0, 1.0)  # pixels of the image in one of its copy, across and down
        self._shift: Shift | None = None  # once it was asked for
        self._window: np.ndarray | None = None

    def see(self, image: np.ndarray) -> None:
        """Take the next image, HxWx3 uint8 BGR."""
        height, width = image.shape[:2]
        scale = SIDE / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        # Single pixels: a filter takes several times as long, and finds large shifts no better.
        pixels = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
        self._last, self._now = self._now, cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        self._scale, self._shift = (width / size[0], height / size[1]), None

    def shift(self) -> Shift:
        """By how much what stands still moved in the picture, from the image before to the last.

        Returns:
            image pixels; (0, 0) where there were no two images of one size, or where they do not
            show the same scene.
        """
        if self._shift is None:
            across, down = self._measure()
            self._shift = across * self._scale[0], down * self._scale[1]
        return self._shift

    def _measure(self) -> Shift:
        """The shift in pixels of the small copies."""
        last, now = self._last, self._now
        if last is None or now is None or last.shape != now.shape or min(now.shape) < 2:
            return 0.0, 0.0
        if self._window is None or self._window.shape != now.shape:
            self._window = cv2.createHanningWindow(now.shape[::-1], cv2.CV_32F)
        # It puts the window into the images it is given.
        copies = last.astype(np.float32), now.astype(np.float32)
        (across, down), response = cv2.phaseCorrelate(*copies, self._window)
        if not response >= LEAST_RESPONSE:  # not a number where an image has no texture
            return 0.0, 0.0
        if not _explains(round(across), round(down), last, now):
            return 0.0, 0.0
        return across, down


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
