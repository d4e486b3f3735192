"""What computes a frame's prediction: PyTorch, or on a CPU OpenVINO, which takes less time.

The template and its adaptation are always PyTorch's, which has gradients.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from autrack_ros.tracking.crops import to_input
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.siamese import SiameseNetwork

if TYPE_CHECKING:
    import openvino

RUNTIMES = ("auto", "torch", "openvino")

# B search regions (B x S x S x 3 uint8 BGR) and template features (batch B) -> score (B, H, W) and
# inclusive corners (B, H, W, 4), float32, as in ``Prediction``. One thread at a time may call it.
Predictor = Callable[[np.ndarray, tuple[torch.Tensor, ...]], tuple[np.ndarray, np.ndarray]]


def resolve_runtime(name: str, device: torch.device) -> str:
    """The runtime a name stands for: auto is OpenVINO on a CPU where it is installed, else torch.

    Raises:
        ConfigurationError: no such runtime, or it cannot be had on this device or machine.
    """
    if name not in RUNTIMES:
        raise ConfigurationError(f"runtime {name!r}: accepted is one of {', '.join(RUNTIMES)}")
    on_cpu = device.type == "cpu"
    if name == "auto":
        return "openvino" if on_cpu and _openvino_is_installed() else "torch"
    if name == "openvino" and not on_cpu:
        raise ConfigurationError(
            f"runtime 'openvino' computes on a CPU and the device is {device}: choose device cpu, "
            "or runtime torch"
        )
    if name == "openvino" and not _openvino_is_installed():
        raise ConfigurationError(
            "runtime 'openvino' needs OpenVINO, which is not installed or too old: "
            "pip install -U openvino"
        )
    return name


def make_predictor(
    runtime: str,
    network: SiameseNetwork,
    device: torch.device,
    search_size: int,
    template: tuple[torch.Tensor, ...],
) -> Predictor:
    """What computes a frame's prediction.

    Args:
        runtime: torch or openvino.
        network: frozen, on the device. OpenVINO takes its weights now and as many threads as
            torch has now.
        device: of the network; the CPU for openvino.
        search_size: side of the search region, pixels.
        template: features of any template, for their shapes.
    """
    frame = FrameNetwork(network)
    if runtime == "openvino":
        search = torch.zeros(1, search_size, search_size, 3, dtype=torch.uint8)
        return _openvino_predictor(to_openvino(frame, (search, *template)))
    return _torch_predictor(frame, device)


class FrameNetwork(nn.Module):
    """All that a network computes in a frame."""

    def __init__(self, network: SiameseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, search: torch.Tensor, *template: torch.Tensor) -> torch.Tensor:
        """Search regions (B, S, S, 3) uint8, template features -> (B, H, W, 5): score, corners."""
        prediction = self.network.predict(template, self.network.search(to_input(search)))
        # One tensor: one copy from the device.
        return torch.cat((prediction.score[..., None], prediction.boxes), dim=-1)


def import_openvino() -> ModuleType:
    """OpenVINO, kept from telling Intel over the network that it is used.

    Raises:
        ImportError: it is not installed, or too old.
    """
    # pip installs openvino-telemetry with it, and then its import and its converter send reports.
    # None makes Python refuse an import, and OpenVINO goes on without what it cannot import.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino
    from openvino import convert_model  # noqa: F401  # the newest name that is used

    return openvino


def to_openvino(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> openvino.Model:
    """A frozen module as a model of OpenVINO, for inputs of these shapes."""
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # tracing fixes the shapes, and warns that it does
        return import_openvino().convert_model(
            module, example_input=inputs, input=[tuple(value.shape) for value in inputs]
        )


def forget_traced_modules() -> None:
    """Free what torch.jit keeps of all that was ever traced: 20 MB a model made for OpenVINO.

    It never does so by itself (pytorch#35600). For a program that is done with such models and
    has no TorchScript of its own.
    """
    # Private, but the only way there is; where a later torch has none, the memory stays taken.
    with suppress(AttributeError):
        torch._C._jit_clear_class_registry()
        torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
        torch.jit._state._clear_class_state()


def _torch_predictor(frame: FrameNetwork, device: torch.device) -> Predictor:
    def predict(
        search: np.ndarray, template: tuple[torch.Tensor, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        # Two by two on a CPU: the first maps of eight are blocks above 32 MB, which malloc asks the
        # kernel for every time (see memory.py), and that takes half as long again.
        at_once = 2 if device.type == "cpu" else len(search)
        batches = zip(
            *(value.split(at_once) for value in (torch.from_numpy(search), *template)), strict=True
        )
        with torch.inference_mode():
            maps = [frame(regions.to(device), *rest).cpu() for regions, *rest in batches]
        return _score_and_corners(torch.cat(maps).numpy())

    return predict


def _openvino_predictor(model: openvino.Model) -> Predictor:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # as torch; some processors would take bf16 or f16
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # the cores that it chooses may have other work
    }
    core = import_openvino().Core()
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    inputs = [tensor.data for tensor in request.input_tensors]

    def infer(values: tuple[np.ndarray, ...]) -> np.ndarray:
        # Copied into place: ``request.infer(values)`` spends 0.25 ms on what the values may be.
        for own, value in zip(inputs, values, strict=True):
            own[0] = value
        return request.infer()[0]

    def predict(
        search: np.ndarray, template: tuple[torch.Tensor, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        # One by one: measured on a core, eight in a batch take a quarter longer than in turn.
        rows = zip(search, *(value.numpy() for value in template), strict=True)
        return _score_and_corners(np.concatenate([infer(row) for row in rows]))

    return predict


def _score_and_corners(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(maps[..., 0]), maps[..., 1:]


def _openvino_is_installed() -> bool:
    try:
        import_openvino()
    except ImportError:
        return False
    return True
