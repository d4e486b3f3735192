"""One target through a sequence of images: the contract that most of what is above uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from autrack_ros.tracking.adaptation import AdaptationReport, AdaptationSettings
from autrack_ros.tracking.boxes import Box, validate_box
from autrack_ros.tracking.calibration import Calibration
from autrack_ros.tracking.checkpoint import read_checkpoint
from autrack_ros.tracking.engine import TrackingEngine, TrackResult
from autrack_ros.tracking.likeness import Evidence
from autrack_ros.tracking.presets import DEFAULT_PRESET, find_preset
from autrack_ros.tracking.runtimes import make_runtime, resolve_device, resolve_runtime
from autrack_ros.tracking.target import Target


class Tracker:
    """Follows one target. One thread at a time may call it.

    Args:
        engine: what computes.
        adaptation: how the template is adapted in ``initialize``.
    """

    def __init__(
        self, engine: TrackingEngine, adaptation: AdaptationSettings | None = None
    ) -> None:
        self.engine = engine
        self.adaptation = adaptation or AdaptationSettings()
        self._target: Target | None = None

    @property
    def initialized(self) -> bool:
        """Whether there is a target."""
        return self._target is not None

    @property
    def target(self) -> Target:
        """The target where it was found last.

        Raises:
            RuntimeError: called before ``initialize``.
        """
        if self._target is None:
            raise RuntimeError("the tracker has no target: call initialize first")
        return self._target

    @property
    def template(self) -> np.ndarray:
        """Template crop, S x S x 3 float32 BGR, 0..255."""
        return self.target.template

    @property
    def adapted_template(self) -> np.ndarray:
        """Template in use, S x S x 3 float32 BGR, 0..255; not rounded to whole grey levels."""
        return self.target.adapted_template

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
        target = self.engine.start(image, box)
        self._target, report = self.engine.adapt(image, target, self.adaptation, should_cancel)
        return report

    def place(self, box: Box) -> None:
        """Say where the target is now, when something else knows; the template is kept.

        Args:
            box: where and how large the next search starts from, edge coordinates.

        Raises:
            RuntimeError: called before ``initialize``.
            InvalidBoxError: not a box in the image of ``initialize``.
        """
        height, width = self.target.image_shape[:2]
        validate_box(box, width, height)
        self._target = replace(self.target, center=box.pixel_center, size=(box.w, box.h))

    def update(self, image: np.ndarray) -> TrackResult:
        """Find the target in the next image.

        Args:
            image: HxWx3 uint8 BGR, of the size of the image of ``initialize``.

        Raises:
            RuntimeError: called before ``initialize``.
            InvalidImageError: not such an image; the state is kept.
        """
        ((self._target, result),) = self.engine.follow(image, [self.target])
        return result


def load_tracker(
    preset: str = DEFAULT_PRESET,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    adaptation: AdaptationSettings | None = None,
    runtime: str = "auto",
    precision: str = "f32",
) -> Tracker:
    """A tracker on an engine of its own.

    Args:
        preset: as of ``load_engine``.
        checkpoint: as of ``load_engine``.
        device: as of ``load_engine``.
        adaptation: how templates are adapted; by default with the default settings.
        runtime: as of ``load_engine``.
        precision: as of ``load_engine``.

    Raises:
        ConfigurationError, CheckpointError, DeviceError: see ``load_engine``.
    """
    return Tracker(load_engine(preset, checkpoint, device, runtime, precision), adaptation)


def load_engine(
    preset: str = DEFAULT_PRESET,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    runtime: str = "auto",
    precision: str = "f32",
) -> TrackingEngine:
    """Load a network with its weights, and what computes with it.

    Args:
        preset: a name in ``PRESETS``.
        checkpoint: weights file; by default the one shipped with the package.
        device: auto, cpu, cuda or cuda:N.
        runtime: what computes: openvino (on a CPU, for the networks whose graphs are in this
            package), torch (every network), or auto, which is the first of these that can.
        precision: in which frames are computed: f32, or in openvino, where the processor has it,
            bf16.

    Raises:
        ConfigurationError: no such preset, runtime or precision, or it cannot be had here.
        CheckpointError: no weights are shipped for the preset, or the file does not fit.
        DeviceError: no such device.
    """
    chosen = find_preset(preset)
    resolved = resolve_device(device)
    kind = resolve_runtime(runtime, resolved, chosen)
    weights = read_checkpoint(checkpoint or chosen.require_shipped_weights(), chosen.name)
    calibration = Calibration.from_metadata(weights.metadata)
    made = make_runtime(kind, weights, chosen, resolved, precision)
    return TrackingEngine(made, chosen, calibration, Evidence.from_metadata(weights.metadata))
