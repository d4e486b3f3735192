"""VitTrack 2023sep (github.com/opencv/opencv_zoo), processed as OSTrack (Ye et al., ECCV 2022)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchmarks.peers.geometry import Target, crop
from benchmarks.peers.networks import Network, read_model

TEMPLATE, SEARCH, CELLS = 128, 256, 16
TEMPLATE_SIDES, SEARCH_SIDES = 2.0, 4.0  # of the square with the box's area
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
WINDOW = np.outer(*[np.hanning(CELLS + 2)[1:-1]] * 2)  # nowhere 0


class VitTrack:
    """See the module.

    Args:
        folder: with its files.
        threads: of the processor.

    Raises:
        ValueError: a file is missing or is another network.
    """

    files = ("vittrack/object_tracking_vittrack_2023sep.onnx",)

    def __init__(self, folder: Path, threads: int = 1) -> None:
        shapes = ((1, 3, TEMPLATE, TEMPLATE), (1, 3, SEARCH, SEARCH))
        self._network = Network(read_model(folder / self.files[0], *shapes), threads)
        self.frame_networks = (self._network,)

    def init(self, image: np.ndarray, box: tuple[float, ...]) -> None:
        """Take a target."""
        self._target = Target.of_box(box)
        self._template = self._crop(image, TEMPLATE_SIDES, TEMPLATE)[0]

    def update(self, image: np.ndarray) -> tuple[float, ...]:
        """Find the target in the next image."""
        old = self._target
        search, side = self._crop(image, SEARCH_SIDES, SEARCH)
        confidence, sizes, offsets = self._network(self._template, search)
        response = confidence[0, 0] * WINDOW
        row, column = np.unravel_index(int(np.argmax(response)), response.shape)
        shift_x, shift_y = offsets[0, :, row, column]
        w, h = sizes[0, :, row, column] * side
        self._target = Target(
            old.cx + ((column + shift_x) / CELLS - 0.5) * side,
            old.cy + ((row + shift_y) / CELLS - 0.5) * side,
            float(w),
            float(h),
        ).kept_in(image)
        return self._target.box

    def _crop(self, image: np.ndarray, sides: float, size: int) -> tuple[np.ndarray, float]:
        """Network input, and the side of the window in the image."""
        target = self._target
        side = math.ceil(sides * math.sqrt(target.w * target.h))
        pixels = crop(image, target, (side, side), size, (0, 0, 0))
        values = pixels[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
        return np.ascontiguousarray((values - MEAN) / DEVIATION)[None], side
