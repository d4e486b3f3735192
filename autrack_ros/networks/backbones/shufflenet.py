"""ShuffleNetV2 at stride 8 (video_analyst, model/backbone/backbone_impl/shufflenet_v2.py).

The names of the layers are those of torchvision's ``shufflenet_v2``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# ImageNet statistics of RGB 0..1.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)

# Cells dropped on every edge of the last map: they see too much of the convolutions' zero padding.
_CROP = 4


def _pointwise(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


def _shuffle(x: Tensor) -> Tensor:
    """Interleave the two halves of the channels."""
    return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


class _Unit(nn.Module):
    """A unit that keeps the width: half of the channels pass unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch2 = nn.Sequential(
            *_pointwise(half, half), *_depthwise(half, 1), *_pointwise(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        passed, changed = x.chunk(2, dim=1)
        return _shuffle(torch.cat((passed, self.branch2(changed)), dim=1))


class _WideningUnit(nn.Module):
    """The first unit of a stage: two branches see all channels."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.branch1 = nn.Sequential(
            *_depthwise(in_channels, stride), *_pointwise(in_channels, half)
        )
        self.branch2 = nn.Sequential(
            *_pointwise(in_channels, half), *_depthwise(half, stride), *_pointwise(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        return _shuffle(torch.cat((self.branch1(x), self.branch2(x)), dim=1))


def _stage(in_channels: int, out_channels: int, units: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        _WideningUnit(in_channels, out_channels, stride),
        *(_Unit(out_channels) for _ in range(units - 1)),
    )


class _Trunk(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, widths: tuple[int, int, int], out_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, 24, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        # Stages 3 and 4 keep the layers of a strided stage but not the stride.
        self.stage2 = _stage(24, widths[0], units=4, stride=2)
        self.stage3 = _stage(widths[0], widths[1], units=8, stride=1)
        self.stage4 = _stage(widths[1], widths[2], units=4, stride=1)
        self.channel_reduce = nn.Sequential(*_pointwise(sum(widths), out_channels))

    def forward(self, x: Tensor) -> Tensor:
        x = (x.flip(1) / 255 - self.mean) / self.std
        stage2 = self.stage2(self.maxpool(self.conv1(x)))
        stage3 = self.stage3(stage2)
        stage4 = self.stage4(stage3)
        x = torch.cat((stage2, stage3, stage4), dim=1)
        return self.channel_reduce(x[..., _CROP:-_CROP, _CROP:-_CROP])


class _ShuffleNetV2(nn.Module):
    out_channels = 256
    stride = 8
    widths: tuple[int, int, int]

    def __init__(self) -> None:
        super().__init__()
        # The official weights have this extra level of names.
        self._model = _Trunk(self.widths, self.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Bx3xHxW float32 BGR 0..255 -> Bx256xhxw; 127 -> 8, 303 -> 30 cells a side."""
        return self._model(x)


class ShuffleNetV2X05(_ShuffleNetV2):
    """ShuffleNetV2 x0.5; its input is normalised with the ImageNet statistics."""

    widths = (48, 96, 192)


class ShuffleNetV2X10(_ShuffleNetV2):
    """ShuffleNetV2 x1.0; its input is normalised with the ImageNet statistics."""

    widths = (116, 232, 464)
