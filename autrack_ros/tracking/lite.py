"""The project's light SiamFC++: EfficientNet-lite0, pixel-wise correlation, separable towers.

Targets, losses, decoding and post-processing are those of SiamFC++. Differences, each for speed on
a CPU: features at stride 16 that take in those at stride 8, a 16x16 response map for a 256-pixel
search region, and pixel-wise correlation (Yan et al., Alpha-Refine, CVPR 2021) whose maps keep
where in the template a match lies, beside the search features themselves.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from autrack_ros.tracking.backbones.efficientnet_lite import EfficientNetLite0
from autrack_ros.tracking.head import DenseboxHead
from autrack_ros.tracking.layers import conv_bn_relu
from autrack_ros.tracking.siamese import Prediction, SearchFeatures, SiameseNetwork

TEMPLATE_SIZE = 128
FineCoarse = tuple[torch.Tensor, torch.Tensor]  # backbone maps at stride 8 and stride 16


def pixelwise_correlation(search: torch.Tensor, template: torch.Tensor) -> torch.Tensor:
    """Similarity of every search cell to every template cell.

    Args:
        search: (B, C, H, W).
        template: (B, C, h, w) or (1, C, h, w).

    Returns:
        (B, h*w, H, W): scaled dot products of the C channels.
    """
    cells = template.flatten(2).transpose(1, 2) * template.shape[1] ** -0.5
    maps = torch.matmul(cells, search.flatten(2))
    return maps.reshape(search.shape[0], cells.shape[1], *search.shape[2:])


def separable_block(in_channels: int, out_channels: int, bn: bool) -> nn.Module:
    """A 3x3 depth-wise and a 1x1 convolution, each with ReLU; keeps the map's size."""
    return nn.Sequential(
        conv_bn_relu(in_channels, in_channels, 3, padding=1, groups=in_channels, bn=bn),
        conv_bn_relu(in_channels, out_channels, 1, bn=bn),
    )


class LiteSiamFCpp(SiameseNetwork):
    """Template 3x128x128 (an 8x8 map), search region 3x256x256 (a 16x16 map), stride 16.

    Args:
        width: channels of the features and of the towers.
        tower_convs: layers per tower.
    """

    stride = 16

    def __init__(self, width: int = 96, tower_convs: int = 3) -> None:
        super().__init__()
        self.basemodel = EfficientNetLite0()
        fine, coarse = self.basemodel.out_channels
        self.lateral8 = conv_bn_relu(fine, width, 3, stride=2, padding=1, relu=False)
        self.lateral16 = conv_bn_relu(coarse, width, 1, relu=False)
        template_cells = (TEMPLATE_SIZE // self.stride) ** 2
        self.head = DenseboxHead(
            template_cells + width, width, (True,) * tower_convs, self.stride, separable_block
        )
        # Focal loss starts from a foreground probability of 0.01 (Lin et al., ICCV 2017, section
        # 4.1).
        nn.init.constant_(self.head.get_parameter("cls_score_p5.bn.bias"), -math.log(99))

    def merge(self, features: FineCoarse) -> torch.Tensor:
        """Stride-8 and stride-16 backbone maps -> one (B, width, H/16, W/16) map."""
        fine, coarse = features
        return self.lateral8(fine) + self.lateral16(coarse)

    def template_from_features(self, features: FineCoarse) -> tuple[torch.Tensor, ...]:
        """Backbone features of the template -> its merged map."""
        return (self.merge(features),)

    def search_from_features(self, features: FineCoarse, size: int) -> SearchFeatures:
        """Backbone features of the search region -> its merged map."""
        return SearchFeatures((self.merge(features),), size)

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """Correlate template and search maps and read off class, centre-ness and boxes."""
        (search_map,) = search.maps
        matched = torch.cat((pixelwise_correlation(search_map, template[0]), search_map), dim=1)
        return self.head(matched, matched, search.size)
