"""What the engine asks of a runtime: arrays go in and come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from autrack_ros.tracking.presets import LossSettings
from autrack_ros.tracking.targets import Targets

RUNTIMES = ("auto", "torch", "openvino")
PRECISIONS = ("f32", "bf16")

Features = tuple[np.ndarray, ...]  # of a template; what they are each network knows
Support = Any  # features of support crops, as the runtime keeps them

# A template (S x S x 3 float32, 0..255) -> its loss and dL/dz, of the template's shape.
LossAndGradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Prediction(NamedTuple):
    """What a search region shows, seen with one template; one value per cell of the map."""

    score: np.ndarray  # (H, W) float32, 0..1: class probability times centre-ness
    corners: np.ndarray  # (H, W, 4) float32 inclusive corners x0, y0, x1, y1, its pixels
    features: np.ndarray | None  # (C, H, W) float32; None where a network's lie on other cells


class Runtime(Protocol):
    """A network with its weights, ready to compute.

    ``predict`` is for one thread at a time; the others may run in other threads meanwhile.

    Attributes:
        name: of ``RUNTIMES``.
        device: cpu, cuda or cuda:N.
        precision: of ``PRECISIONS``, in which frames are computed.
        stride, origin: where the cells of the response map lie (``grid.grid_offset``).
        response_shape: its rows and columns.
        memory_errors: what is raised where the device's memory is full.
    """

    name: str
    device: str
    precision: str
    stride: int
    origin: float | None
    response_shape: tuple[int, int]
    memory_errors: tuple[type[Exception], ...]

    def template(self, crop: np.ndarray, corners: np.ndarray) -> Features:
        """Features of a template.

        Args:
            crop: S x S x 3 float32 BGR, 0..255.
            corners: (4,) float32, inclusive corners of the target in it, pixels.
        """

    def support(self, crops: np.ndarray) -> Support:
        """Features of support crops, B x S x S x 3 uint8 BGR."""

    def predict(
        self, crops: np.ndarray, templates: Sequence[Sequence[Features]]
    ) -> list[list[Prediction]]:
        """Match templates with search regions, whose features are computed once.

        Args:
            crops: B x S x S x 3 uint8 BGR.
            templates: for each crop one template or more.

        Returns:
            for each crop a prediction for each of its templates.
        """

    def objective(
        self, corners: np.ndarray, support: Support, targets: Targets, loss: LossSettings
    ) -> LossAndGradient:
        """A function from a template to its loss on support crops, and the gradient.

        Args:
            corners: as of ``template``.
            support: of B crops.
            targets: labels of these.
            loss: weights of the terms.
        """

    @staticmethod
    def free_memory() -> None:
        """Give the device's memory back that nothing uses."""
