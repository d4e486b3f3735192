"""A network in torch: every one, also on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.checkpoint import fill
from autrack_ros.networks.fuse import fuse_batch_norm
from autrack_ros.networks.losses import tracking_loss
from autrack_ros.networks.siamese import SearchFeatures, SiameseNetwork
from autrack_ros.tracking import threads
from autrack_ros.tracking.checkpoint import Checkpoint
from autrack_ros.tracking.errors import ConfigurationError, DeviceError
from autrack_ros.tracking.presets import LossSettings, Preset
from autrack_ros.tracking.runtimes.contract import Features, LossAndGradient, Prediction
from autrack_ros.tracking.targets import Targets

if threads.chosen is not None:  # before torch was loaded
    torch.set_num_threads(threads.chosen)

TensorLossAndGradient = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def find_device(name: str) -> str:
    """The device a name stands for: auto is the first CUDA device where there is one, else the CPU.

    Raises:
        DeviceError: not a device of this machine.
    """
    count = torch.cuda.device_count()
    if name == "auto":
        return "cuda" if count else "cpu"
    present = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if name not in present:
        raise DeviceError(f"device {name!r}: this machine has auto, {', '.join(present)}")
    return name


class TorchRuntime:
    """See ``Runtime``.

    Args:
        network: with its weights; a frozen copy without batch normalisation is used.
        preset: sizes of the crops.
        device: where it runs.
        precision: f32; torch has no other here.

    Attributes:
        network: the copy.

    Raises:
        ConfigurationError: another precision.
    """

    name = "torch"
    precision = "f32"
    memory_errors: tuple[type[Exception], ...] = (torch.cuda.OutOfMemoryError,)

    def __init__(
        self,
        network: SiameseNetwork,
        preset: Preset,
        device: torch.device | str = "cpu",
        precision: str = "f32",
    ) -> None:
        if precision != self.precision:
            raise ConfigurationError(f"precision {precision!r} in runtime torch: accepted is f32")
        self._device = torch.device(device)
        self.device = str(device)
        fused = fuse_batch_norm(network).to(self._device)
        # Channels last: up to twice as fast on a CPU. (torch's stubs lack this overload.)
        self.network = fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.stride, self.origin = network.stride, network.origin
        # Measured on the real response map; also the slow first run.
        template, search = preset.settings.template_size, preset.settings.search_size
        self._template_shape = (template, template, 3)
        features = self.template(
            np.zeros(self._template_shape, np.float32), np.array([0, 0, 1, 1], np.float32)
        )
        (seen,) = self.predict(np.zeros((1, search, search, 3), np.uint8), [[features]])
        rows, cols = seen[0].score.shape
        self.response_shape: tuple[int, int] = (rows, cols)

    @classmethod
    def of_checkpoint(
        cls, checkpoint: Checkpoint, preset: Preset, device: str, precision: str
    ) -> TorchRuntime:
        """With weights that may not fit; raises CheckpointError if so."""
        network = NETWORKS[preset.network]()
        fill(network, checkpoint, preset.name)
        return cls(network, preset, device, precision)

    def template(self, crop: np.ndarray, corners: np.ndarray) -> Features:
        """See ``Runtime``."""
        with torch.inference_mode():
            features = self.network.template(self._input(crop[None]), self._tensor(corners[None]))
        return tuple(values.contiguous().cpu().numpy() for values in features)

    def support(self, crops: np.ndarray) -> SearchFeatures:
        """See ``Runtime``."""
        with torch.no_grad():
            return self.network.search(self._input(crops))

    def predict(
        self, crops: np.ndarray, templates: Sequence[Sequence[Features]]
    ) -> list[list[Prediction]]:
        """See ``Runtime``."""
        # Two by two on a CPU: the first maps of eight are blocks above 32 MB, which malloc asks the
        # kernel for every time (see memory.py), and that takes half as long again.
        at_once = 2 if self._device.type == "cpu" else max(len(crops), 1)
        found: list[list[Prediction]] = []
        for first in range(0, len(crops), at_once):
            found += self._predict(
                crops[first : first + at_once], templates[first : first + at_once]
            )
        return found

    def _predict(
        self, crops: np.ndarray, templates: Sequence[Sequence[Features]]
    ) -> list[list[Prediction]]:
        counts = [len(seen) for seen in templates]
        every = [features for seen in templates for features in seen]
        features = tuple(
            self._tensor(np.concatenate(values)) for values in zip(*every, strict=True)
        )
        with torch.inference_mode():
            search = self.network.search(self._input(crops))
            shown = search.maps[0]
            if max(counts) > 1:
                repeats = torch.tensor(counts, device=self._device)
                maps = tuple(value.repeat_interleave(repeats, 0) for value in search.maps)
                search = search._replace(maps=maps)
            prediction = self.network.predict(features, search)
            # One tensor: one copy from the device.
            values = torch.cat((prediction.score[..., None], prediction.boxes), dim=-1)
            maps_of_all = values.cpu().numpy()
            aligned = shown.shape[-2:] == values.shape[1:3]
            cells = shown.float().cpu().numpy() if aligned else [None] * len(crops)
        regions = np.repeat(np.arange(len(crops)), counts)
        pairs = [
            Prediction(np.ascontiguousarray(maps[..., 0]), maps[..., 1:], cells[region])
            for maps, region in zip(maps_of_all, regions, strict=True)
        ]
        ends = np.cumsum([0, *counts]).tolist()
        return [pairs[first:end] for first, end in pairwise(ends)]

    def objective(
        self, corners: np.ndarray, support: SearchFeatures, targets: Targets, loss: LossSettings
    ) -> LossAndGradient:
        """See ``Runtime``."""
        labels = Targets(*map(self._tensor, targets))
        step = tensor_objective(self.network, self._tensor(corners[None]), support, labels, loss)
        if self._device.type == "cuda":
            step = _captured(step, torch.zeros(self._template_shape, device=self._device))

        def loss_and_gradient(template: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = step(self._tensor(template))
            return value.item(), gradient.cpu().numpy()

        return loss_and_gradient

    @staticmethod
    def free_memory() -> None:
        """See ``Runtime``."""
        torch.cuda.empty_cache()

    def _input(self, crops: np.ndarray) -> torch.Tensor:
        return _to_input(self._tensor(crops))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)


def tensor_objective(
    network: SiameseNetwork,
    corners: torch.Tensor,
    support: SearchFeatures,
    targets: Targets,
    loss: LossSettings,
) -> TensorLossAndGradient:
    """As ``Runtime.objective``, of tensors; nothing in it waits for the device.

    Only what depends on the template is computed.
    """

    def loss_and_gradient(template: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.enable_grad():
            z = template.detach().requires_grad_(True)
            prediction = network.predict(network.template(_to_input(z[None]), corners), support)
            total = tracking_loss(prediction, targets, loss).total
            (gradient,) = torch.autograd.grad(total, z)
        return total.detach(), gradient

    return loss_and_gradient


def _to_input(crops: torch.Tensor) -> torch.Tensor:
    """B x H x W x 3 BGR, 0..255 -> B x 3 x H x W float32, in the memory as it was."""
    return crops.permute(0, 3, 1, 2).float()


def _captured(function: TensorLossAndGradient, example: torch.Tensor) -> TensorLossAndGradient:
    """The same function as a CUDA graph, replayed on a static input.

    Launching its small kernels one by one takes longer than running them.
    """
    static = example.clone()
    stream = torch.cuda.Stream(static.device)
    stream.wait_stream(torch.cuda.current_stream(static.device))
    with torch.cuda.stream(stream):  # libraries choose their kernels outside the capture
        for _ in range(3):
            function(static)
    torch.cuda.current_stream(static.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Without a stream the capture would be on the current device, whichever the tensors are on.
    # Other threads may track meanwhile: what they allocate must not end the capture.
    capture = torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local")
    with torch.cuda.device(static.device), capture:
        loss, gradient = function(static)

    def replay(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        static.copy_(z)
        graph.replay()
        return loss.clone(), gradient.clone()

    replay.captured = function  # type: ignore[attr-defined]  # the graph reads its tensors' memory
    return replay
