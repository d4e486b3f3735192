"""One target through a sequence of images: the contract that everything above this layer uses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from autrack_ros.tracking.adaptation import AdaptationReport, AdaptationSettings, adapt_template
from autrack_ros.tracking.boxes import Box, validate_box
from autrack_ros.tracking.calibration import Calibration
from autrack_ros.tracking.checkpoint import load_weights
from autrack_ros.tracking.crops import CropGeometry, context_side, crop, mean_color, to_tensor
from autrack_ros.tracking.errors import DeviceError, InvalidImageError
from autrack_ros.tracking.fuse import fuse_batch_norm
from autrack_ros.tracking.networks import NETWORKS
from autrack_ros.tracking.postprocess import cosine_window, select
from autrack_ros.tracking.presets import DEFAULT_PRESET, Preset, find_preset
from autrack_ros.tracking.runtime import make_predictor, resolve_runtime
from autrack_ros.tracking.siamese import SiameseNetwork, grid_offset, response_grid
from autrack_ros.tracking.targets import Targets, make_targets


@dataclass(frozen=True, slots=True)
class TrackResult:
    """One frame's result; affine maps are float64 2x3, the image in edge coordinates (boxes.py)."""

    box: Box
    score: float  # 0..1: probability that the overlap with the target is above 0.5, see Tracker
    response: np.ndarray  # (rows, cols) float32, 0..1: the score of every cell, before the window
    response_to_image: np.ndarray  # (column, row) of a cell -> its centre in the image
    search: np.ndarray  # size x size x 3 uint8 BGR: the search region the network saw
    search_to_image: np.ndarray  # edge coordinates of the search region -> image


@dataclass(frozen=True, slots=True)
class _Target:
    """State of the target; positions and sizes in image pixels, Python floats (float64)."""

    center: tuple[float, float]  # pixel-centre coordinates
    size: tuple[float, float]
    padding: tuple[float, ...]  # colour outside the image: the first frame's mean
    image_shape: tuple[int, ...]
    template: torch.Tensor  # (1, 3, S, S)
    adapted_template: torch.Tensor
    features: tuple[torch.Tensor, ...]  # of the adapted template


