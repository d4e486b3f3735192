"""Our tracker in its three ways: as it is, with its template updated, with LOST and search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import torch

from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings
from autrack_ros.tracking import AdaptationSettings, Box, TrackingEngine, load_tracker
from autrack_ros.tracking.runtime import FrameNetwork, to_openvino

UPDATED, SEARCHING = ", template updated", ", LOST and search"
WAYS = ("", UPDATED, SEARCHING)


def make_ours(preset: str, weights: Path | None, way: str, threads: int) -> PresenceTracker:
    """Our tracker on a processor.

    Args:
        preset: of ``PRESETS``.
        weights: a file; None for those that are shipped.
        way: of ``WAYS``.
        threads: of the processor.
    """
    torch.set_num_threads(threads)
    update = AdaptationSettings() if way == UPDATED else AdaptationSettings(method="none")
    tracker = load_tracker(preset, weights, "cpu", update)
    return PresenceTracker(tracker, presence_settings(recover=way == SEARCHING))


def export_frame(
    engine: TrackingEngine, image: np.ndarray, box: Box
) -> tuple[openvino.Model, list[np.ndarray]]:
    """What our network computes a frame, search region to scores and boxes, and inputs for it."""
    target = engine.start(image, box)
    size = engine.settings.search_size
    search = torch.randint(0, 256, (1, size, size, 3), dtype=torch.uint8)
    inputs = (search, *target.features)
    model = to_openvino(FrameNetwork(engine.network), inputs)
    return model, [value.contiguous().numpy() for value in inputs]
