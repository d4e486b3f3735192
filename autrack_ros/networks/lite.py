"""The project's light SiamFC++: EfficientNet-lite0, pixel-wise correlation, separable towers.

Targets, losses, decoding and post-processing are those of SiamFC++. Differences, each for speed on
a CPU: features at stride 16 that take in those at stride 8, a 16x16 response map for a 256-pixel
search region, and pixel-wise correlation (Yan et al., Alpha-Refine, CVPR 2021) whose maps keep
where in the template a match lies, beside the search features themselves. One is for accuracy: the
target's box in the template is an input, for the crop shows its surroundings too and only the box
says how much of it is the target (after the label map of STMTrack, Fu et al., CVPR 2021).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from autrack_ros.networks.backbones.layered import LayeredBackbone
from autrack_ros.networks.head import DenseboxHead
from autrack_ros.networks.layers import conv_bn_relu
from autrack_ros.networks.siamese import Prediction, SearchFeatures, SiameseNetwork

TEMPLATE_SIZE = 128
FineCoarse = tuple[torch.Tensor, ...]  # backbone maps at stride 8 and stride 16


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


def box_coverage(corners: torch.Tensor, cells: int, stride: int) -> torch.Tensor:
    """How much of every cell of a map a box covers.

    Args:
        corners: (B, 4) inclusive corners, pixels.
        cells: cells along a side of the map.
        stride: pixels per cell.

    Returns:
        (B, cells * cells), 0..1.
    """
    start = torch.arange(cells, device=corners.device) * stride
    first, last = corners[:, :2, None], corners[:, 2:, None] + 1
    overlap = torch.minimum(last, start + stride) - torch.maximum(first, start)
    columns, rows = (overlap.clamp(min=0) / stride).unbind(1)
    return (rows[:, :, None] * columns[:, None, :]).flatten(1)


def separable_block(in_channels: int, out_channels: int, bn: bool) -> nn.Module:
    """A 3x3 depth-wise and a 1x1 convolution, each with ReLU; keeps the map's size."""
    return nn.Sequential(
        conv_bn_relu(in_channels, in_channels, 3, padding=1, groups=in_channels, bn=bn),
        conv_bn_relu(in_channels, out_channels, 1, bn=bn),
    )


class LayeredSiamese(SiameseNetwork):
    """A network that is trained here: its backbone's layers can be run, and trained, apart."""

    basemodel: LayeredBackbone
    head: DenseboxHead


class LiteSiamFCpp(LayeredSiamese):
    """Template 3x128x128 (an 8x8 map), search region 3x256x256 (a 16x16 map), stride 16.

    Args:
        backbone: gives the maps at stride 8 and 16.
        width: channels of the features and of the towers.
        tower_convs: layers per tower.
    """

    stride = 16

    def __init__(self, backbone: LayeredBackbone, width: int = 96, tower_convs: int = 3) -> None:
        super().__init__()
        self.basemodel = backbone
        fine, coarse = backbone.out_channels
        self.lateral8 = conv_bn_relu(fine, width, 3, stride=2, padding=1, relu=False)
        self.lateral16 = conv_bn_relu(coarse, width, 1, relu=False)
        self.template_cells = TEMPLATE_SIZE // self.stride
        self.head = DenseboxHead(
            2 * self.template_cells**2 + 2 + width,
            width,
            (True,) * tower_convs,
            self.stride,
            separable_block,
        )
        # Focal loss starts from a foreground probability of 0.01 (Lin et al., ICCV 2017, section
        # 4.1).
        nn.init.constant_(self.head.get_parameter("cls_score_p5.bn.bias"), -math.log(99))

    def merge(self, features: FineCoarse) -> torch.Tensor:
        """Stride-8 and stride-16 backbone maps -> one (B, width, H/16, W/16) map."""
        fine, coarse = features
        return self.lateral8(fine) + self.lateral16(coarse)

    def template_from_features(
        self, features: FineCoarse, corners: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Backbone features of the template and the target's box in it -> what ``predict`` takes.

        These are the merged map (B, width, 8, 8), the box's coverage of its cells (B, 64), and the
        logarithms of the box's width and height over half the crop's side (B, 2).
        """
        sides = (corners[:, 2:] - corners[:, :2] + 1) / (TEMPLATE_SIZE / 2)
        coverage = box_coverage(corners, self.template_cells, self.stride)
        return self.merge(features), coverage, sides.log()

    def search_from_features(self, features: FineCoarse, size: int) -> SearchFeatures:
        """Backbone features of the search region -> its merged map."""
        return SearchFeatures((self.merge(features),), size)

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """Correlate template and search maps and read off class, centre-ness and boxes."""
        (search_map,) = search.maps
        template_map, coverage, log_sides = template
        matches = pixelwise_correlation(search_map, template_map)
        with_target = matches * coverage[..., None, None]
        sides = log_sides[..., None, None].expand(search_map.shape[0], -1, *search_map.shape[2:])
        matched = torch.cat((with_target, matches - with_target, search_map, sides), dim=1)
        return self.head(matched, matched, search.size)
