"""Adversarial template adaptation: move the template's pixels so that the tracker's loss falls.

Li et al., "Manipulating Template Pixels for Model Adaptation of Siamese Visual Tracking": the
network stays frozen; the template crop z takes N steps of the Basic Iterative Method (Kurakin et
al., 2017) with the sign of an attack reversed,

    z_0 = z        z_{k+1} = Clip_{z, epsilon}( z_k - alpha * sign( dL/dz (z_k, x; y) ) ),

where L is the tracker's loss on crops x of the first frame against the given box y.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.tracking.runtimes import LossAndGradient

METHODS = ("bim", "fgsm", "pgd", "momentum", "l2", "none")
LOSSES = ("training", "mtp")

# The published code computes its class loss with the class defaults (0.5 times cross-entropy) and
# weighs the box term by 1 where training used 3 (MTP @ 76b88d8).
MTP_LOSS = LossSettings(focal_alpha=0.5, focal_gamma=0.0, ctr_weight=1.0, reg_weight=1.0)


@dataclass(frozen=True, slots=True)
class AdaptationSettings:
    """How the template is adapted. Grey levels are those of 0..255 images.

    Raises:
        ConfigurationError: a value outside what is accepted.
    """

    method: str = "bim"  # bim, fgsm (one step), pgd (random start), momentum, l2, none
    steps: int = 16  # N, 0..1000
    step_size: float = 0.25  # alpha, grey levels a step (l2: root mean square over the pixels)
    epsilon: float = 8.0  # largest change of a pixel, grey levels
    loss: str = "training"  # training: the network's own; mtp: as the published code
    support_crops: int = 6  # crops of the first frame the loss is taken on; the first is centred
    support_shift: float = 0.16  # range of their shift, fraction of the search region's side
    support_scale: float = 0.18  # range of the logarithm of their scale
    seed: int = 0  # of the support crops and of pgd's start
    budget_ms: float = 0.0  # stop after this many milliseconds; 0: no limit
    min_target_side: float = 8.0  # px in the image; a target with a smaller side is not adapted
    hypotheses: bool = True  # search with the template as cut, too: hypotheses.py; else without it

    @property
    def enabled(self) -> bool:
        """Whether there is anything to do."""
        return self.method != "none" and self.steps > 0

    def loss_settings(self, training: LossSettings) -> LossSettings:
        """The loss, where the network was trained with ``training``."""
        return training if self.loss == "training" else MTP_LOSS

    def __post_init__(self) -> None:
        accepted = {
            "method": (self.method in METHODS, f"one of {', '.join(METHODS)}"),
            "steps": (0 <= self.steps <= 1000, "0 to 1000"),
            "step_size": (0 < self.step_size <= 255, "above 0, at most 255 grey levels"),
            "epsilon": (0 < self.epsilon <= 255, "above 0, at most 255 grey levels"),
            "loss": (self.loss in LOSSES, f"one of {', '.join(LOSSES)}"),
            "support_crops": (1 <= self.support_crops <= 64, "1 to 64"),
            "support_shift": (0 <= self.support_shift <= 0.25, "0 to 0.25"),
            "support_scale": (0 <= self.support_scale <= 0.5, "0 to 0.5"),
            "seed": (0 <= self.seed < 2**31, "0 to 2147483647"),
            "budget_ms": (0 <= self.budget_ms < math.inf, "0 (no limit) or more milliseconds"),
            "min_target_side": (0 <= self.min_target_side < math.inf, "0 or more pixels"),
            "hypotheses": (self.hypotheses in (True, False), "true or false"),
        }
        for name, (valid, range_) in accepted.items():
            if not valid:
                raise ConfigurationError(
                    f"adaptation {name}={getattr(self, name)!r}: accepted is {range_}"
                )


@dataclass(frozen=True, slots=True)
class AdaptationReport:
    """What the adaptation did."""

    method: str
    losses: tuple[float, ...]  # at every template visited; the first is that of the unchanged one
    best_step: int  # index in ``losses`` of the template that was kept
    steps: int  # moves made
    elapsed_ms: float
    # completed, budget, cancelled, not_finite, target_too_small, out_of_memory or disabled
    stop_reason: str
    max_change: float  # of a pixel, grey levels
    mean_change: float  # mean of absolute changes, grey levels
    support_crops: int = 0  # that the losses were taken on; fewer than asked for: too little memory

    @classmethod
    def skipped(cls, method: str, reason: str) -> AdaptationReport:
        """The report of an adaptation that was not begun."""
        return cls(method, (), 0, 0, 0.0, reason, 0.0, 0.0)


def adapt_template(
    loss_and_gradient: LossAndGradient,
    template: np.ndarray,
    settings: AdaptationSettings,
    should_cancel: Callable[[], bool] = lambda: False,
) -> tuple[np.ndarray, AdaptationReport]:
    """Adapt a template to search regions whose truth is known.

    The iterate with the lowest loss is returned, the unchanged template included, so the result is
    never worse than the start on the support crops.

    Args:
        loss_and_gradient: of a template, on the support crops (``Runtime.objective``).
        template: S x S x 3 float32, 0..255.
        settings: method, budget, guards.
        should_cancel: asked before every step.

    Returns:
        the adapted template, within epsilon of ``template`` and 0..255, and the report.
    """
    if not settings.enabled:
        return template, AdaptationReport.skipped(settings.method, "disabled")
    started = time.perf_counter()
    move = _Move(template, settings)
    steps = 1 if settings.method == "fgsm" else settings.steps

    current = best = template
    losses: list[float] = []
    stop_reason = "completed"
    while True:
        loss, gradient = loss_and_gradient(current)
        if not (math.isfinite(loss) and np.isfinite(gradient).all()):
            stop_reason = "not_finite"
            break
        losses.append(loss)
        if losses.index(min(losses)) == len(losses) - 1:
            best = current
        if len(losses) > steps:
            break
        if should_cancel():
            stop_reason = "cancelled"
            break
        if 0 < settings.budget_ms <= (time.perf_counter() - started) * 1e3:
            stop_reason = "budget"
            break
        current = move(current, gradient)

    change = np.abs(best - template)
    report = AdaptationReport(
        method=settings.method,
        losses=tuple(losses),
        best_step=losses.index(min(losses)) if losses else 0,
        steps=max(len(losses) - 1, 0),
        elapsed_ms=(time.perf_counter() - started) * 1e3,
        stop_reason=stop_reason,
        max_change=float(change.max()),
        mean_change=float(change.mean()),
        support_crops=settings.support_crops,
    )
    return best, report


class _Move:
    """One step down the gradient, by the rule of the method, kept in the ball and in 0..255."""

    def __init__(self, template: np.ndarray, settings: AdaptationSettings) -> None:
        self.settings = settings
        self.low = np.maximum(template - settings.epsilon, 0)
        self.high = np.minimum(template + settings.epsilon, 255)
        self.momentum = np.zeros_like(template)
        self.random_start = settings.method == "pgd"

    def __call__(self, current: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        if self.random_start:  # Madry et al., 2018: the first move is to a random point of the ball
            self.random_start = False
            random = np.random.default_rng(self.settings.seed)
            uniform = random.random(current.shape, np.float32)
            return self.low + (self.high - self.low) * uniform
        moved = current - self.settings.step_size * self.direction(gradient)
        return np.clip(moved, self.low, self.high)

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        if self.settings.method == "momentum":  # MI-FGSM, Dong et al., CVPR 2018, decay 1
            self.momentum += gradient / max(float(np.abs(gradient).mean()), 1e-30)
            return np.sign(self.momentum)
        if self.settings.method == "l2":
            return gradient / max(float(np.sqrt(np.square(gradient).mean())), 1e-30)
        return np.sign(gradient)
