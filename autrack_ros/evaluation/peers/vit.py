"""VitTrack 2023sep (github.com/opencv/opencv_zoo), processed as OSTrack (Ye et al., ECCV 2022).

OpenCV's TrackerVit runs the same file, but cuts and weighs otherwise, and loses much by it (see
docs/benchmarks.md). The file is not ours to ship; opencv_zoo has it.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.peers.networks import Network, read_model
from autrack_ros.evaluation.peers.windows import Target, crop
from autrack_ros.evaluation.runner import Answer
from autrack_ros.tracking.boxes import Box, validate_box

TEMPLATE, SEARCH, CELLS = 128, 256, 16
TEMPLATE_SIDES, SEARCH_SIDES = 2.0, 4.0  # of the square with the box's area
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
WINDOW = np.outer(*[np.hanning(CELLS + 2)[1:-1]] * 2)  # nowhere 0


class VitTracker:
    """See the module.

    Args:
        file: of the network.
        threads: of the processor.

    Attributes:
        network: what is computed in a frame.

    Raises:
        ConfigurationError: OpenVINO is not installed.
        CheckpointError: the file is missing or is another network.
    """

    def __init__(self, file: Path, threads: int) -> None:
        shapes = ((1, 3, TEMPLATE, TEMPLATE), (1, 3, SEARCH, SEARCH))
        self.network = Network(read_model(file, *shapes), threads)

    def initialize(self, image: np.ndarray, box: Box) -> None:
        """Take a target.

        Args:
            image: HxWx3 uint8 BGR.
            box: the target, edge coordinates.

        Raises:
            InvalidBoxError: as our tracker has it.
        """
        validate_box(box, image.shape[1], image.shape[0])
        self._target = Target.of_box(box)
        self._template = self._crop(image, TEMPLATE_SIDES, TEMPLATE)[0]

    def update(self, image: np.ndarray) -> Answer:
        """Find the target in the next image, HxWx3 uint8 BGR.

        The score is the confidence of the best cell, before the window.
        """
        old = self._target
        search, side = self._crop(image, SEARCH_SIDES, SEARCH)
        confidence, sizes, offsets = self.network(self._template, search)
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
        return Answer(Box(*map(float, self._target.box)), float(confidence[0, 0, row, column]))

    def _crop(self, image: np.ndarray, sides: float, size: int) -> tuple[np.ndarray, float]:
        """Network input, and the side of the window in the image."""
        target = self._target
        side = math.ceil(sides * math.sqrt(target.w * target.h))
        pixels = crop(image, target, (side, side), size, (0, 0, 0))
        values = pixels[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
        return np.ascontiguousarray((values - MEAN) / DEVIATION)[None], side
