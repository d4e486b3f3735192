"""The training: all but the backbone, so that a template is better for its update on a later frame.

The outer loss of an episode is that of the later frame, half with the template as it was cut, so
that a target that is not updated loses nothing, and half with the updated one. The update is
``adaptation.method: l2``, a few steps down the normalised gradient; the size of a step is learnt.
Orders: *none* trains on the later frame with the template as it was cut alone; *first* takes the
inner gradients as constants (first-order MAML: Finn et al., ICML 2017); *second* lets the outer
gradient pass through them (Meta-Tracker: Park and Berg, ECCV 2018). *learned* is another rival,
in which the network stays as it is: learned_update.py; *blind* is the same without the gradient,
so without anything of the target's first image but its template.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autrack_ros.networks.lite import LayeredSiamese
from autrack_ros.networks.losses import tracking_loss
from autrack_ros.networks.siamese import Prediction
from autrack_ros.tracking.grid import response_grid
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.tracking.targets import Targets, make_targets
from autrack_ros.training.calibrate import save_weights
from autrack_ros.training.pairs.maker import SEARCH_SIZE
from benchmarks.meta_training.episodes import Episodes

BLIND = "blind"
LEARNED = ("learned", BLIND)
ORDERS = ("none", "first", "second", *LEARNED)
BATCH = 16  # episodes
WARM_UP = 50  # iterations
PLAIN_SHARE = 0.5  # of the outer loss: that with the template as it was cut
STEP_RATE = 40  # times the weights' learning rate, of the logarithm of the step
AVERAGE = 0.995  # of the weights, an iteration


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one training.

    Attributes:
        order: of ``ORDERS``.
        iterations: of ``BATCH`` episodes.
        steps: of the update.
        step_size: at the start, grey levels, root mean square.
        learning_rate: of the weights.
        seed: of the order of the episodes.
    """

    order: str
    iterations: int
    steps: int
    step_size: float
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class Point:
    """Of the learning curve: mean losses on the later frames of episodes of held-out films.

    Attributes:
        episodes: learnt from so far.
        plain: with the template as it was cut.
        updated: with the updated one.
        step_size: of the update; of a learned one, of the part along the gradient.
    """

    episodes: int
    plain: float
    updated: float
    step_size: float


