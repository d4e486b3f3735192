"""A SiamFC++ in the form of FEAR-XS, so that a training can start from that tracker's weights.

FEAR (Borsuk et al., FEAR: Fast, Efficient, Accurate and Robust Visual Tracker, ECCV 2022) has the
parts of SiamFC++: for class and box a layer of its own over the search features, a correlation with
the template, a tower, and per cell a logit and four distances. Targets, losses, decoding and
post-processing are those of SiamFC++ here. Three things differ: there is no centre-ness, the
correlation is pixel-wise, and the windows take the target's shape (``box_windows``). The towers are
narrower than FEAR's 256 channels, which costs no accuracy and saves an eighth of a frame's time
(``training.learning.slimming``).
"""

from __future__ import annotations

import torch
from torch import nn

from autrack_ros.networks.backbones.fbnet import FBNet
from autrack_ros.networks.head import DenseboxHead
from autrack_ros.networks.layers import conv_bn_relu
from autrack_ros.networks.lite import TEMPLATE_SIZE, LayeredSiamese, pixelwise_correlation
from autrack_ros.networks.siamese import Prediction, SearchFeatures

WIDTH = 256
TOWER_WIDTH = 160
TOWER_CONVS = 3


def separable(in_channels: int, out_channels: int, relu: bool = True) -> nn.Sequential:
    """A 3x3 depth-wise and a 1x1 convolution, batch normalisation folded in; keeps the size."""
    return nn.Sequential(
        conv_bn_relu(
            in_channels, in_channels, 3, padding=1, groups=in_channels, bn=False, relu=False
        ),
        conv_bn_relu(in_channels, out_channels, 1, bn=False, relu=relu),
    )


class FearSiamFCpp(LayeredSiamese):
    """Template 3x128x128 (an 8x8 map), search region 3x256x256 (a 16x16 map), stride 16.

    Args:
        tower_width: channels of the towers; ``WIDTH`` in FEAR-XS.
    """

    stride = 16
    origin = -0.5  # all strides are padded symmetrically: the first cell lies on the crop's corner

    def __init__(self, tower_width: int = TOWER_WIDTH) -> None:
        super().__init__()
        self.tower_width = tower_width
        self.basemodel = FBNet()
        self.neck = conv_bn_relu(*self.basemodel.out_channels, WIDTH, 1, bn=False, relu=False)
        self.c_x = separable(WIDTH, WIDTH)
        self.r_x = separable(WIDTH, WIDTH)
        self.head = DenseboxHead(
            WIDTH + (TEMPLATE_SIZE // self.stride) ** 2,
            tower_width,
            (False,) * TOWER_CONVS,
            self.stride,
            lambda in_channels, out_channels, bn: separable(in_channels, out_channels),
            lambda in_channels, out_channels: separable(in_channels, out_channels, relu=False),
            self.origin,
            centerness=False,
        )

    def template_from_features(
        self, features: tuple[torch.Tensor, ...], corners: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Backbone features of the template -> (B, 256, 8, 8). The window's shape is the box's."""
        return (self.neck(features[-1]),)

    def search_from_features(self, features: tuple[torch.Tensor, ...], size: int) -> SearchFeatures:
        """Backbone features of the search region -> its maps for class and box."""
        x = self.neck(features[-1])
        return SearchFeatures((self.c_x(x), self.r_x(x)), size)

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """Correlate template and search maps and read off class, centre-ness and boxes."""
        matched = [torch.cat((x, pixelwise_correlation(x, template[0])), 1) for x in search.maps]
        return self.head(*matched, search.size)
