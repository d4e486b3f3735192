"""One target: all that is known of it between two frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.discriminant import Discriminant
from autrack_ros.tracking.errors import InvalidImageError
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
        hypotheses: features of the templates it is searched with: the adapted one, or the template
            as cut and the adapted one.
        first_features: of the template as cut.
        discriminant: tells it from what is beside it, and goes on learning; None where that is not
            wanted, or cannot be.
    """

    center: tuple[float, float]
    size: tuple[float, float]
    padding: tuple[float, ...]
    image_shape: tuple[int, ...]
    first_box: Box
    template: np.ndarray
    template_corners: np.ndarray
    adapted_template: np.ndarray
    hypotheses: tuple[Features, ...]
    first_features: Features
    discriminant: Discriminant | None = None

    def check_size(self, image: np.ndarray) -> None:
        """Raise InvalidImageError where an image is not of the size that it was started in."""
        if image.shape != self.image_shape:
            now, first = (f"{shape[1]}x{shape[0]}" for shape in (image.shape, self.image_shape))
            raise InvalidImageError(
                f"image is {now}, the target was initialised in {first}: initialise again after a "
                "change of size"
            )

    @property
    def features(self) -> Features:
        """Those of the adapted template."""
        return self.hypotheses[-1]

    def with_template(self, template: np.ndarray, features: Features, hypotheses: bool) -> Target:
        """The target with an adapted template.

        Args:
            template: as ``adapted_template``.
            features: of it.
            hypotheses: whether it is searched with the template as cut, too.
        """
        searched = (self.first_features, features) if hypotheses else (features,)
        return replace(self, adapted_template=template, hypotheses=searched)

    def retouched(self, adapted: Target) -> Target:
        """The target where it is, with the template that ``adapted`` has."""
        return replace(
            self, adapted_template=adapted.adapted_template, hypotheses=adapted.hypotheses
        )

    @property
    def box(self) -> Box:
        """Where the target was found last, edge coordinates."""
        return Box.from_pixel_center(*self.center, *self.size)
