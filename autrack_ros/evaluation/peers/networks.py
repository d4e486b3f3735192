"""Networks in OpenVINO, ONNX files through its reader; without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from autrack_ros.tracking.errors import CheckpointError, ConfigurationError
from autrack_ros.tracking.runtimes import openvino_runtime

if TYPE_CHECKING:
    import openvino


def import_openvino() -> ModuleType:
    """OpenVINO as ``tracking.runtimes.openvino_runtime`` loads it, with an error of ours.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return openvino_runtime.import_openvino()
    except ImportError as error:
        raise ConfigurationError(
            "the network needs OpenVINO, which is not installed: pip install openvino"
        ) from error


def openvino_version() -> str:
    """Its version; raises ConfigurationError where it is not installed."""
    return import_openvino().__version__


class Network:
    """A network ready to run.

    Args:
        model: of OpenVINO.
        threads: of the processor.
    """

    def __init__(self, model: openvino.Model, threads: int) -> None:
        self.model = model
        self._request = infer_request(import_openvino().Core(), model, threads)

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """All outputs, in the model's order; they are overwritten by the next call."""
        outputs = self._request.infer(list(inputs), share_inputs=True, share_outputs=True)
        return list(outputs.values())


def read_model(path: Path, *shapes: Sequence[int]) -> openvino.Model:
    """A file that OpenVINO can read, with inputs of these shapes.

    Raises:
        CheckpointError: there is no such file, it is no network, or the shapes do not fit.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        model = import_openvino().Core().read_model(path)
    except RuntimeError as error:
        raise CheckpointError(f"{path} is no network that OpenVINO can read") from error
    if len(model.inputs) != len(shapes):
        raise CheckpointError(f"{path} has {len(model.inputs)} inputs, {len(shapes)} are expected")
    try:
        model.reshape({node: list(shape) for node, shape in zip(model.inputs, shapes, strict=True)})
    except RuntimeError as error:
        raise CheckpointError(f"{path} takes no inputs of {', '.join(map(str, shapes))}") from error
    return model


def infer_request(
    core: openvino.Core, model: openvino.Model, threads: int = 1
) -> openvino.InferRequest:
    """A network made ready in float32."""
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # the core that it chooses may have other work
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    return core.compile_model(model, "CPU", settings).create_infer_request()


def count_parameters(models: Sequence[openvino.Model]) -> int:
    """Floating-point constants of networks, batch normalisation folded."""
    return sum(
        math.prod(operation.output(0).shape)
        for model in models
        for operation in model.get_ops()
        if operation.get_type_name() == "Constant" and operation.get_element_type().is_real()
    )
