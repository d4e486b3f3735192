"""A rival of the template update: one step of the template's features, by a network that learnt it.

GradNet's idea (Li et al.: Gradient-Guided Network for Visual Object Tracking, ICCV 2019): what
plain gradients need many steps for, a small network makes of the first one. It is trained on later
frames of films; the tracker itself stays frozen, so that a target that is not updated loses
nothing. Trained without the gradient (*blind*) it is the control: what is left then is no update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from autrack_ros.networks.lite import LayeredSiamese
from autrack_ros.tracking import (
    AdaptationReport,
    AdaptationSettings,
    Target,
    TrackingEngine,
)
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.training.calibrate import save_weights
from benchmarks.meta_training.episodes import Episodes
from benchmarks.meta_training.learning import Learner

CHANNELS = 256  # of a template's features
HIDDEN = 64
STEP = 0.02  # at the start, along the gradient, in standard deviations of the features
RATE = 50  # times the weights' learning rate of the other trainings


class UpdateNetwork(nn.Module):
    """Features of a template and the gradient of its loss there -> better features."""

    def __init__(self) -> None:
        super().__init__()
        last = nn.Conv2d(HIDDEN, CHANNELS, 1)
        nn.init.zeros_(last.weight)  # a plain step of the gradient, before it has learnt anything
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Conv2d(2 * CHANNELS, HIDDEN, 1),
            nn.ReLU(),
            nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1, groups=HIDDEN),
            nn.ReLU(),
            last,
        )
        self.step = nn.Parameter(torch.tensor(STEP))

    def forward(self, features: Tensor, gradient: Tensor) -> Tensor:
        """Better features, (B, C, h, w), as both arguments."""
        size = features.std((1, 2, 3), keepdim=True)
        direction = gradient / (gradient.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-12)
        learnt = self.layers(torch.cat([features / size, direction], 1))
        return features + size * (learnt - self.step * direction)


class LearnedUpdate(Learner):
    """A frozen network with an update of its templates' features that learns.

    Args:
        network: stays as it is.
        loss: of the network.
        blind: whether the update is not told the gradient.
    """

    def __init__(self, network: LayeredSiamese, loss: LossSettings, blind: bool = False) -> None:
        super().__init__(network, loss, steps=1, step_size=1.0)
        self._blind = blind
        self.network.requires_grad_(False)
        self.update = UpdateNetwork()

    @property
    def step_size(self) -> float:
        """Along the gradient, standard deviations of the features."""
        return self.update.step.item()

    def groups(self, rate: float) -> list[dict[str, Any]]:
        """As of ``Learner``."""
        return [{"params": list(self.update.parameters()), "rate": RATE * rate}]

    def outer_losses(self, episodes: Episodes, order: str) -> tuple[Tensor, Tensor]:
        """As of ``Learner``; there is no order."""
        templates = torch.from_numpy(episodes.templates).permute(0, 3, 1, 2).float()
        queries = torch.from_numpy(episodes.queries).float()
        with torch.no_grad():
            (features,) = self._template(templates, torch.from_numpy(episodes.template_corners))
            plain = self._loss((features,), queries, episodes.query_corners)
        maps = torch.from_numpy(episodes.supports).float()
        better = self.updated_features(features, maps, episodes.support_corners)
        return plain, self._loss((better,), queries, episodes.query_corners)

    def updated_features(self, features: Tensor, maps: Tensor, corners: np.ndarray) -> Tensor:
        """Features of templates after their update.

        Args:
            features: (B, C, h, w), as cut.
            maps: (B, K, C', h', w'), the backbone's last, of K support crops each.
            corners: (B, K, 4), of the target in them.
        """
        if self._blind:
            return self.update(features, torch.zeros_like(features))
        start = features.detach().requires_grad_(True)
        repeated = start.repeat_interleave(maps.shape[1], 0)
        loss = self._loss((repeated,), maps.flatten(0, 1), np.concatenate(list(corners)))
        (gradient,) = torch.autograd.grad(loss, start)
        return self.update(start.detach(), gradient)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write what it learnt, safetensors; the network is none of that."""
        save_weights(self.update, metadata, path)

    def load(self, path: Path) -> None:
        """Read what ``save`` wrote."""
        self.update.load_state_dict(load_file(path))


class LearnedUpdateEngine(TrackingEngine):
    """An engine whose templates are updated so; on a processor."""

    def __init__(self, engine: TrackingEngine, learner: LearnedUpdate) -> None:
        super().__init__(engine.runtime, engine.preset, engine.calibration, engine.evidence)
        self._learner = learner

    def adapt(
        self,
        image: np.ndarray,
        target: Target,
        settings: AdaptationSettings,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> tuple[Target, AdaptationReport]:
        """As of ``TrackingEngine``; of the settings the support crops and the hypotheses count."""
        crops, corners = self.support_crops(image, target, settings)
        backbone = self._learner.network.basemodel
        with torch.no_grad():
            regions = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
            maps = backbone.run_layers((regions,), 0, backbone.layer_count)[-1]
        (cut,) = target.first_features
        features = torch.from_numpy(cut.reshape(1, *cut.shape[-3:]))
        better = self._learner.updated_features(features, maps[None], corners[None])
        found = better.detach().numpy().reshape(cut.shape)
        report = AdaptationReport.skipped(settings.method, "learned")
        return target.with_template(target.template, (found,), settings.hypotheses), report
