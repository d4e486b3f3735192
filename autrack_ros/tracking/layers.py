"""The building block of every SiamFC++ layer."""

from __future__ import annotations

from torch import nn


def conv_bn_relu(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    bn: bool = True,
    relu: bool = True,
) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU, as children ``conv``, ``bn`` and ``relu``.

    The convolution has a bias even before a batch normalisation, as in the official checkpoints
    (video_analyst, model/common_opr/common_block.py).

    Args:
        in_channels: channels of the input, Bx``in_channels``xHxW.
        out_channels: channels of the output.
        kernel_size: side of the square kernel.
        stride: stride of the convolution.
        padding: zeros added on every edge.
        groups: groups of the convolution.
        bn: whether there is a batch normalisation.
        relu: whether there is a ReLU.
    """
    block = nn.Sequential()
    block.add_module(
        "conv",
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups),
    )
    if bn:
        block.add_module("bn", nn.BatchNorm2d(out_channels))
    if relu:
        block.add_module("relu", nn.ReLU())
    return block
