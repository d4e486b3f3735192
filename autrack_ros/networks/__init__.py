"""The networks by name; a preset names one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from autrack_ros.networks.backbones.alexnet import AlexNet
from autrack_ros.networks.backbones.efficientnet_lite import EfficientNetLite0
from autrack_ros.networks.backbones.googlenet import GoogLeNet
from autrack_ros.networks.backbones.shufflenet import ShuffleNetV2X05, ShuffleNetV2X10
from autrack_ros.networks.backbones.tinyconv import TinyConv
from autrack_ros.networks.fear import FearSiamFCpp
from autrack_ros.networks.lite import LiteSiamFCpp
from autrack_ros.networks.siamese import SiameseNetwork
from autrack_ros.networks.siamfcpp import SiamFCpp

# Builders of networks with random weights. The official ones are those of video_analyst's
# experiments/siamfcpp: head width, and per tower layer whether it has batch normalisation.
NETWORKS: Mapping[str, Callable[[], SiameseNetwork]] = MappingProxyType(
    {
        "autrack_fear": FearSiamFCpp,
        "autrack_lite0": lambda: LiteSiamFCpp(EfficientNetLite0()),
        "siamfcpp_alexnet": lambda: SiamFCpp(AlexNet(), 256, (False, False, True)),
        "siamfcpp_googlenet": lambda: SiamFCpp(GoogLeNet(), 256, (False, False)),
        "siamfcpp_shufflenet_x0_5": lambda: SiamFCpp(ShuffleNetV2X05(), 256, (False, False, True)),
        "siamfcpp_shufflenet_x1_0": lambda: SiamFCpp(ShuffleNetV2X10(), 256, (False, False, True)),
        "siamfcpp_tinyconv": lambda: SiamFCpp(TinyConv(), 64, (False, False, True)),
    }
)
