"""FEAR-XS (Borsuk et al., FEAR: Fast, Efficient, Accurate and Robust Visual Tracker, ECCV 2022).

Its repository takes the best cell alone; with a window and LightTrack's penalty it is better, and
so it is run here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autrack_ros.evaluation.peers.networks import Network, read_model
from autrack_ros.evaluation.peers.windows import Target, crop
from benchmarks.peers.geometry import choose, mean_color

TEMPLATE, SEARCH = 128, 256
TEMPLATE_SIDES, SEARCH_SIDES = 1.4, 5.0  # of the box
POINTS = (np.arange(16) - 8) * 16.0 + SEARCH / 2
WINDOW, PENALTY = 0.38, 0.062


class FearXS:
    """See the module.

    Args:
        folder: with its files.
        threads: of the processor.

    Raises:
        CheckpointError: a file is missing or is another network.
    """

    files = ("fear_xs/fear_template.onnx", "fear_xs/fear_search.onnx")

    def __init__(self, folder: Path, threads: int = 1) -> None:
        template, search = (folder / file for file in self.files)
        self._template = Network(read_model(template, (1, 3, TEMPLATE, TEMPLATE)), threads)
        shapes = ((1, 3, SEARCH, SEARCH), (1, 256, 8, 8))
        self._search = Network(read_model(search, *shapes), threads)
        self.frame_networks = (self._search,)

    def init(self, image: np.ndarray, box: tuple[float, ...]) -> None:
        """Take a target."""
        self._target, self._padding = Target.of_box(box), mean_color(image)
        self._features = self._template(self._crop(image, TEMPLATE_SIDES, TEMPLATE))[0].copy()

    def update(self, image: np.ndarray) -> tuple[float, ...]:
        """Find the target in the next image."""
        old = self._target
        distances, logits = self._search(self._crop(image, SEARCH_SIDES, SEARCH), self._features)
        score = 1 / (1 + np.exp(-logits[0, 0]))
        # The crop has not the image's shape: in it the target was a square.
        size = (SEARCH / SEARCH_SIDES, SEARCH / SEARCH_SIDES)
        found = choose(score, distances[0], POINTS, size, WINDOW, PENALTY)
        step_x, step_y = SEARCH_SIDES * old.w / SEARCH, SEARCH_SIDES * old.h / SEARCH
        self._target = Target(
            old.cx + (found.x - SEARCH / 2) * step_x,
            old.cy + (found.y - SEARCH / 2) * step_y,
            found.w * step_x,
            found.h * step_y,
        ).kept_in(image)
        return self._target.box

    def _crop(self, image: np.ndarray, sides: float, size: int) -> np.ndarray:
        target = self._target
        window = (sides * target.w, sides * target.h)
        pixels = crop(image, target, window, size, self._padding)
        return np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1)[None], np.float32)
