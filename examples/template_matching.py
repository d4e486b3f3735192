"""A tracker of one's own, measured beside ours: normalised cross-correlation with the first frame.

    autrack evaluate sequences/ --tracker examples.template_matching:TemplateMatching

The form is that of got10k's toolkit: a class made without arguments, with these two methods.
Images are HxWx3 uint8 RGB arrays; boxes x, y, w, h in pixels. The score may be left out.
"""

import cv2
import numpy as np


class TemplateMatching:
    """Looks for the pixels of the first box, within twice its size around the last place."""

    def init(self, image: np.ndarray, box: tuple[float, float, float, float]) -> None:
        """Take a target."""
        self.x, self.y, self.w, self.h = (round(value) for value in box)
        x, y = max(self.x, 0), max(self.y, 0)
        self.template = image[y : self.y + self.h, x : self.x + self.w].copy()

    def update(self, image: np.ndarray) -> tuple[tuple[float, float, float, float], float]:
        """Box and score in the next image."""
        left, top = max(self.x - self.w // 2, 0), max(self.y - self.h // 2, 0)
        area = image[top : self.y + 3 * self.h // 2, left : self.x + 3 * self.w // 2]
        if any(a < t for a, t in zip(area.shape, self.template.shape, strict=True)):
            return (self.x, self.y, self.w, self.h), 0.0  # it has left the picture
        match = cv2.matchTemplate(area, self.template, cv2.TM_CCOEFF_NORMED)
        _, score, _, (x, y) = cv2.minMaxLoc(match)
        self.x, self.y = left + x, top + y
        return (self.x, self.y, self.w, self.h), score
