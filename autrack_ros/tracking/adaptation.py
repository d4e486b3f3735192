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

import torch

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.losses import LossSettings, tracking_loss
from autrack_ros.tracking.siamese import SearchFeatures, SiameseNetwork
from autrack_ros.tracking.targets import Targets

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

    @property
    def enabled(self) -> bool:
        """Whether there is anything to do."""
        return self.method != "none" and self.steps > 0

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
    network: SiameseNetwork,
    template: torch.Tensor,
    template_corners: torch.Tensor,
    search: SearchFeatures,
    targets: Targets,
    training_loss: LossSettings,
    settings: AdaptationSettings,
    should_cancel: Callable[[], bool] = lambda: False,
) -> tuple[torch.Tensor, AdaptationReport]:
    """Adapt a template to search regions whose truth is known.

    The iterate with the lowest loss is returned, the unchanged template included, so the result is
    never worse than the start on the support crops. The network's parameters and their gradients
    are not touched.

    Args:
        network: frozen, in eval mode.
        template: (1, 3, S, S) float32, 0..255.
        template_corners: (1, 4) inclusive corners of the target in the template, pixels.
        search: features of B support crops, computed without gradient.
        targets: labels of the B support crops.
        training_loss: loss settings the network was trained with.
        settings: method, budget, guards.
        should_cancel: asked before every step.

    Returns:
        the adapted template, (1, 3, S, S) float32 within epsilon of ``template`` and 0..255, and
        the report.
    """
    if not settings.enabled:
        return template, AdaptationReport.skipped(settings.method, "disabled")
    started = time.perf_counter()
    loss_settings = training_loss if settings.loss == "training" else MTP_LOSS
    loss_and_gradient = template_gradient(
        network, template_corners, search, targets, loss_settings, template
    )
    move = _Move(template, settings)
    steps = 1 if settings.method == "fgsm" else settings.steps

    current = best = template
    losses: list[float] = []
    stop_reason = "completed"
    while True:
        loss, gradient = loss_and_gradient(current)
        finite = bool(torch.isfinite(loss)) and bool(torch.isfinite(gradient).all())
        if not finite:
            stop_reason = "not_finite"
            break
        losses.append(loss.item())
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

    change = (best - template).abs()
    report = AdaptationReport(
        method=settings.method,
        losses=tuple(losses),
        best_step=losses.index(min(losses)) if losses else 0,
        steps=max(len(losses) - 1, 0),
        elapsed_ms=(time.perf_counter() - started) * 1e3,
        stop_reason=stop_reason,
        max_change=change.max().item(),
        mean_change=change.mean().item(),
        support_crops=len(targets.boxes),
    )
    return best, report


class _Move:
    """One step down the gradient, by the rule of the method, kept in the ball and in 0..255."""

    def __init__(self, template: torch.Tensor, settings: AdaptationSettings) -> None:
        self.settings = settings
        self.low = (template - settings.epsilon).clamp(min=0)
        self.high = (template + settings.epsilon).clamp(max=255)
        self.momentum = torch.zeros_like(template)
        self.random_start = settings.method == "pgd"

    def __call__(self, current: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        if self.random_start:  # Madry et al., 2018: the first move is to a random point of the ball
            self.random_start = False
            generator = torch.Generator().manual_seed(self.settings.seed)
            uniform = torch.rand(current.shape, generator=generator).to(current.device)
            return self.low + (self.high - self.low) * uniform
        moved = current - self.settings.step_size * self.direction(gradient)
        return torch.minimum(torch.maximum(moved, self.low), self.high)

    def direction(self, gradient: torch.Tensor) -> torch.Tensor:
        if self.settings.method == "momentum":  # MI-FGSM, Dong et al., CVPR 2018, decay 1
            self.momentum += gradient / gradient.abs().mean().clamp(min=1e-30)
            return self.momentum.sign()
        if self.settings.method == "l2":
            return gradient / gradient.square().mean().sqrt().clamp(min=1e-30)
        return gradient.sign()


LossAndGradient = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def template_gradient(
    network: SiameseNetwork,
    template_corners: torch.Tensor,
    search: SearchFeatures,
    targets: Targets,
    loss_settings: LossSettings,
    template: torch.Tensor,
) -> LossAndGradient:
    """A function from a template to its loss (scalar) and dL/dz (same shape as the template).

    Only what depends on the template is computed. On a CUDA device the computation is captured once
    as a graph for templates of this shape, because launching its small kernels one by one takes
    longer than running them.
    """

    def loss_and_gradient(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            prediction = network.predict(network.template(z, template_corners), search)
            loss = tracking_loss(prediction, targets, loss_settings).total
            (gradient,) = torch.autograd.grad(loss, z)
        return loss.detach(), gradient

    if template.device.type == "cuda":
        return _captured(loss_and_gradient, template)
    return loss_and_gradient


def _captured(function: LossAndGradient, example: torch.Tensor) -> LossAndGradient:
    """The same function as a CUDA graph, replayed on a static input."""
    static = example.clone()
    stream = torch.cuda.Stream(static.device)
    stream.wait_stream(torch.cuda.current_stream(static.device))
    with torch.cuda.stream(stream):  # libraries choose their kernels outside the capture
        for _ in range(3):
            function(static)
    torch.cuda.current_stream(static.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Without a stream the capture would be on the current device, whichever the tensors are on.
    # Other threads may track meanwhile: what they allocate must not end the capture.
    capture = torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local")
    with torch.cuda.device(static.device), capture:
        loss, gradient = function(static)

    def replay(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        static.copy_(z)
        graph.replay()
        return loss.clone(), gradient.clone()

    replay.captured = function  # type: ignore[attr-defined]  # the graph reads its tensors' memory
    return replay
