"""A network in OpenVINO, on a CPU; no torch."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from autrack_ros.tracking.checkpoint import Checkpoint, check_fit
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.graphs import Graphs
from autrack_ros.tracking.presets import LossSettings, Preset
from autrack_ros.tracking.runtimes.blob_cache import BlobCache
from autrack_ros.tracking.runtimes.contract import Features, LossAndGradient, Prediction, Support
from autrack_ros.tracking.targets import Targets
from autrack_ros.tracking.threads import thread_count

if TYPE_CHECKING:
    import openvino

CAPABILITIES, BF16 = "OPTIMIZATION_CAPABILITIES", "BF16"  # of the processor


def import_openvino() -> ModuleType:
    """OpenVINO, kept from telling Intel over the network that it is used.

    Raises:
        ImportError: it is not installed.
    """
    # pip installs openvino-telemetry with it, and then its import and its converter send reports.
    # None makes Python refuse an import, and OpenVINO goes on without what it cannot import.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVINORuntime:
    """See ``Runtime``. It takes as many threads as ``thread_count`` says now.

    Args:
        graphs: of the network.
        weights: of it, by key, finite and of the forms that the graphs name.
        digest: of the weights, which names them in the cache; empty: nothing is cached.
        precision: in which frames are computed; templates and gradients are in f32.

    Raises:
        ConfigurationError: the processor has no such precision.
    """

    name = "openvino"
    device = "cpu"
    memory_errors: tuple[type[Exception], ...] = ()

    def __init__(
        self,
        graphs: Graphs,
        weights: Mapping[str, np.ndarray],
        digest: str = "",
        precision: str = "f32",
    ) -> None:
        self._graphs = graphs
        self._weights = weights
        self._digest = digest
        self._core = import_openvino().Core()
        self._cache = BlobCache.of_user()
        self._threads = thread_count()
        self.precision = precision
        if precision == "bf16" and BF16 not in self._core.get_property("CPU", CAPABILITIES):
            raise ConfigurationError(
                "precision 'bf16': this processor does not have it; accepted here is f32"
            )
        self.stride, self.origin = graphs.stride, graphs.origin
        search = self._compile("search", self.precision)
        prediction = self._compile("prediction", self.precision)
        self._frame = _Frame(search, prediction)
        self.response_shape = self._frame.response_shape
        self._template = self._compile("template")
        self._support = search
        self._objective: openvino.CompiledModel | None = None  # until a template is adapted
        self._lock = threading.Lock()

    @classmethod
    def of_checkpoint(
        cls, graphs: Graphs, checkpoint: Checkpoint, preset: Preset, precision: str
    ) -> OpenVINORuntime:
        """With weights that may not fit; raises CheckpointError if so."""
        check_fit(checkpoint, graphs.weights, preset.name)
        return cls(graphs, checkpoint.weights, checkpoint.digest, precision)

    def template(self, crop: np.ndarray, corners: np.ndarray) -> Features:
        """See ``Runtime``."""
        request = _request(self._template, {"crop": crop[None], "corners": corners[None]})
        request.infer(share_outputs=True)
        return tuple(tensor.data.copy() for tensor in request.output_tensors)

    def support(self, crops: np.ndarray) -> Support:
        """See ``Runtime``."""
        request = self._support.create_infer_request()
        maps: list[list[np.ndarray]] = []
        for crop in crops:
            request.infer([crop[None]], share_outputs=True)
            maps.append([tensor.data.copy() for tensor in request.output_tensors])
        return tuple(map(np.concatenate, zip(*maps, strict=True)))

    def predict(
        self, crops: np.ndarray, templates: Sequence[Sequence[Features]]
    ) -> list[list[Prediction]]:
        """See ``Runtime``."""
        # One by one: measured on a core, eight in a batch take a quarter longer than in turn.
        return [self._frame(crop, seen) for crop, seen in zip(crops, templates, strict=True)]

    def objective(
        self, corners: np.ndarray, support: Support, targets: Targets, loss: LossSettings
    ) -> LossAndGradient:
        """See ``Runtime``."""
        terms = (loss.focal_alpha, loss.focal_gamma, loss.ctr_weight, loss.reg_weight)
        known = {"corners": corners[None], "loss": np.array(terms, np.float32)}
        known |= targets._asdict() | {f"map{index}": maps for index, maps in enumerate(support)}
        request = _request(self._compiled_objective(), known)

        def loss_and_gradient(template: np.ndarray) -> tuple[float, np.ndarray]:
            request.get_tensor("crop").data[0] = template
            request.infer(share_outputs=True)
            value, gradient = (tensor.data for tensor in request.output_tensors)
            return float(value.item()), gradient[0].copy()

        return loss_and_gradient

    @staticmethod
    def free_memory() -> None:
        """See ``Runtime``."""

    def _compiled_objective(self) -> openvino.CompiledModel:
        with self._lock:
            if self._objective is None:
                self._objective = self._compile("objective")
            return self._objective

    def _compile(self, part: str, precision: str = "f32") -> openvino.CompiledModel:
        """A graph with its weights, compiled, or out of the cache."""
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": self._threads,
            "ENABLE_CPU_PINNING": False,  # the cores that it chooses may have other work
        }

        def compile_model() -> openvino.CompiledModel:
            return self._core.compile_model(self._read(part), "CPU", options)

        if not self._digest:
            return compile_model()
        key: list[str | bytes] = [import_openvino().__version__, _processor(self._core)]
        key += [self._digest, str(sorted(options.items()))]
        key += [path.read_bytes() for path in self._graphs.files(part)]
        return self._cache.get(
            part, key, lambda blob: self._core.import_model(blob, "CPU", options), compile_model
        )

    def _read(self, part: str) -> openvino.Model:
        """A graph with its weights as constants."""
        model = read_graph(self._core, self._graphs, part)
        for parameter in model.get_parameters():
            key = parameter.get_friendly_name()
            if key in self._weights:
                constant = import_openvino().op.Constant(self._weights[key], shared_memory=True)
                parameter.output(0).replace(constant.output(0))
                model.remove_parameter(parameter)
        return model


def read_graph(core: openvino.Core, graphs: Graphs, part: str) -> openvino.Model:
    """A graph as it is in the package, with its weights as inputs."""
    form, constants = (path.read_bytes() for path in graphs.files(part))
    return core.read_model(gzip.decompress(form), constants)


class _Frame:
    """Search features and predictions of a frame; the first are handed over without a copy."""

    def __init__(self, search: openvino.CompiledModel, prediction: openvino.CompiledModel) -> None:
        self._search, self._prediction = (
            model.create_infer_request() for model in (search, prediction)
        )
        for index, tensor in enumerate(self._search.output_tensors):
            self._search.set_output_tensor(index, tensor)
            self._prediction.set_tensor(f"map{index}", tensor)
        self._crop: np.ndarray = self._search.input_tensors[0].data
        self._cells: np.ndarray = self._search.output_tensors[0].data[0]
        names = [port.get_any_name() for port in prediction.inputs]
        count = sum(name.startswith("feature") for name in names)
        self._features = [self._prediction.get_tensor(f"feature{i}").data for i in range(count)]
        rows, cols = prediction.outputs[0].shape[1:3]
        self.response_shape: tuple[int, int] = (rows, cols)

    def __call__(self, crop: np.ndarray, templates: Sequence[Features]) -> list[Prediction]:
        # Copied into place: ``request.infer(values)`` spends 0.25 ms on what the values may be.
        self._crop[0] = crop
        self._search.infer(share_outputs=True)
        cells = self._cells.copy()
        return [self._predict(features, cells) for features in templates]

    def _predict(self, features: Features, cells: np.ndarray) -> Prediction:
        for own, value in zip(self._features, features, strict=True):
            own[...] = value
        maps = self._prediction.infer(share_outputs=True)[0][0]
        return Prediction(maps[..., 0].copy(), maps[..., 1:].copy(), cells)


def _processor(core: openvino.Core) -> str:
    """Its name and what it can; virtual machines call different ones alike."""
    named = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", CAPABILITIES)]
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{named} {flags}"


def _request(
    model: openvino.CompiledModel, values: Mapping[str, np.ndarray]
) -> openvino.InferRequest:
    """A request of its own with these inputs; a graph has only those that the network looks at."""
    request = model.create_infer_request()
    names = {port.get_any_name() for port in model.inputs}
    for name, value in values.items():
        if name in names:
            request.set_tensor(name, import_openvino().Tensor(np.ascontiguousarray(value)))
    return request
