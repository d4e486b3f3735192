"""The FBNet of FEAR-XS up to stride 16 (Borsuk et al., ECCV 2022; Wu et al., CVPR 2019).

Inverted residuals with ReLU, whose batch normalisation is folded into the convolutions.
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
    BlockSpec(3, 1, 1, 24),
    BlockSpec(3, 1, 1, 24),
    BlockSpec(5, 2, 6, 32),
    BlockSpec(5, 1, 3, 32),
    BlockSpec(5, 1, 6, 32),
    BlockSpec(3, 1, 6, 32),  # stride 8
    BlockSpec(5, 2, 6, 64),
    BlockSpec(5, 1, 3, 64),
    BlockSpec(5, 1, 6, 64),
    BlockSpec(5, 1, 6, 64),
    BlockSpec(5, 1, 6, 112),
    BlockSpec(5, 1, 6, 112),
    BlockSpec(5, 1, 6, 112),
    BlockSpec(5, 1, 3, 112),  # stride 16
)
STEM_CHANNELS = 16
MEAN = (123.675, 116.28, 103.53)  # RGB, grey levels
SCALE = (0.01712036, 0.01750183, 0.01742554)  # as in the published graph


class InvertedResidual(nn.Module):
    """Expand, depth-wise, project; with a skip connection where shapes allow."""

    def __init__(self, in_channels: int, spec: BlockSpec) -> None:
        super().__init__()
        width = in_channels * spec.expand
        self.skips = spec.stride == 1 and in_channels == spec.channels
        expand = PaddedConv2d(in_channels, width, 1, bias=True)
        self.expand = expand if spec.expand > 1 else None
        self.depthwise = PaddedConv2d(
            width, width, spec.kernel, spec.stride, groups=width, bias=True
        )
        self.project = PaddedConv2d(width, spec.channels, 1, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, out channels, H / stride, W / stride)."""
        y = x if self.expand is None else F.relu(self.expand(x))
        y = self.project(F.relu(self.depthwise(y)))
        return x + y if self.skips else y


class FBNet(LayeredBackbone):
    """Bx3xHxW BGR 0..255 -> map at stride 16 (112 channels).

    All strides are padded alike on all sides, so the middle of cell (0, 0) is the image's corner.
    """

    layer_count = 1 + len(BLOCKS)
    fine_layer = layer_count  # its map at stride 8 is not wanted
    out_channels = (112,)

    def __init__(self) -> None:
        super().__init__()
        self.stem_conv = PaddedConv2d(3, STEM_CHANNELS, 3, stride=2, bias=True)
        inputs = (STEM_CHANNELS, *(spec.channels for spec in BLOCKS[:-1]))
        self.stages = nn.ModuleList(map(InvertedResidual, inputs, BLOCKS))

    @property
    def stem_layers(self) -> list[nn.Module]:
        """The modules of the stem."""
        return [self.stem_conv]

    @property
    def blocks(self) -> nn.ModuleList:
        """The layers after the stem."""
        return self.stages

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) BGR 0..255 -> (B, 16, S/2, S/2)."""
        mean, scale = (x.new_tensor(values)[:, None, None] for values in (MEAN, SCALE))
        return F.relu(self.stem_conv((x.flip(1) - mean) * scale))
