"""TinyConv, the smallest backbone (video_analyst, model/backbone/backbone_impl/tinyconv.py)."""

from __future__ import annotations

from torch import Tensor, nn

from autrack_ros.networks.layers import conv_bn_relu


class TinyConv(nn.Module):
    """Five un-padded convolutions of at most 64 channels; the input is not normalised."""

    out_channels = 64
    stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(3, 32, 3, stride=2)
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2a = conv_bn_relu(32, 64, 1)
        self.conv2b = conv_bn_relu(64, 64, 7, stride=2, groups=64)
        self.conv3a = conv_bn_relu(64, 64, 3)
        self.conv3b = conv_bn_relu(64, 64, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Bx3xHxW float32 BGR 0..255 -> Bx64xhxw; 127 -> 11, 303 -> 33 cells a side."""
        x = self.pool1(self.conv1(x))
        x = self.conv2b(self.conv2a(x))
        return self.conv3b(self.conv3a(x))
