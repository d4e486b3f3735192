"""The building block of every SiamFC++ layer."""

from __future__ import annotations

from torch import nn


def conv_bn_relu(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    bn: bool = True,
    relu: bool = True,
    bias: bool = True,
    bn_eps: float = 1e-5,
) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU, as children ``conv``, ``bn`` and ``relu``.

    By default the convolution has a bias even before a batch normalisation, as in the official
    weights (video_analyst, model/common_opr/common_block.py).

    Args:
        in_channels: channels of the input, Bx``in_channels``xHxW.
        out_channels: channels of the output.
        kernel_size: side of the square kernel, or its (height, width).
        stride: stride of the convolution.
        padding: zeros added on every edge, or on (top and bottom, left and right).
        groups: groups of the convolution.
        bn: whether there is a batch normalisation.
        relu: whether there is a ReLU.
        bias: whether the convolution has a bias.
        bn_eps: what the batch normalisation adds to the variance.
    """
    block = nn.Sequential()
    conv = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
    )
    block.add_module("conv", conv)
    if bn:
        block.add_module("bn", nn.BatchNorm2d(out_channels, eps=bn_eps))
    if relu:
        block.add_module("relu", nn.ReLU(inplace=True))
    return block
