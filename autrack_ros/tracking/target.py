"""One target: all that is known of it between two frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from autrack_ros.tracking.boxes import Box


@dataclass(frozen=True, slots=True)
class Target:
    """A target as it was found last. Positions and sizes are float64, in image pixels.

    Attributes:
        center: pixel-centre coordinates.
        size: width, height.
        padding: colour outside the image: the first frame's mean.
        image_shape: of the first frame.
        first_box: in the first frame, edge coordinates.
        template: (1, 3, S, S), 0..255, as cut from the first frame.
        template_corners: (1, 4), inclusive corners of the target in the template.
        adapted_template: (1, 3, S, S), 0..255; the template itself until it is adapted.
        features: of the adapted template, each of batch 1.
    """

    center: tuple[float, float]
    size: tuple[float, float]
    padding: tuple[float, ...]
    image_shape: tuple[int, ...]
    first_box: Box
    template: torch.Tensor
    template_corners: torch.Tensor
    adapted_template: torch.Tensor
    features: tuple[torch.Tensor, ...]

    @property
    def box(self) -> Box:
        """Where the target was found last, edge coordinates."""
        return Box.from_pixel_center(*self.center, *self.size)

    @property
    def template_image(self) -> np.ndarray:
        """Template as it was cut, S x S x 3 float32 BGR, 0..255."""
        return _to_image(self.template)

    @property
    def adapted_template_image(self) -> np.ndarray:
        """Template in use, S x S x 3 float32 BGR, 0..255; not rounded to whole grey levels."""
        return _to_image(self.adapted_template)


def _to_image(crops: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(crops[0].permute(1, 2, 0).cpu().numpy())
