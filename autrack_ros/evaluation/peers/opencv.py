"""OpenCV's trackers.

CSRT (Lukezic et al., CVPR 2017) and KCF (Henriques et al., TPAMI 2015) need no model. TrackerNano
(NanoTrack) needs model files, which nobody ships: OpenCV's opencv_extra
(testdata/dnn/download_models.py) has them. All have OpenCV's default settings. TrackerVit is not
among them, for it understates its network: see ``vit``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrack_ros.evaluation.runner import Answer
from autrack_ros.tracking.boxes import Box, validate_box
from autrack_ros.tracking.errors import (
    AutrackError,
    CheckpointError,
    ConfigurationError,
    InvalidBoxError,
)
from autrack_ros.tracking.presence import TrackState


@dataclass(frozen=True, slots=True)
class Peer:
    """One of OpenCV's trackers.

    Attributes:
        opencv: its name in OpenCV.
        models: its model files, by OpenCV's names.
        found_in: which Python packages of OpenCV have it.
    """

    opencv: str
    models: tuple[str, ...]
    found_in: str

    @property
    def available(self) -> bool:
        """Whether the OpenCV that is installed has it."""
        return hasattr(cv2, f"{self.opencv}_create")

    def check_installed(self) -> None:
        """Raise ConfigurationError where the OpenCV that is installed lacks it."""
        if not self.available:
            raise ConfigurationError(
                f"OpenCV {cv2.__version__} has no {self.opencv}: {self.found_in}"
            )

    def load(self, models: Mapping[str, Path]) -> PeerTracker:
        """The tracker; raises CheckpointError where OpenCV cannot read a model file."""
        create = getattr(cv2, f"{self.opencv}_create")
        if not self.models:
            return PeerTracker(create)
        parameters = getattr(cv2, f"{self.opencv}_Params")()
        for model in self.models:
            setattr(parameters, model, str(models[model]))
        try:
            create(parameters)  # damage is told now, not on every sequence
        except cv2.error as error:
            files = ", ".join(str(models[model]) for model in self.models)
            raise CheckpointError(
                f"{files}: no model that {self.opencv} can read ({error.err})"
            ) from error
        return PeerTracker(lambda: create(parameters))


# No extra of ours: it could not remove opencv-python-headless, which writes the same files.
_CONTRIB = (
    "`pip uninstall --yes opencv-python-headless`, then "
    "`pip install 'opencv-contrib-python-headless>=4.5.4,<5'` (docs/install.md)"
)
OPENCV = {
    "csrt": Peer("TrackerCSRT", (), _CONTRIB),
    "kcf": Peer("TrackerKCF", (), _CONTRIB),
    "nano": Peer("TrackerNano", ("backbone", "neckhead"), "opencv-python-headless 4.7 has it"),
}


class PeerTracker:
    """One of OpenCV's trackers on one target.

    Args:
        create: OpenCV's tracker, for every target a new one.
    """

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create

    def initialize(self, image: np.ndarray, box: Box) -> None:
        """Take a target; OpenCV takes whole pixels.

        Args:
            image: HxWx3 uint8 BGR.
            box: the target, edge coordinates.

        Raises:
            InvalidBoxError: as our tracker has it, or OpenCV refuses the box.
        """
        validate_box(box, image.shape[1], image.shape[0])
        self._tracker, self._box = self._create(), box
        try:
            self._tracker.init(image, tuple(round(value) for value in box))
        except cv2.error as error:
            raise InvalidBoxError(f"box {box}: OpenCV refuses it ({error.err})") from error

    def update(self, image: np.ndarray) -> Answer:
        """Find the target in the next image, HxWx3 uint8 BGR.

        Where OpenCV says that there is none, it is LOST with score 0. A tracker without a score of
        its own has 1.

        Raises:
            AutrackError: OpenCV fails.
        """
        try:
            found, box = self._tracker.update(image)
        except cv2.error as error:
            raise AutrackError(f"OpenCV: {error.err}") from error
        if not found:
            return Answer(self._box, 0.0, TrackState.LOST)
        self._box = Box(*map(float, box))
        has_score = hasattr(self._tracker, "getTrackingScore")
        return Answer(self._box, self._tracker.getTrackingScore() if has_score else 1.0)