class Learner(nn.Module):
    """A network and the size of its update's steps.

    Args:
        network: changed in place; its backbone stays.
        loss: of the network.
        steps: of the update.
        step_size: grey levels, root mean square.
    """

    def __init__(
        self, network: LayeredSiamese, loss: LossSettings, steps: int, step_size: float
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(True)
        self.network.basemodel.requires_grad_(False)
        self.log_step = nn.Parameter(torch.tensor(math.log(step_size)))
        self.loss, self.steps = loss, steps

    @property
    def step_size(self) -> float:
        """Grey levels, root mean square."""
        return self.log_step.exp().item()

    def groups(self, rate: float) -> list[dict[str, Any]]:
        """What is trained, as groups of an optimizer, each with a learning rate."""
        weights = [value for value in self.network.parameters() if value.requires_grad]
        return [
            {"params": weights, "rate": rate},
            {"params": [self.log_step], "rate": STEP_RATE * rate},
        ]

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the network's weights with their metadata, safetensors."""
        save_weights(self.network, metadata, path)

    def outer_losses(self, episodes: Episodes, order: str) -> tuple[Tensor, Tensor]:
        """Mean losses on the later frames, with the templates as cut and with the updated ones."""
        templates = torch.from_numpy(episodes.templates).permute(0, 3, 1, 2).float()
        plain = self._query_loss(templates, episodes)
        if order == "none":
            return plain, plain
        return plain, self._query_loss(self.updated(templates, episodes, order), episodes)

    def updated(self, templates: Tensor, episodes: Episodes, order: str) -> Tensor:
        """Templates (B, 3, S, S) after the update on the supports of their episodes."""
        count = episodes.supports.shape[1]
        maps = torch.from_numpy(episodes.supports).float().flatten(0, 1)
        corners = np.concatenate(list(episodes.support_corners))
        boxes = torch.from_numpy(episodes.template_corners)
        z = templates.detach().requires_grad_(True)
        for _ in range(self.steps):
            features = self._template(z, boxes)
            repeated = tuple(values.repeat_interleave(count, 0) for values in features)
            loss = self._loss(repeated, maps, corners)
            (gradient,) = torch.autograd.grad(loss, z, create_graph=order == "second")
            rms = gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
            z = (z - self.log_step.exp() * gradient / (rms + 1e-12)).clamp(0, 255)
        return z

    def _query_loss(self, templates: Tensor, episodes: Episodes) -> Tensor:
        features = self._template(templates, torch.from_numpy(episodes.template_corners))
        maps = torch.from_numpy(episodes.queries).float()
        return self._loss(features, maps, episodes.query_corners)

    def _template(self, templates: Tensor, corners: Tensor) -> tuple[Tensor, ...]:
        backbone = self.network.basemodel
        maps = backbone.run_layers((templates,), 0, backbone.layer_count)
        return self.network.template_from_features(maps, corners)

    def _loss(self, features: tuple[Tensor, ...], maps: Tensor, corners: np.ndarray) -> Tensor:
        search = self.network.search_from_features((maps,), SEARCH_SIZE)
        found: Prediction = self.network.predict(features, search)
        points = response_grid(
            *found.boxes.shape[1:3], SEARCH_SIZE, self.network.stride, self.network.origin
        )
        labels = Targets(*map(torch.from_numpy, make_targets(corners, points)))
        return tracking_loss(found, labels, self.loss).total


def learn(
    learner: Learner,
    episodes: Episodes,
    validation: Episodes,
    settings: Settings,
    every: int,
    report: Callable[[Point], None],
) -> Learner:
    """Train; the learner with its weights averaged over the iterations.

    Args:
        learner: changed in place.
        episodes: to learn from.
        validation: of films that are not among them.
        settings: of the training.
        every: iterations between two points of the learning curve.
        report: told each point.
    """
    averaged = copy.deepcopy(learner)
    optimizer = torch.optim.AdamW(learner.groups(settings.learning_rate), weight_decay=0.01)
    weights = optimizer.param_groups[0]["params"]
    report(validate(averaged, validation, 0))
    batches = _batches(len(episodes), settings.seed)
    for iteration in range(1, settings.iterations + 1):
        rising = min(iteration / WARM_UP, 1)
        share = rising * (1 + math.cos(math.pi * (iteration - 1) / settings.iterations)) / 2
        for group in optimizer.param_groups:
            group["lr"] = share * group["rate"]
        plain, updated = learner.outer_losses(episodes[next(batches)], settings.order)
        optimizer.zero_grad()
        (PLAIN_SHARE * plain + (1 - PLAIN_SHARE) * updated).backward()
        nn.utils.clip_grad_norm_(weights, 10)
        optimizer.step()
        decay = min(AVERAGE, iteration / (iteration + 10))
        with torch.no_grad():
            for kept, value in zip(averaged.parameters(), learner.parameters(), strict=True):
                kept.lerp_(value, 1 - decay)
        if iteration % every == 0 or iteration == settings.iterations:
            report(validate(averaged, validation, iteration * BATCH))
    return averaged


def validate(learner: Learner, episodes: Episodes, learnt: int) -> Point:
    """A point of the learning curve, after so many episodes."""
    losses = []
    for first in range(0, len(episodes), BATCH):
        plain, updated = learner.outer_losses(episodes[first : first + BATCH], "first")
        losses.append((plain.item(), updated.item()))
    return Point(learnt, *map(float, np.mean(losses, 0)), learner.step_size)


def _batches(count: int, seed: int) -> Iterator[np.ndarray]:
    """Numbers of episodes, in another order in every round."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(count)
        yield from np.split(order[: count - count % BATCH], count // BATCH)
