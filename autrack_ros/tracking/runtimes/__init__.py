"""What computes for the engine: the contract that every runtime keeps, and the choice of one.

Arrays go in and come out. ``openvino_runtime`` keeps it for the networks whose graphs are in this
package, on a CPU; ``torch_runtime`` for every network, also on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np

from autrack_ros.tracking.checkpoint import Checkpoint
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.graphs import find_graphs
from autrack_ros.tracking.presets import LossSettings, Preset
from autrack_ros.tracking.targets import Targets
from autrack_ros.tracking.torch_presence import require_torch, torch_is_installed

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


def resolve_device(name: str) -> str:
    """The device a name stands for: auto is a CUDA device where torch has one, else the CPU.

    Raises:
        DeviceError: not a device of this machine.
        ConfigurationError: a CUDA device, and torch is not installed.
    """
    if name == "cpu":
        return name
    if name == "auto" and not _cuda_is_likely():
        return "cpu"
    if name.startswith("cuda"):
        require_torch(f"device {name!r}")
    from autrack_ros.tracking.runtimes.torch_runtime import find_device

    return find_device(name)


def resolve_runtime(name: str, device: str, preset: Preset) -> str:
    """The runtime a name stands for: auto is OpenVINO where that can be, else torch.

    Raises:
        ConfigurationError: no such runtime, or it cannot be had for this device, preset or machine.
    """
    if name not in RUNTIMES:
        raise ConfigurationError(f"runtime {name!r}: accepted is one of {', '.join(RUNTIMES)}")
    has_graphs = find_graphs(preset.network) is not None
    if name == "auto":
        can = device == "cpu" and has_graphs and _openvino_is_installed()
        name = "openvino" if can else "torch"
    elif name == "openvino" and device != "cpu":
        raise ConfigurationError(
            f"runtime 'openvino' computes on a CPU and the device is {device}: choose device cpu, "
            "or runtime torch"
        )
    elif name == "openvino" and not has_graphs:
        raise ConfigurationError(
            f"runtime 'openvino' has no graphs of {preset.name} in this package: choose runtime "
            "torch"
        )
    elif name == "openvino" and not _openvino_is_installed():
        raise ConfigurationError(
            "runtime 'openvino' needs OpenVINO, which is not installed: pip install openvino"
        )
    if name == "torch":
        require_torch(f"preset {preset.name} on {device}, in runtime torch,")
    return name


def make_runtime(
    name: str, checkpoint: Checkpoint, preset: Preset, device: str = "cpu", precision: str = "f32"
) -> Runtime:
    """A network with its weights in a runtime.

    Args:
        name: torch or openvino, as ``resolve_runtime`` gives it.
        checkpoint: its weights.
        preset: names the network and the sizes of its crops.
        device: as ``resolve_device`` gives it.
        precision: in which frames are computed.

    Raises:
        CheckpointError: the weights are not of this network.
        ConfigurationError: no such precision, or the runtime does not have it.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(
            f"precision {precision!r}: accepted is one of {', '.join(PRECISIONS)}"
        )
    if name == "openvino":
        from autrack_ros.tracking.runtimes.openvino_runtime import OpenVINORuntime

        graphs = find_graphs(preset.network)
        assert graphs is not None, "resolve_runtime has looked"
        return OpenVINORuntime.of_checkpoint(graphs, checkpoint, preset, precision)
    from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime.of_checkpoint(checkpoint, preset, device, precision)


def _openvino_is_installed() -> bool:
    try:
        return find_spec("openvino") is not None
    except (ImportError, ValueError):  # something keeps it from being imported
        return False


def _cuda_is_likely() -> bool:
    """Whether torch, whose import takes seconds, is worth being asked for a CUDA device."""
    if not torch_is_installed():
        return False
    import ctypes

    try:
        ctypes.CDLL("libcuda.so.1")  # NVIDIA's driver, on a Jetson too
    except OSError:
        return False
    return True
