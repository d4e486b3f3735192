"""AlexNet with batch normalisation (video_analyst, model/backbone/backbone_impl/alexnet_bn.py)."""

from __future__ import annotations

from torch import Tensor, nn

from autrack_ros.networks.layers import conv_bn_relu


class AlexNet(nn.Module):
    """Five un-padded convolutions; the input is not normalised."""

    out_channels = 256
    stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv_bn_relu(3, 96, 11, stride=2)
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv_bn_relu(96, 256, 5)
        self.pool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv3 = conv_bn_relu(256, 384, 3)
        self.conv4 = conv_bn_relu(384, 384, 3)
        self.conv5 = conv_bn_relu(384, 256, 3, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Bx3xHxW float32 BGR 0..255 -> Bx256xhxw; 127 -> 6, 303 -> 28 cells a side."""
        x = self.pool1(self.conv1(x))
        x = self.pool2(self.conv2(x))
        return self.conv5(self.conv4(self.conv3(x)))
