"""One target: all that is known of it between two frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.runtimes import Features


@dataclass(frozen=True, slots=True)
class Target:
    """A target as it was found last. Positions and sizes are float64, in image pixels.

    Attributes:
        center: pixel-centre coordinates.
        size: width, height.
        padding: colour outside the image: the first frame's mean.
        image_shape: of the first frame.
        first_box: in the first frame, edge coordinates.
        template: S x S x 3 float32 BGR, 0..255, as cut from the first frame.
        template_corners: (4,) float32, inclusive corners of the target in the template.
        adapted_template: S x S x 3 float32 BGR, 0..255, not rounded to whole grey levels; the
            template itself until it is adapted.
        features: of the adapted template.
        first_features: of the template as cut.
    """

    center: tuple[float, float]
    size: tuple[float, float]
    padding: tuple[float, ...]
    image_shape: tuple[int, ...]
    first_box: Box
    template: np.ndarray
    template_corners: np.ndarray
    adapted_template: np.ndarray
    features: Features
    first_features: Features

    @property
    def box(self) -> Box:
        """Where the target was found last, edge coordinates."""
        return Box.from_pixel_center(*self.center, *self.size)
