"""NanoTrack v2 (github.com/HonglinChu/SiamTrackers), processed as OpenCV's TrackerNano does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autrack_ros.evaluation.peers.networks import Network, read_model
from autrack_ros.evaluation.peers.windows import Target, crop
from benchmarks.peers.geometry import choose, context_side, mean_color

TEMPLATE, SEARCH = 127, 255
POINTS = (np.arange(16) - 8) * 16.0 + SEARCH // 2
WINDOW, PENALTY, RATE = 0.455, 0.055, 0.37


class NanoTrack:
    """See the module.

    Args:
        folder: with its files.
        threads: of the processor.

    Raises:
        CheckpointError: a file is missing or is another network.
    """

    files = ("nanotrack_v2/nanotrack_backbone_sim.onnx", "nanotrack_v2/nanotrack_head_sim.onnx")

    def __init__(self, folder: Path, threads: int = 1) -> None:
        backbone, head = (folder / file for file in self.files)
        template = read_model(backbone, (1, 3, TEMPLATE, TEMPLATE))
        self._template = Network(template, threads)
        search = read_model(backbone, (1, 3, SEARCH, SEARCH))
        head_model = read_model(head, (1, 48, 8, 8), (1, 48, 16, 16))
        self._search, self._head = Network(search, threads), Network(head_model, threads)
        self.frame_networks = (self._search, self._head)

    def init(self, image: np.ndarray, box: tuple[float, ...]) -> None:
        """Take a target; OpenCV's class takes whole pixels."""
        self._target = Target.of_box(tuple(map(round, box)))
        side = int(context_side(self._target.w, self._target.h))
        self._features = self._template(self._crop(image, side, TEMPLATE))[0].copy()

    def update(self, image: np.ndarray) -> tuple[float, ...]:
        """Find the target in the next image."""
        old = self._target
        side = float(context_side(old.w, old.h))
        scale = TEMPLATE / side
        search = self._search(self._crop(image, int(2 * side), SEARCH))[0]
        logits, distances = self._head(self._features, search)
        score = 1 / (1 + np.exp(logits[0, 0] - logits[0, 1]))
        size = (old.w * scale, old.h * scale)
        found = choose(score, distances[0], POINTS, size, WINDOW, PENALTY)
        rate = found.penalty * found.score * RATE
        self._target = Target(
            old.cx + (found.x - SEARCH // 2) / scale,
            old.cy + (found.y - SEARCH // 2) / scale,
            old.w + rate * (found.w / scale - old.w),
            old.h + rate * (found.h / scale - old.h),
        ).kept_in(image)
        return self._target.box

    def _crop(self, image: np.ndarray, side: int, size: int) -> np.ndarray:
        pixels = crop(image, self._target, (side, side), size, mean_color(image))
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
