"""Batch normalisation folded into the convolutions, for inference and template adaptation."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def fuse_batch_norm(module: ModuleT) -> ModuleT:
    """A frozen copy of a network, in eval mode, without batch normalisation.

    Where a module has a ``Conv2d`` and directly after it a ``BatchNorm2d`` of its width as
    children, the first becomes the fused convolution and the second the identity; so a network must
    declare such layers in the order in which they run. The copy computes what ``module.eval()``
    does, to within rounding. It is faster, and it avoids that torch on a CPU gives a wrong gradient
    through a batch normalisation at batch 1 (torch 2.13, incoming gradient strided like
    (96, 1, 672, 96)).

    Args:
        module: any network; it is left unchanged.

    Returns:
        The copy; no parameter of it requires a gradient.
    """
    fused = copy.deepcopy(module).eval()
    for conv, bn in list(normalised_convolutions(fused)):
        layer: Any = fused.get_submodule(conv)
        norm: Any = fused.get_submodule(bn)
        _replace(fused, conv, fuse_conv_bn_eval(layer, norm))
        _replace(fused, bn, nn.Identity())
    return fused.requires_grad_(False)


def normalised_convolutions(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of the convolutions that a batch normalisation follows, and of these."""
    for name, parent in list(module.named_modules()):
        prefix = f"{name}." if name else ""
        for (conv_name, conv), (bn_name, bn) in pairwise(list(parent.named_children())):
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(bn, nn.BatchNorm2d)
                and conv.out_channels == bn.num_features
            ):
                yield prefix + conv_name, prefix + bn_name


def _replace(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    module.get_submodule(parent).add_module(own, part)
