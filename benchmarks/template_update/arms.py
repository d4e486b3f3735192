"""The ways to adapt to a target's first frame that are compared.

All learn from the same thing, the support crops of ``TrackingEngine.support``, with the same number
of steps, and all keep the state with the lowest loss, the unchanged one included.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from autrack_ros.tracking import Target, TrackingEngine
from autrack_ros.tracking.adaptation import MTP_LOSS, adapt_template
from autrack_ros.tracking.losses import LossSettings, tracking_loss
from autrack_ros.tracking.siamese import SearchFeatures, SiameseNetwork
from autrack_ros.tracking.targets import Targets
from benchmarks.template_update.settings import Arm

TORCH_OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@dataclass(frozen=True, slots=True)
class Adapted:
    """What follows the target from now on.

    Attributes:
        engine: that of all targets, or with a changed head one of this target alone.
        target: with its features.
        search, targets: the support crops that were learnt from.
        milliseconds: of the processor, for the support crops and the steps.
        values: numbers that could change.
    """

    engine: TrackingEngine
    target: Target
    search: SearchFeatures
    targets: Targets
    milliseconds: float
    values: int


def adapt(
    engine: TrackingEngine, image: np.ndarray, target: Target, arm: Arm, seed: int = 0
) -> Adapted:
    """Adapt to a target by an arm's rule.

    Args:
        engine: stays as it is.
        image: that the target was started in.
        target: as it was started.
        arm: what is changed, and how.
        seed: of ``random_sign``.
    """
    begin = time.process_time()
    search, labels = engine.support(image, target, arm.adaptation)
    changed, network, values = CHANGES[arm.kind](engine, target, search, labels, arm, seed)
    milliseconds = (time.process_time() - begin) * 1e3
    if network is not engine.network:
        engine = TrackingEngine(
            network, engine.preset, engine.device, engine.calibration, engine.runtime
        )
    return Adapted(engine, changed, search, labels, milliseconds, values)


def loss_of(
    engine: TrackingEngine, target: Target, search: SearchFeatures, labels: Targets
) -> float:
    """The training loss on search regions whose truth is known."""
    with torch.inference_mode():
        prediction = engine.network.predict(target.features, search)
        return tracking_loss(prediction, labels, engine.preset.loss).total.item()


Change = Callable[
    [TrackingEngine, Target, SearchFeatures, Targets, Arm, int], tuple[Target, SiameseNetwork, int]
]


def _nothing(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    return target, engine.network, 0


def _pixels(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    """As ``TrackingEngine.adapt``."""
    template, _ = adapt_template(
        engine.network,
        target.template,
        target.template_corners,
        search,
        labels,
        engine.preset.loss,
        arm.adaptation,
    )
    return _with_template(engine, target, template), engine.network, template.numel()


def _random_sign(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    """As large a change of every pixel as that of ``_pixels``, its sign drawn at random."""
    adapted, _, values = _pixels(engine, target, search, labels, arm, seed)
    change = (adapted.adapted_template - target.template).abs()
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, change.shape, generator=generator).to(change) * 2 - 1
    template = (target.template + change * signs).clamp(0, 255)
    return _with_template(engine, target, template), engine.network, values


def _with_template(engine: TrackingEngine, target: Target, template: torch.Tensor) -> Target:
    with torch.inference_mode():
        features = engine.network.template(template, target.template_corners)
    return replace(target, adapted_template=template, features=features)


def _features(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    """Steps by the sign, as those of the pixels, but of the template's feature maps."""
    features = tuple(
        values.clone() for values in target.features
    )  # those of inference have no grad
    maps = [values for values in features if values.ndim == 4]  # the others tell of the box
    sizes = [arm.rate * values.std() for values in maps]

    def move(gradients: Sequence[torch.Tensor]) -> None:
        for values, size, gradient in zip(maps, sizes, gradients, strict=True):
            values -= size * gradient.sign()

    _descend(maps, lambda: _loss(engine.network, features, search, labels, engine, arm), move, arm)
    return replace(target, features=features), engine.network, sum(map(torch.numel, maps))


def _head(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    """Fine-tuning of a copy of the network's head."""
    network = copy.deepcopy(engine.network)
    features = tuple(values.clone() for values in target.features)
    weights = list(network.get_submodule("head").parameters())
    optimizer = TORCH_OPTIMIZERS[arm.optimizer](weights, lr=arm.rate)

    def move(gradients: Sequence[torch.Tensor]) -> None:
        for values, gradient in zip(weights, gradients, strict=True):
            values.grad = gradient
        optimizer.step()

    _descend(weights, lambda: _loss(network, features, search, labels, engine, arm), move, arm)
    optimizer.zero_grad()
    return target, network, sum(map(torch.numel, weights))


CHANGES: dict[str, Change] = {
    "none": _nothing,
    "pixels": _pixels,
    "random_sign": _random_sign,
    "features": _features,
    "head": _head,
}


def _loss(
    network: SiameseNetwork,
    features: tuple[torch.Tensor, ...],
    search: SearchFeatures,
    labels: Targets,
    engine: TrackingEngine,
    arm: Arm,
) -> torch.Tensor:
    settings: LossSettings = engine.preset.loss if arm.adaptation.loss == "training" else MTP_LOSS
    return tracking_loss(network.predict(features, search), labels, settings).total


def _descend(
    values: Sequence[torch.Tensor],
    loss: Callable[[], torch.Tensor],
    move: Callable[[Sequence[torch.Tensor]], None],
    arm: Arm,
) -> None:
    """Move values in place, and leave them where the loss was lowest."""
    lowest, best = math.inf, [value.clone() for value in values]
    for step in range(arm.adaptation.steps + 1):
        with torch.enable_grad():
            for value in values:
                value.requires_grad_(True)
            now = loss()
            gradients = torch.autograd.grad(now, values)
        if now.item() < lowest:
            lowest, best = now.item(), [value.detach().clone() for value in values]
        if step < arm.adaptation.steps:
            with torch.no_grad():
                move(gradients)
    with torch.no_grad():
        for value, kept in zip(values, best, strict=True):
            value.copy_(kept).requires_grad_(False)
