"""LightTrack-M (Yan et al., LightTrack, CVPR 2021)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autrack_ros.evaluation.peers.networks import Network, read_model
from autrack_ros.evaluation.peers.windows import Target, crop
from benchmarks.peers.geometry import choose, context_side, mean_color

TEMPLATE, SEARCH = 128, 256
POINTS = (np.arange(16) - 8) * 16.0 + SEARCH / 2
WINDOW, PENALTY, RATE = 0.38, 0.062, 0.765


class LightTrack:
    """See the module.

    Args:
        folder: with its files.
        threads: of the processor.

    Raises:
        CheckpointError: a file is missing or is another network.
    """

    files = ("lighttrack/z_feature.xml", "lighttrack/x_feature.xml", "lighttrack/head.xml")

    def __init__(self, folder: Path, threads: int = 1) -> None:
        template, search, head = (folder / file for file in self.files)
        shape = (1, TEMPLATE, TEMPLATE, 3)
        self._template = Network(read_model(template, shape), threads)
        self._search = Network(read_model(search, (1, SEARCH, SEARCH, 3)), threads)
        self._head = Network(read_model(head, (1, 96, 8, 8), (1, 96, 16, 16)), threads)
        self.frame_networks = (self._search, self._head)

    def init(self, image: np.ndarray, box: tuple[float, ...]) -> None:
        """Take a target."""
        self._target, self._padding = Target.of_box(box), mean_color(image)
        side = float(context_side(self._target.w, self._target.h))
        self._features = self._template(self._crop(image, side, TEMPLATE))[0].copy()

    def update(self, image: np.ndarray) -> tuple[float, ...]:
        """Find the target in the next image."""
        old = self._target
        side = float(context_side(old.w, old.h))
        scale = TEMPLATE / side
        search = self._search(self._crop(image, 2 * side, SEARCH))[0]
        score, distances = self._head(self._features, search)
        size = (old.w * scale, old.h * scale)
        found = choose(score, distances, POINTS, size, WINDOW, PENALTY)
        # Twice: the published code takes the rate of the new size, and then of that once more.
        rate = (found.penalty * found.score * RATE) ** 2
        self._target = Target(
            old.cx + (found.x - SEARCH / 2) / scale,
            old.cy + (found.y - SEARCH / 2) / scale,
            old.w + rate * (found.w / scale - old.w),
            old.h + rate * (found.h / scale - old.h),
        ).kept_in(image)
        return self._target.box

    def _crop(self, image: np.ndarray, side: float, size: int) -> np.ndarray:
        return crop(image, self._target, (side, side), size, self._padding)[None]
