"""Functions that take gradients as graphs that OpenVINO can convert."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

aten = torch.ops.aten
MOST_ROWS = 1024


def input_gradient(
    gradient: Tensor,
    value: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Tensor, None, None]:
    """``aten.convolution_backward`` of a frozen convolution.

    With stride 1 a convolution with the turned kernel, not a transposed one: OpenVINO 2026.4 gives
    a wrong result where a square 1x1 weight feeds a convolution and a transposed one.
    """
    assert not transposed, "no such layer is in our networks"
    assert not any(output_mask[1:]), "weights are frozen"
    sides = weight.shape[2:]
    if set(stride) == {1}:
        kernel = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
        if set(sides) != {1}:
            kernel = kernel.flip(2, 3)
        margins = [side - 1 - pad for side, pad in zip(sides, padding, strict=True)]
        one, none = [1, 1], [0, 0]
        turned = aten.convolution(gradient, kernel, None, one, margins, one, False, none, groups)
        return turned, None, None
    rest = [
        whole - ((part - 1) * step - 2 * pad + side)
        for whole, part, step, pad, side in zip(
            value.shape[2:], gradient.shape[2:], stride, padding, sides, strict=True
        )
    ]
    up = aten.convolution(gradient, weight, None, stride, padding, [1, 1], True, rest, groups)
    return up, None, None


def trace_with_gradient(
    function: Callable[..., tuple[Tensor, ...]],
    examples: Mapping[str, Tensor],
    batches: Collection[str],
) -> ExportedProgram:
    """A function that may take gradients as a program without any.

    Args:
        function: of tensors, without side effects.
        examples: its arguments; those in ``batches`` with the same number of rows, not 1.
        batches: which of them may have any number of rows.
    """
    fake = FakeTensorMode(shape_env=ShapeEnv())
    arguments = []
    for name, example in examples.items():
        sizes = [DimDynamic.STATIC] * example.dim()
        if name in batches:
            sizes[0] = DimDynamic.DUCK
        context: Any = StatelessSymbolicContext(dynamic_sizes=sizes)
        source = ConstantSource(name)
        arguments.append(fake.from_tensor(example, source=source, symbolic_context=context))
    with fake:
        graph = make_fx(function, decomposition_table=_table())(*arguments)
    rows = Dim("rows", min=1, max=MOST_ROWS)
    dynamic = tuple({0: rows} if name in batches else None for name in examples)
    return torch.export.export(graph, tuple(examples.values()), dynamic_shapes=dynamic)


def _table() -> dict[Any, Any]:
    return {
        **core_aten_decompositions(),
        aten.convolution_backward.default: input_gradient,
        # OpenVINO has no rule for it.
        aten.sub.Scalar: lambda value, other, alpha=1: value + (-alpha * other),
    }
