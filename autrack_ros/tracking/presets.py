"""The table of models: each preset is a network, its tracker settings and its weights.

The official rows are those of video_analyst's experiments/siamfcpp/test, with the accuracy of its
docs/TUTORIALS/SOT_MODEL_ZOO.md; the loss settings are those the weights were trained with
(experiments/siamfcpp/train).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from autrack_ros.tracking.errors import CheckpointError, ConfigurationError

WEIGHTS_DIR = Path(__file__).parent / "weights"


def _check(field: str, value: float, accepted: str, ok: bool) -> None:
    if not (math.isfinite(value) and ok):
        raise ConfigurationError(f"{field} is {value!r}; accepted: {accepted}")


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Sizes of the crops and how a prediction becomes the next box (SiamFC++).

    Attributes:
        template_size: side of the template z, pixels.
        search_size: side of the search region x, pixels.
        context_amount: share of (width + height) of the target added to its sides in the template.
        box_windows: windows of template and search region, in sides of the target's box, whose
            shape they take; None for SiamFC++'s square ones, which ``context_amount`` sizes.
        test_lr: rate at which the size follows the prediction, 0..1.
        window_influence: weight of the cosine window in the score, 0..1.
        penalty_k: strength of the penalty on a change of scale or aspect ratio.
        min_side: smallest side of the target, image pixels.
        corner_aligned: crop as the official code does at test time (``crops.CropGeometry``).

    Raises:
        ConfigurationError: a value is outside its range.
    """

    template_size: int = 127
    search_size: int = 303
    context_amount: float = 0.5
    box_windows: tuple[float, float] | None = None
    test_lr: float = 0.52
    window_influence: float = 0.21
    penalty_k: float = 0.04
    min_side: float = 10.0
    corner_aligned: bool = True

    def __post_init__(self) -> None:
        z, x = self.template_size, self.search_size
        _check(
            "template_size", z, "whole pixels, 32 to 1024", isinstance(z, int) and 32 <= z <= 1024
        )
        _check(
            "search_size",
            x,
            f"whole pixels, more than template_size ({z}), at most 2048",
            isinstance(x, int) and z < x <= 2048,
        )
        _check("context_amount", self.context_amount, "0 to 2", 0 <= self.context_amount <= 2)
        for sides in self.box_windows or ():
            _check("box_windows", sides, "1 to 20 sides each", 1 <= sides <= 20)
        _check("test_lr", self.test_lr, "0 to 1", 0 <= self.test_lr <= 1)
        _check("window_influence", self.window_influence, "0 to 1", 0 <= self.window_influence <= 1)
        _check("penalty_k", self.penalty_k, "0 to 1", 0 <= self.penalty_k <= 1)
        _check("min_side", self.min_side, "1 pixel or more", self.min_side >= 1)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Weights of the training loss: focal classification, centre-ness and box overlap.

    Attributes:
        focal_alpha: weight of the positive cells against the negative ones, 0..1.
        focal_gamma: how strongly easy cells are played down; 0 is cross-entropy.
        ctr_weight: weight of the centre-ness loss against the classification loss.
        reg_weight: weight of the box loss against the classification loss.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    focal_alpha: float = 0.5
    focal_gamma: float = 2.0
    ctr_weight: float = 1.0
    reg_weight: float = 3.0

    def __post_init__(self) -> None:
        _check("focal_alpha", self.focal_alpha, "0 to 1", 0 <= self.focal_alpha <= 1)
        for field in ("focal_gamma", "ctr_weight", "reg_weight"):
            value = getattr(self, field)
            _check(field, value, "0 or more", value >= 0)


@dataclass(frozen=True, slots=True)
class Preset:
    """A row of the table.

    Attributes:
        name: key in ``PRESETS``.
        network: key in ``networks.NETWORKS``.
        settings: tracker settings.
        loss: loss the network was trained with.
        checkpoint: name of the weights file.
        license: licence of the weights.
        source: where the weights are from.
        accuracy: published or measured accuracy, with its benchmark.
        parameters: millions of parameters of the network.
    """

    name: str
    network: str
    settings: TrackerSettings
    loss: LossSettings
    checkpoint: str
    license: str
    source: str
    accuracy: str
    parameters: float

    @property
    def shipped_weights(self) -> Path | None:
        """The weights file inside this package; None if it is to be got from ``source``."""
        path = WEIGHTS_DIR / self.checkpoint
        return path if path.is_file() else None

    def require_shipped_weights(self) -> Path:
        """The weights file inside this package.

        Raises:
            CheckpointError: says which file to get and where.
        """
        path = self.shipped_weights
        if path is None:
            raise CheckpointError(
                f"the weights of {self.name} are not shipped with this package: get "
                f"{self.checkpoint} from {self.source} and give its path as the checkpoint"
            )
        return path


