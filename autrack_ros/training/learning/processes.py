"""The processes that torchrun starts, which train one network together.

Together they do what one process does with their batches as one: losses are divided by what all of
them count, batch normalisation takes the statistics of all, gradients are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from autrack_ros.networks.losses import Losses
from autrack_ros.tracking.targets import Targets

_LONGEST = timedelta(hours=2)  # that the others wait while the first validates


@dataclass(frozen=True, slots=True)
class Processes:
    """All of them, seen from one; by default that is alone.

    Attributes:
        rank: of this one, from 0.
        count: of all.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one writes files, validates and reports."""
        return self.rank == 0

    def number(self, iteration: int) -> int:
        """Of the batch that this one takes in an iteration."""
        return iteration * self.count + self.rank

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Of all processes' values, without gradient."""
        if self.count == 1:
            return values.detach()
        return _summed(values) / self.count

    def weighted(self, losses: Losses, targets: Targets) -> Losses:
        """Losses of this one's batch so that their mean is the loss of all batches as one.

        ``tracking_loss`` divides by the number of positive, and of labelled cells.
        """
        if self.count == 1:
            return losses
        own = torch.stack(((targets.cls > 0).sum(), (targets.ctr != 0).sum())).float()
        mean = self.mean(own)
        positive, labelled = own.clamp(min=1) / mean.clamp(min=1 / self.count)
        return Losses(losses.cls * positive, losses.ctr * labelled, losses.reg * positive)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give all processes the mean of their gradients."""
        if self.count == 1:
            return
        gradients = [each.grad for each in parameters if each.grad is not None]
        together = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = together.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def join_normalisation(self, network: nn.Module) -> None:
        """Let the batch normalisation of modules in training mode be that of all batches as one."""
        if self.count == 1:
            return
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.BatchNorm2d) and child.training:
                    setattr(parent, name, JoinedBatchNorm.of(child))

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first does something before the others do, such as a file that they read."""
        if self.count > 1 and not self.is_first:
            dist.barrier()
        yield
        if self.count > 1 and self.is_first:
            dist.barrier()


ALONE = Processes()


class JoinedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, equal in size.

    torch's SyncBatchNorm is for GPUs only.
    """

    @classmethod
    def of(cls, other: nn.BatchNorm2d) -> JoinedBatchNorm:
        """One with the parameters and statistics of another."""
        made = cls(other.num_features, other.eps, other.momentum, other.affine)
        made._parameters, made._buffers = other._parameters, other._buffers
        return made.train(other.training)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same."""
        if not self.training:
            return super().forward(values)
        count = values.numel() // self.num_features * dist.get_world_size()
        mean = _sum_of_all(values.sum((0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = _sum_of_all(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum or 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Sum(torch.autograd.Function):
    """The sum of all processes' values; torch's own with a gradient is deprecated."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _summed(gradient)


def _sum_of_all(values: torch.Tensor) -> torch.Tensor:
    return _Sum.apply(values)


def _summed(values: torch.Tensor) -> torch.Tensor:
    summed = values.detach().clone()
    dist.all_reduce(summed)
    return summed


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Where this process stands among those that torchrun started, and its device; else alone.

    On GPUs each process has its own, by its number on the machine.
    """
    if "WORLD_SIZE" not in os.environ:
        yield ALONE, device
        return
    on_gpu = device.type == "cuda"
    if on_gpu:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_LONGEST)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()
