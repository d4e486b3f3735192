"""SiamFC++ (Xu et al., AAAI 2020); video_analyst, taskmodel_impl/siamese_track.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from autrack_ros.networks.head import DenseboxHead
from autrack_ros.networks.layers import conv_bn_relu
from autrack_ros.networks.siamese import Prediction, SearchFeatures, SiameseNetwork


def depthwise_correlation(search: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Valid cross-correlation, channel by channel.

    Args:
        search: (B, C, H, W).
        kernel: (B, C, h, w), or (1, C, h, w) to correlate one template with every search map.

    Returns:
        (B, C, H-h+1, W-w+1).
    """
    batch, channels = search.shape[:2]
    if kernel.shape[0] == 1:
        return F.conv2d(search, kernel.transpose(0, 1), groups=channels)
    groups = batch * channels
    maps = search.reshape(1, groups, *search.shape[2:])
    kernels = kernel.reshape(groups, 1, *kernel.shape[2:])
    out = F.conv2d(maps, kernels, groups=groups)
    return out.reshape(batch, channels, *out.shape[2:])


class SiamFCpp(SiameseNetwork):
    """The official network; parameter names are those of the official checkpoints.

    Args:
        backbone: total stride 8, ``head_width`` output channels.
        head_width: 256, or 64 for TinyConv.
        tower_bn: one entry per tower layer of the head: whether it has batch norm.
    """

    stride = 8

    def __init__(self, backbone: nn.Module, head_width: int, tower_bn: Sequence[bool]) -> None:
        super().__init__()
        self.basemodel = backbone
        self.head = DenseboxHead(head_width, head_width, tower_bn, self.stride)
        self.r_z_k = conv_bn_relu(head_width, head_width, 3, relu=False)
        self.c_z_k = conv_bn_relu(head_width, head_width, 3, relu=False)
        self.r_x = conv_bn_relu(head_width, head_width, 3, relu=False)
        self.c_x = conv_bn_relu(head_width, head_width, 3, relu=False)

    def template_from_features(
        self, features: torch.Tensor, corners: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Backbone features of the template -> class and box kernels."""
        return self.c_z_k(features), self.r_z_k(features)

    def search_from_features(self, features: torch.Tensor, size: int) -> SearchFeatures:
        """Backbone features of the search region -> class and box maps."""
        return SearchFeatures((self.c_x(features), self.r_x(features)), size)

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """Correlate kernels with maps and read off class, centre-ness and boxes."""
        cls_map, reg_map = map(depthwise_correlation, search.maps, template)
        return self.head(cls_map, reg_map, search.size)
