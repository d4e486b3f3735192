"""VitTrack 2023sep, which ``autrack evaluate --tracker vit`` runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autrack_ros.evaluation.peers.vit import VitTracker
from autrack_ros.tracking.boxes import Box


class VitTrack:
    """See the module.

    Args:
        folder: with its files.
        threads: of the processor.

    Raises:
        CheckpointError: a file is missing or is another network.
    """

    files = ("vittrack/object_tracking_vittrack_2023sep.onnx",)

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._tracker = VitTracker(folder / self.files[0], threads)
        self.frame_networks = (self._tracker.network,)

    def init(self, image: np.ndarray, box: tuple[float, ...]) -> None:
        """Take a target."""
        self._tracker.initialize(image, Box(*box))

    def update(self, image: np.ndarray) -> tuple[float, ...]:
        """Find the target in the next image."""
        return self._tracker.update(image).box