class Tracker:
    """Follows one target. One thread at a time may call it.

    Args:
        network: any ``SiameseNetwork`` with its weights.
        preset: its settings and losses.
        adaptation: how the template is adapted in ``initialize``.
        device: where the network runs.
        calibration: from the chosen cell's response to the probability that its box overlaps the
            target by more than 0.5, fitted to the weights. Without it the response, class
            probability times centre-ness, is given as the score.
        runtime: what computes a frame's prediction: auto, torch or openvino (see load_tracker).

    Raises:
        ConfigurationError: the runtime cannot be had.
    """

    def __init__(
        self,
        network: SiameseNetwork,
        preset: Preset,
        adaptation: AdaptationSettings | None = None,
        device: torch.device | str = "cpu",
        calibration: Calibration | None = None,
        runtime: str = "torch",
    ) -> None:
        self.calibration = calibration
        self.preset = preset
        self.settings = preset.settings
        self.adaptation = adaptation or AdaptationSettings()
        self.device = torch.device(device)
        self.runtime = resolve_runtime(runtime, self.device)
        fused = fuse_batch_norm(network).to(self.device)
        # Channels last: up to twice as fast on a CPU. (torch's stubs lack this overload.)
        self.network = fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._target: _Target | None = None
        size, features = self.settings.search_size, self._blank_features()
        self._predict = make_predictor(self.runtime, self.network, self.device, size, features)
        # Measured on the real response map; also the slow first run.
        score, _ = self._predict(np.zeros((size, size, 3), np.uint8), features)
        self._response_shape: tuple[int, int] = score.shape
        self._window = cosine_window(*self._response_shape)

    @property
    def initialized(self) -> bool:
        """Whether there is a target."""
        return self._target is not None

    @property
    def template(self) -> np.ndarray:
        """Template crop, S x S x 3 float32 BGR, 0..255."""
        return _to_array(self._require_target().template)

    @property
    def adapted_template(self) -> np.ndarray:
        """Template in use, S x S x 3 float32 BGR, 0..255; not rounded to whole grey levels."""
        return _to_array(self._require_target().adapted_template)

    def reset(self) -> None:
        """Forget the target."""
        self._target = None

    def initialize(
        self,
        image: np.ndarray,
        box: Box,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> AdaptationReport:
        """Take a target and adapt its template to it.

        Args:
            image: HxWx3 uint8 BGR.
            box: the target, edge coordinates.
            should_cancel: asked before every adaptation step; once true, the best template so far
                is kept.

        Raises:
            InvalidImageError, InvalidBoxError: the target tracked before is kept.
        """
        _validate_image(image)
        height, width = image.shape[:2]
        validate_box(box, width, height)
        padding = mean_color(image)
        geometry = self._template_geometry(box)
        template = to_tensor(crop(image, geometry, padding), self.device)
        corners = self._corners([geometry.to_crop(box)])
        adapted, report = self._adapt(image, box, template, corners, padding, should_cancel)
        with torch.inference_mode():
            features = self.network.template(adapted, corners)
        self._target = _Target(
            center=box.pixel_center,
            size=(box.w, box.h),
            padding=padding,
            image_shape=image.shape,
            template=template,
            adapted_template=adapted,
            features=features,
        )
        return report

    def place(self, box: Box) -> None:
        """Say where the target is now, when something else knows; the template is kept.

        Args:
            box: where and how large the next search starts from, edge coordinates.

        Raises:
            RuntimeError: called before ``initialize``.
            InvalidBoxError: not a box in the image of ``initialize``.
        """
        target = self._require_target()
        validate_box(box, target.image_shape[1], target.image_shape[0])
        self._target = replace(target, center=box.pixel_center, size=(box.w, box.h))

    def update(self, image: np.ndarray) -> TrackResult:
        """Find the target in the next image.

        Args:
            image: HxWx3 uint8 BGR, of the size of the image of ``initialize``.

        Raises:
            RuntimeError: called before ``initialize``.
            InvalidImageError: not such an image; the state is kept.
        """
        target = self._require_target()
        _validate_image(image)
        if image.shape != target.image_shape:
            raise InvalidImageError(
                f"image is {_size(image.shape)}, the target was initialised in "
                f"{_size(target.image_shape)}: initialise again after a change of size"
            )
        geometry = self._search_geometry(target.center, target.size)
        search = crop(image, geometry, target.padding)
        score, corners = self._predict(search, target.features)
        selection = select(
            score,
            corners,
            (target.size[0] * geometry.scale, target.size[1] * geometry.scale),
            self._window,
            self.settings,
        )
        found = geometry.to_image(Box.from_pixel_center(*selection.center, *selection.size))
        rate = selection.penalty * selection.score * self.settings.test_lr
        height, width = image.shape[:2]
        center = (_clamp(found.pixel_center[0], 0, width), _clamp(found.pixel_center[1], 0, height))
        min_side = self.settings.min_side
        size = (
            _clamp(target.size[0] * (1 - rate) + found.w * rate, min_side, width),
            _clamp(target.size[1] * (1 - rate) + found.h * rate, min_side, height),
        )
        self._target = replace(target, center=center, size=size)
        return TrackResult(
            box=Box.from_pixel_center(*center, *size),
            score=self.calibration(selection.score) if self.calibration else selection.score,
            response=score,
            response_to_image=self._response_to_image(geometry),
            search=search,
            search_to_image=_edges(geometry.crop_to_image),
        )

    def _blank_features(self) -> tuple[torch.Tensor, ...]:
        """Template features of a black crop, for their shapes."""
        size = self.settings.template_size
        with torch.inference_mode():
            return self.network.template(
                torch.zeros(1, 3, size, size, device=self.device),
                torch.tensor([[0.0, 0.0, 1.0, 1.0]], device=self.device),
            )

    def _adapt(
        self,
        image: np.ndarray,
        box: Box,
        template: torch.Tensor,
        template_corners: torch.Tensor,
        padding: tuple[float, ...],
        should_cancel: Callable[[], bool],
    ) -> tuple[torch.Tensor, AdaptationReport]:
        settings = self.adaptation
        if not settings.enabled:
            return template, AdaptationReport.skipped(settings.method, "disabled")
        if min(box.w, box.h) < settings.min_target_side:
            return template, AdaptationReport.skipped(settings.method, "target_too_small")
        windows = self._support_windows(box)
        crops = np.stack([crop(image, window, padding) for window in windows])
        with torch.no_grad():
            search = self.network.search(to_tensor(crops, self.device))
        targets = self._targets([window.to_crop(box) for window in windows])
        return adapt_template(
            self.network,
            template,
            template_corners,
            search,
            targets,
            self.preset.loss,
            settings,
            should_cancel,
        )

    def _support_windows(self, box: Box) -> list[CropGeometry]:
        """Search windows around the target: the centred one, then shifted and scaled ones."""
        settings = self.adaptation
        centered = self._search_geometry(box.pixel_center, (box.w, box.h))
        generator = np.random.default_rng(settings.seed)
        windows = [centered]
        for _ in range(settings.support_crops - 1):
            shift_x, shift_y = generator.uniform(-1, 1, 2) * settings.support_shift * centered.side
            zoom = math.exp(generator.uniform(-1, 1) * settings.support_scale)
            center = (centered.center[0] + shift_x, centered.center[1] + shift_y)
            windows.append(replace(centered, center=center, side=centered.side * zoom))
        return windows

    def _targets(self, boxes: list[Box]) -> Targets:
        """Labels of search regions with the target at these boxes (of the crop)."""
        size = self.settings.search_size
        points = response_grid(*self._response_shape, size, self.network.stride, self.device)
        return make_targets(self._corners(boxes), points)

    def _corners(self, boxes: list[Box]) -> torch.Tensor:
        """Inclusive corners of boxes, (B, 4) float32 whatever kind of number the boxes hold."""
        corners = [box.corners for box in boxes]
        return torch.tensor(corners, dtype=torch.float32, device=self.device)

    def _template_geometry(self, box: Box) -> CropGeometry:
        settings = self.settings
        return CropGeometry(
            box.pixel_center,
            context_side(box.w, box.h, settings.context_amount),
            settings.template_size,
            settings.corner_aligned,
        )

    def _search_geometry(
        self, center: tuple[float, float], size: tuple[float, float]
    ) -> CropGeometry:
        settings = self.settings
        side = context_side(*size, settings.context_amount)
        side *= settings.search_size / settings.template_size
        return CropGeometry(center, side, settings.search_size, settings.corner_aligned)

    def _response_to_image(self, geometry: CropGeometry) -> np.ndarray:
        rows, cols = self._response_shape
        stride, size = self.network.stride, geometry.size
        to_crop = np.array(
            [
                [stride, 0, grid_offset(cols, size, stride)],
                [0, stride, grid_offset(rows, size, stride)],
                [0, 0, 1],
            ]
        )
        to_image = geometry.crop_to_image @ to_crop
        to_image[:, 2] += 0.5  # pixel-centre to edge coordinates
        return to_image

    def _require_target(self) -> _Target:
        if self._target is None:
            raise RuntimeError("the tracker has no target: call initialize first")
        return self._target


def load_tracker(
    preset: str = DEFAULT_PRESET,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    adaptation: AdaptationSettings | None = None,
    runtime: str = "auto",
) -> Tracker:
    """Build a tracker with its weights.

    Args:
        preset: a name in ``PRESETS``.
        checkpoint: weights file; by default the one shipped with the package.
        device: auto, cpu, cuda or cuda:N.
        adaptation: how templates are adapted; by default with the default settings.
        runtime: what computes a frame's prediction: torch, openvino (on a CPU), or auto, which is
            OpenVINO on a CPU where it is installed. OpenVINO keeps the number of threads that
            torch has at this call.

    Raises:
        ConfigurationError: no such preset or runtime, or the runtime cannot be had here.
        CheckpointError: no weights are shipped for the preset, or the file does not fit.
        DeviceError: no such device.
    """
    chosen = find_preset(preset)
    resolved = resolve_device(device)
    network = NETWORKS[chosen.network]()
    metadata = load_weights(network, checkpoint or chosen.require_shipped_weights(), chosen.name)
    calibration = Calibration.from_metadata(metadata)
    return Tracker(network, chosen, adaptation, resolved, calibration, runtime)


def resolve_device(name: str) -> torch.device:
    """The device a name stands for: auto is the first CUDA device where there is one, else the CPU.

    Raises:
        DeviceError: not a device of this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    count = torch.cuda.device_count()
    present = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if name not in present:
        raise DeviceError(f"device {name!r}: this machine has auto, {', '.join(present)}")
    return torch.device(name)


def _validate_image(image: np.ndarray) -> None:
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or image.size == 0
    ):
        shown = (
            f"{image.dtype} {image.shape}"
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise InvalidImageError(f"image is {shown}; accepted is HxWx3 uint8 BGR, not empty")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _edges(pixel_center_map: np.ndarray) -> np.ndarray:
    """An affine map between pixel-centre coordinates as one between edge coordinates."""
    edges = pixel_center_map.copy()
    edges[:, 2] += 0.5 - edges[:, :2].sum(axis=1) * 0.5
    return edges


def _to_array(crops: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(crops[0].permute(1, 2, 0).cpu().numpy())
