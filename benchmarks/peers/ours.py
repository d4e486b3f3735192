"""Our tracker in its three ways: as it is, with its template updated, with LOST and search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import torch

from autrack_ros.evaluation.peers import PeerResult
from autrack_ros.tracking import (
    AdaptationReport,
    AdaptationSettings,
    Box,
    Follower,
    Tracker,
    TrackingEngine,
    load_engine,
)
from autrack_ros.tracking.runtime import FrameNetwork, to_openvino

NAME = "target"


class Searching:
    """Our tracker with LOST and search, as the node follows a target, template not updated.

    While the target is lost, its last box counts.
    """

    def __init__(self, engine: TrackingEngine) -> None:
        self._engine = engine

    def initialize(self, image: np.ndarray, box: Box) -> AdaptationReport | None:
        """Take a target."""
        self._follower, self._box = Follower(self._engine), box
        self._follower.put(NAME, self._engine.start(image, box))
        return None

    def update(self, image: np.ndarray) -> PeerResult:
        """Find the target in the next image."""
        frame = self._follower.follow(image)[NAME]
        if frame.box is not None:
            self._box = frame.box
        return PeerResult(self._box, frame.score)


WAYS = ("", ", template updated", ", LOST and search")


def make_ours(preset: str, weights: Path | None, way: str, threads: int) -> Tracker | Searching:
    """Our tracker on a processor.

    Args:
        preset: of ``PRESETS``.
        weights: a file; None for those that are shipped.
        way: of ``WAYS``.
        threads: of the processor.
    """
    torch.set_num_threads(threads)
    engine = load_engine(preset, weights, "cpu")
    if way == ", LOST and search":
        return Searching(engine)
    updated = way == ", template updated"
    return Tracker(engine, AdaptationSettings() if updated else AdaptationSettings(method="none"))


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