DEFAULT_PRESET = "autrack_fear"

_OFFICIAL_SOURCE = (
    "https://github.com/megvii-research/video_analyst @ 7b89c20, docs/TUTORIALS/SOT_MODEL_ZOO.md"
)
# network: (focal alpha it was trained with, millions of parameters)
_OFFICIAL_NETWORKS = {
    "siamfcpp_alexnet": (0.25, 9.655),
    "siamfcpp_googlenet": (0.75, 13.887),
    "siamfcpp_shufflenet_x0_5": (0.25, 6.135),
    "siamfcpp_shufflenet_x1_0": (0.5, 6.890),
    "siamfcpp_tinyconv": (0.25, 0.418),
}
_ALEXNET_VOT = "siamfcpp-alexnet-vot-md5_88e4e9ee476545b952b04ae80c480f08.pkl"
_ALEXNET_GOT = "siamfcpp-alexnet-got-md5_5e01cf6271ad42e935032b61b05854d3.pkl"
_GOOGLENET_VOT = "siamfcpp-googlenet-vot-md5_f2680ba074213ee39d82fcb84533a1a6.pkl"
_GOOGLENET_GOT = "siamfcpp-googlenet-got-md5_e182dc4c3823427022eccf7313d740a7.pkl"
_GOOGLENET_LASOT = "siamfcpp-googlenet-lasot-md5sum_434540569e163188d2bf47438e075529.pkl"
_GOOGLENET_TRACKINGNET = "siamfcpp-googlenet-trackingnet-md5_1b41f1b5db5d87566e095d723cab9818.pkl"
_GOOGLENET_FULLDATA = "siamfcpp-googlenet-vot_retrain-md5_0b2ab436b1b6866daad8f7915c135482.pkl"
_SHUFFLENET_X05_GOT = "siamfcpp-shufflenetv2x0_5-got-md5_d710ce17736d31a28bfe37cfbb997c5a.pkl"
_SHUFFLENET_X10_GOT = "siamfcpp-shufflenetv2x1_0-got-md5_aa824cc413b100bcb10f57c4d0e52423.pkl"
_TINYCONV_VOT = "siamfcpp-tinyconv-vot-md5_cb9c2e8c7851ebf79677522269444cb2.pkl"


def _official(
    network: str,
    benchmark: str,
    checkpoint: str,
    accuracy: str,
    *,
    test_lr: float = 0.52,
    window_influence: float = 0.21,
    penalty_k: float = 0.04,
    search_size: int = 303,
) -> Preset:
    alpha, parameters = _OFFICIAL_NETWORKS[network]
    return Preset(
        name=f"{network}_{benchmark}",
        network=network,
        settings=TrackerSettings(
            search_size=search_size,
            test_lr=test_lr,
            window_influence=window_influence,
            penalty_k=penalty_k,
        ),
        loss=LossSettings(focal_alpha=alpha),
        checkpoint=checkpoint,
        license="MIT",
        source=_OFFICIAL_SOURCE,
        accuracy=accuracy,
        parameters=parameters,
    )


def _light(
    name: str,
    card: str,
    accuracy: str,
    parameters: float,
    loss: LossSettings = LossSettings(),
    **settings: Any,
) -> Preset:
    """One of the project's own models, whose weights are in this package."""
    return Preset(
        name=name,
        network=name,
        settings=TrackerSettings(
            template_size=128, search_size=256, min_side=4.0, corner_aligned=False, **settings
        ),
        loss=loss,
        checkpoint=f"{name}.safetensors",
        license="Apache-2.0",
        source="this package; its training data are partly for research only, see "
        f"autrack_ros/tracking/weights/{card}",
        accuracy=f"16 development sequences: success AUC {accuracy}",
        parameters=parameters,
    )


