"""What the light network's backbones have in common: a stem and blocks that can be run apart."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F


class BlockSpec(NamedTuple):
    """One inverted residual block (Sandler et al., MobileNetV2, CVPR 2018)."""

    kernel: int
    stride: int
    expand: int
    channels: int


class PaddedConv2d(nn.Conv2d):
    """Convolution that keeps the map's size; ``late`` pads more on the right and bottom.

    On an even-sized input a stride-2 convolution with symmetric padding is centred half a cell to
    the top left, one with late padding (TensorFlow's SAME) half a cell to the bottom right. Three
    late ones and one symmetric one bring the stride-16 map to the centre of the image, within half
    a pixel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        late: bool = False,
        bias: bool = False,
    ) -> None:
        padding = 0 if late else kernel // 2
        super().__init__(
            in_channels, out_channels, kernel, stride, padding, groups=groups, bias=bias
        )
        self.late = ((kernel - 2) // 2, (kernel - 1) // 2) * 2 if late else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, out channels, H / stride, W / stride)."""
        return super().forward(x if self.late is None else F.pad(x, self.late))


class LayeredBackbone(nn.Module):
    """Bx3xHxW BGR 0..255 -> maps at stride 8, where wanted, and stride 16, layer by layer.

    Attributes:
        layer_count: the stem, which is layer 0, and the blocks.
        fine_layer: the last layer at stride 8; ``layer_count`` where its map is not wanted.
        out_channels: of the maps at stride 8 and stride 16, or of the latter alone.
    """

    layer_count: int
    fine_layer: int
    out_channels: tuple[int, ...]

    def stem(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) BGR 0..255 -> the first map, at stride 2."""
        raise NotImplementedError

    @property
    def stem_layers(self) -> list[nn.Module]:
        """The modules of the stem."""
        raise NotImplementedError

    @property
    def blocks(self) -> nn.ModuleList:
        """The layers after the stem."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 3, S, S) BGR 0..255 -> (B, C8, S/8, S/8) and (B, C16, S/16, S/16)."""
        return self.run_layers((x,), 0, self.layer_count)

    def run_layers(
        self, maps: tuple[torch.Tensor, ...], first: int, end: int
    ) -> tuple[torch.Tensor, ...]:
        """Layers ``first`` to ``end - 1``, of which 0 is the stem.

        Training freezes the first layers, and runs them once for many passes over the others.

        Args:
            maps: what ``run_layers(..., 0, first)`` gives; the image for ``first`` 0.
            first: 0..``layer_count``.
            end: first..``layer_count``.

        Returns:
            The map of the last layer, preceded by that at stride 8 once it is left behind.
        """
        *kept, x = maps
        for layer in range(first, end):
            if layer == self.fine_layer + 1:
                kept = [x]
            x = self.stem(x) if layer == 0 else self.blocks[layer - 1](x)
        return (*kept, x)

    def layer_parameters(self, first: int, depthwise: bool = True) -> list[nn.Parameter]:
        """Parameters of the layers from ``first`` on, with or without depth-wise kernels."""
        layers = [*(self.stem_layers if first == 0 else []), *self.blocks[max(first - 1, 0) :]]
        return [
            parameter
            for layer in layers
            for module in layer.modules()
            for name, parameter in module.named_parameters(recurse=False)
            if depthwise or name != "weight" or getattr(module, "groups", 1) == 1
        ]
