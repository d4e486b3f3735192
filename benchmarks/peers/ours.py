"""Our tracker in its three ways: as it is, with its template updated, with LOST and search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import torch
from torch import nn

from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings
from autrack_ros.networks.export import to_openvino
from autrack_ros.networks.siamese import SiameseNetwork
from autrack_ros.tracking import AdaptationSettings, Target, load_tracker
from autrack_ros.tracking.threads import set_threads

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
    set_threads(threads)
    update = AdaptationSettings() if way == UPDATED else AdaptationSettings(method="none")
    tracker = load_tracker(preset, weights, "cpu", update)
    return PresenceTracker(tracker, presence_settings(recover=way == SEARCHING))


def export_frame(
    network: SiameseNetwork, target: Target, search_size: int
) -> tuple[openvino.Model, list[np.ndarray]]:
    """What our network computes a frame, search region to scores and boxes, and inputs for it."""
    search = torch.randint(0, 256, (1, search_size, search_size, 3), dtype=torch.uint8)
    inputs = (search, *map(torch.from_numpy, target.features))
    return to_openvino(_FrameNetwork(network), inputs), [value.numpy() for value in inputs]


class _FrameNetwork(nn.Module):
    """All that a network computes in a frame."""

    def __init__(self, network: SiameseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, search: torch.Tensor, *template: torch.Tensor) -> torch.Tensor:
        """Search regions (B, S, S, 3) uint8, template features -> (B, H, W, 5): score, corners."""
        found = self.network.search(search.permute(0, 3, 1, 2).float())
        prediction = self.network.predict(template, found)
        return torch.cat((prediction.score[..., None], prediction.boxes), dim=-1)