_ROWS = (
    _light(
        "autrack_fear",
        "MODEL_CARD.md",
        "79.2, with update 79.4",
        1.121,
        LossSettings(ctr_weight=0.0),
        box_windows=(1.4, 5.0),
        test_lr=1.0,
        window_influence=0.38,
        penalty_k=0.062,
    ),
    _light(
        "autrack_lite0",
        "autrack_lite0.md",
        "71.4, with update 71.3",
        0.839,
        test_lr=0.9,
        window_influence=0.35,
        penalty_k=0.04,
    ),
    _official(
        "siamfcpp_alexnet",
        "vot",
        _ALEXNET_VOT,
        "VOT2018 EAO 0.393, A 0.576, R 0.183",
        test_lr=0.58,
        window_influence=0.21,
        penalty_k=0.08,
    ),
    _official(
        "siamfcpp_alexnet",
        "otb",
        _ALEXNET_VOT,
        "OTB-2015 success 68.0, precision 88.4",
        test_lr=0.5249642198880932,
        window_influence=0.23153228172839774,
        penalty_k=0.05413758904760692,
    ),
    _official(
        "siamfcpp_alexnet",
        "uav123",
        _ALEXNET_VOT,
        "UAV123 success 62.3, precision 78.1",
        test_lr=0.5249642198880932,
        window_influence=0.23153228172839774,
        penalty_k=0.05413758904760692,
    ),
    _official(
        "siamfcpp_alexnet",
        "got10k",
        _ALEXNET_GOT,
        "GOT-10k test AO 52.6, SR.50 62.5, SR.75 34.7",
    ),
    _official(
        "siamfcpp_googlenet",
        "vot",
        _GOOGLENET_VOT,
        "VOT2018 EAO 0.428, A 0.581, R 0.169",
        test_lr=0.5093639624865886,
        window_influence=0.2444928917567117,
        penalty_k=0.06721247775471334,
    ),
    _official(
        "siamfcpp_googlenet",
        "otb",
        _GOOGLENET_VOT,
        "OTB-2015 success 68.2, precision 89.6",
        test_lr=0.5384467870937999,
        window_influence=0.23689856952364602,
        penalty_k=0.04326035639699788,
    ),
    _official(
        "siamfcpp_googlenet",
        "uav123",
        _GOOGLENET_VOT,
        "UAV123 success 63.1, precision 79.5",
        test_lr=0.5222592132697174,
        window_influence=0.2414722810296582,
        penalty_k=0.0730171190610408,
    ),
    _official(
        "siamfcpp_googlenet",
        "got10k",
        _GOOGLENET_GOT,
        "GOT-10k test AO 60.4, SR.50 73.7, SR.75 46.4",
    ),
    _official(
        "siamfcpp_googlenet",
        "got10k_x335",
        _GOOGLENET_GOT,
        "GOT-10k test AO 61.0, SR.50 74.2, SR.75 46.7",
        search_size=335,
    ),
    _official(
        "siamfcpp_googlenet",
        "lasot",
        _GOOGLENET_LASOT,
        "LaSOT test success 55.7, precision 55.6, normalised precision 58.9",
    ),
    _official(
        "siamfcpp_googlenet",
        "lasot_x399",
        _GOOGLENET_LASOT,
        "LaSOT test success 57.7, precision 58.2, normalised precision 61.3",
        search_size=399,
    ),
    _official(
        "siamfcpp_googlenet",
        "trackingnet",
        _GOOGLENET_TRACKINGNET,
        "TrackingNet test success 74.5, precision 68.5, normalised precision 79.8",
    ),
    _official(
        "siamfcpp_googlenet",
        "trackingnet_fulldata",
        _GOOGLENET_FULLDATA,
        "TrackingNet test success 75.3, precision 69.5, normalised precision 80.9",
    ),
    _official(
        "siamfcpp_shufflenet_x0_5",
        "got10k",
        _SHUFFLENET_X05_GOT,
        "GOT-10k test AO 52.9, SR.50 61.7, SR.75 38.1",
    ),
    _official(
        "siamfcpp_shufflenet_x1_0",
        "got10k",
        _SHUFFLENET_X10_GOT,
        "GOT-10k test AO 57.9, SR.50 68.1, SR.75 43.6",
    ),
    _official("siamfcpp_tinyconv", "vot", _TINYCONV_VOT, "not published"),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ROWS})


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigurationError: there is none; lists those that are.
    """
    if name not in PRESETS:
        raise ConfigurationError(f"preset {name!r}: accepted is one of {', '.join(PRESETS)}")
    return PRESETS[name]
