"""The ways to adapt to a target's first frame that are compared.

All learn from the same thing, the support crops of ``TrackingEngine.support``, with the same number
of steps, and all keep the state with the lowest loss, the unchanged one included.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from autrack_ros.networks.losses import tracking_loss
from autrack_ros.networks.siamese import SearchFeatures, SiameseNetwork
from autrack_ros.tracking import Target, TrackingEngine
from autrack_ros.tracking.adaptation import adapt_template
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
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
    if network is not network_of(engine):
        runtime = TorchRuntime(network, engine.preset)
        engine = TrackingEngine(runtime, engine.preset, engine.calibration)
    return Adapted(engine, changed, search, labels, milliseconds, values)


def network_of(engine: TrackingEngine) -> SiameseNetwork:
    """The network of an engine in torch, on a CPU: what else than pixels changes needs it."""
    assert isinstance(engine.runtime, TorchRuntime)
    return engine.runtime.network


def tensors(values: Sequence[np.ndarray]) -> tuple[torch.Tensor, ...]:
    """Copies of arrays."""
    return tuple(torch.tensor(value) for value in values)


def loss_of(
    engine: TrackingEngine, target: Target, search: SearchFeatures, labels: Targets
) -> float:
    """The training loss on search regions whose truth is known."""
    with torch.inference_mode():
        prediction = network_of(engine).predict(tensors(target.features), search)
        return tracking_loss(prediction, Targets(*tensors(labels)), engine.preset.loss).total.item()


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
    return target, network_of(engine), 0


def _pixels(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    """As ``TrackingEngine.adapt``."""
    loss = arm.adaptation.loss_settings(engine.preset.loss)
    objective = engine.runtime.objective(target.template_corners, search, labels, loss)
    template, _ = adapt_template(objective, target.template, arm.adaptation)
    return _with_template(engine, target, template, arm), network_of(engine), template.size


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
    change = np.abs(adapted.adapted_template - target.template)
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), change.shape)
    template = np.clip(target.template + change * signs, 0, 255)
    return _with_template(engine, target, template, arm), network_of(engine), values


def _with_template(
    engine: TrackingEngine, target: Target, template: np.ndarray, arm: Arm
) -> Target:
    features = engine.runtime.template(template, target.template_corners)
    return target.with_template(template, features, arm.adaptation.hypotheses)


def _features(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    """Steps by the sign, as those of the pixels, but of the template's feature maps."""
    features = tensors(target.features)
    maps = [values for values in features if values.ndim == 4]  # the others tell of the box
    sizes = [arm.rate * values.std() for values in maps]

    def move(gradients: Sequence[torch.Tensor]) -> None:
        for values, size, gradient in zip(maps, sizes, gradients, strict=True):
            values -= size * gradient.sign()

    network = network_of(engine)
    _descend(maps, lambda: _loss(network, features, search, labels, engine, arm), move, arm)
    found = tuple(values.numpy() for values in features)
    changed = target.with_template(target.template, found, arm.adaptation.hypotheses)
    return changed, network, sum(map(torch.numel, maps))


def _head(
    engine: TrackingEngine,
    target: Target,
    search: SearchFeatures,
    labels: Targets,
    arm: Arm,
    seed: int,
) -> tuple[Target, SiameseNetwork, int]:
    """Fine-tuning of a copy of the network's head."""
    network = copy.deepcopy(network_of(engine))
    features = tensors(target.features)
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
    settings = arm.adaptation.loss_settings(engine.preset.loss)
    found = network.predict(features, search)
    return tracking_loss(found, Targets(*tensors(labels)), settings).total


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
