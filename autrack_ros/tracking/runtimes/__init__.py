"""What computes for the engine: ``contract`` says what every runtime does; here one is chosen.

``openvino_runtime`` keeps it for the networks whose graphs are in this
package, on a CPU; ``torch_runtime`` for every network, also on a GPU.
"""

from __future__ import annotations

from importlib.util import find_spec

from autrack_ros.tracking.checkpoint import Checkpoint
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.graphs import find_graphs
from autrack_ros.tracking.presets import Preset
from autrack_ros.tracking.runtimes.contract import (
    PRECISIONS,
    RUNTIMES,
    Features,
    LossAndGradient,
    Prediction,
    Runtime,
    Support,
)
from autrack_ros.tracking.torch_presence import require_torch, torch_is_installed

__all__ = [
    "PRECISIONS",
    "RUNTIMES",
    "Features",
    "LossAndGradient",
    "Prediction",
    "Runtime",
    "Support",
    "make_runtime",
    "resolve_device",
    "resolve_runtime",
]


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
