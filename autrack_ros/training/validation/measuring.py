"""What a network makes of a validation set of clips."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from autrack_ros.evaluation.metrics import astray, ends_astray, ious, success_auc
from autrack_ros.evaluation.runner import track
from autrack_ros.networks import NETWORKS
from autrack_ros.networks.siamese import SiameseNetwork
from autrack_ros.tracking.adaptation import AdaptationSettings
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.checkpoint import form
from autrack_ros.tracking.engine import TrackingEngine
from autrack_ros.tracking.graphs import find_graphs
from autrack_ros.tracking.presets import Preset
from autrack_ros.tracking.runtimes import Runtime
from autrack_ros.tracking.runtimes.openvino_runtime import OpenVINORuntime
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
from autrack_ros.tracking.tracker import Tracker
from autrack_ros.training.sources.base import DataError
from autrack_ros.training.validation.clips import HIDDEN, Clip


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What a tracker made of a clip; without frame 1, whose box is given.

    Attributes:
        clip: the clip.
        auc: success AUC of the frames in which the target is to be seen (frame 1 included, as OTB).
        astray: share of these frames without overlap with the target, frame 1 not counted.
        ends_astray: whether the last third is mostly so.
        scores: N-1 float64, 0..1.
        overlaps: N-1 float64, intersection over union; 0 where the target is hidden.
    """

    clip: Clip
    auc: float
    astray: float
    ends_astray: bool
    scores: np.ndarray
    overlaps: np.ndarray


@dataclass(frozen=True, slots=True)
class GroupScore:
    """What a tracker made of clips of one kind.

    Attributes:
        clips: how many.
        auc: success AUC, mean over them.
        astray: share of the frames without overlap with the target (``metrics.astray``), likewise.
        ends_astray: share of the clips that end so.
    """

    clips: int
    auc: float
    astray: float
    ends_astray: float

    @classmethod
    def of(cls, results: Sequence[ClipResult]) -> GroupScore:
        """Of at least one clip."""
        return cls(
            len(results),
            _mean([result.auc for result in results]),
            _mean([result.astray for result in results]),
            _mean([float(result.ends_astray) for result in results]),
        )


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What a tracker made of a validation set."""

    clips: tuple[ClipResult, ...]

    @property
    def auc(self) -> float:
        """Success AUC, mean over all clips."""
        return _mean([result.auc for result in self.clips])

    @property
    def real_auc(self) -> float:
        """Success AUC, mean over the real clips; NaN where there is none."""
        return _mean([result.auc for result in self.clips if not result.clip.made])

    @property
    def made_auc(self) -> float:
        """Success AUC, mean over the made clips; NaN where there is none."""
        return _mean([result.auc for result in self.clips if result.clip.made])

    @property
    def by_attribute(self) -> dict[str, GroupScore]:
        """Of the clips of each attribute; of films and made clips apart as "film" and "made"."""
        groups: dict[str, list[ClipResult]] = defaultdict(list)
        for result in self.clips:
            for word in ("made" if result.clip.made else "film", *result.clip.attributes):
                groups[word].append(result)
        return {word: GroupScore.of(groups[word]) for word in sorted(groups)}

    @property
    def samples(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Scores and overlaps a clip, as ``calibration.cross_validate`` takes them."""
        return [(result.scores, result.overlaps) for result in self.clips]


class ValidationSet:
    """Clips that a network is measured on while it is trained.

    Raises:
        DataError: there is no clip.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        if not clips:
            raise DataError("validation set: no clip")
        self.clips = tuple(clips)

    def evaluate(
        self,
        network: SiameseNetwork,
        preset: Preset,
        adaptation: AdaptationSettings | None = None,
        device: torch.device | str = "cpu",
    ) -> ValidationResult:
        """Track every clip from its first box on.

        Args:
            network: left unchanged.
            preset: its tracker settings.
            adaptation: of the template; by default none.
            device: where the network runs.

        Raises:
            FloatingPointError: the network predicts no finite box.
        """
        engine = TrackingEngine(runtime_of(network, preset, device), preset)
        tracker = Tracker(engine, adaptation or AdaptationSettings(method="none"))
        return ValidationResult(tuple(_track_clip(tracker, clip) for clip in self.clips))


def runtime_of(network: SiameseNetwork, preset: Preset, device: torch.device | str) -> Runtime:
    """What computes: in OpenVINO on a CPU, where the graphs are those of this very network."""
    graphs = find_graphs(preset.network)
    weights = {key: value.cpu().contiguous().numpy() for key, value in network.state_dict().items()}
    # A variant of the network may take the same weights and compute something else.
    if (
        torch.device(device).type == "cpu"
        and graphs is not None
        and type(network) is type(NETWORKS[preset.network]())
        and graphs.weights == {key: form(value) for key, value in weights.items()}
    ):
        return OpenVINORuntime(graphs, weights)
    return TorchRuntime(network, preset, device)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _track_clip(tracker: Tracker, clip: Clip) -> ClipResult:
    tracked = list(track(tracker, clip.frames, Box(*clip.truth[0].tolist())))
    overlaps = ious(np.array([frame.box for frame in tracked]), clip.truth)
    seen = clip.visible >= HIDDEN
    return ClipResult(
        clip,
        success_auc(overlaps[seen]),
        astray(overlaps[seen]),
        ends_astray(overlaps[seen]),
        np.array([frame.score for frame in tracked[1:]]),
        np.where(seen, overlaps, 0.0)[1:],
    )
