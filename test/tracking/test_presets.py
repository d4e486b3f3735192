"""The table of presets is complete and consistent, and its settings are validated."""

from __future__ import annotations

import dataclasses
import re

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

from autrack_ros.networks import NETWORKS
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.presets import DEFAULT_PRESET, PRESETS, LossSettings, TrackerSettings

OFFICIAL = {name: preset for name, preset in PRESETS.items() if preset.network.startswith("siam")}


def test_default_preset_is_in_the_table():
    assert DEFAULT_PRESET in PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_preset_names_a_network_whose_size_it_states(name):
    preset = PRESETS[name]
    assert preset.name == name
    parameters = sum(p.numel() for p in NETWORKS[preset.network]().parameters())
    assert preset.parameters == pytest.approx(parameters / 1e6, abs=0.0006)


def test_every_official_network_has_a_preset():
    assert {preset.network for preset in PRESETS.values()} == set(NETWORKS)


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_preset_names_its_release_with_md5_licence_and_source(name):
    preset = OFFICIAL[name]
    assert re.fullmatch(r"siamfcpp-\w+-\w+-md5(sum)?_[0-9a-f]{32}\.pkl", preset.checkpoint)
    assert preset.license == "MIT"
    assert "video_analyst @ 7b89c20" in preset.source
    assert preset.accuracy


@pytest.mark.parametrize(
    ("name", "test_lr", "window_influence", "penalty_k", "search_size", "focal_alpha"),
    [
        ("siamfcpp_alexnet_vot", 0.58, 0.21, 0.08, 303, 0.25),
        (
            "siamfcpp_alexnet_otb",
            0.5249642198880932,
            0.23153228172839774,
            0.05413758904760692,
            303,
            0.25,
        ),
        ("siamfcpp_alexnet_got10k", 0.52, 0.21, 0.04, 303, 0.25),
        (
            "siamfcpp_googlenet_vot",
            0.5093639624865886,
            0.2444928917567117,
            0.06721247775471334,
            303,
            0.75,
        ),
        (
            "siamfcpp_googlenet_otb",
            0.5384467870937999,
            0.23689856952364602,
            0.04326035639699788,
            303,
            0.75,
        ),
        (
            "siamfcpp_googlenet_uav123",
            0.5222592132697174,
            0.2414722810296582,
            0.0730171190610408,
            303,
            0.75,
        ),
        ("siamfcpp_googlenet_got10k_x335", 0.52, 0.21, 0.04, 335, 0.75),
        ("siamfcpp_googlenet_lasot_x399", 0.52, 0.21, 0.04, 399, 0.75),
        ("siamfcpp_googlenet_trackingnet", 0.52, 0.21, 0.04, 303, 0.75),
        ("siamfcpp_shufflenet_x0_5_got10k", 0.52, 0.21, 0.04, 303, 0.25),
        ("siamfcpp_shufflenet_x1_0_got10k", 0.52, 0.21, 0.04, 303, 0.5),
        ("siamfcpp_tinyconv_vot", 0.52, 0.21, 0.04, 303, 0.25),
    ],
)
def test_official_settings_are_those_published(
    name, test_lr, window_influence, penalty_k, search_size, focal_alpha
):
    preset = PRESETS[name]
    assert preset.settings == TrackerSettings(
        template_size=127,
        search_size=search_size,
        context_amount=0.5,
        test_lr=test_lr,
        window_influence=window_influence,
        penalty_k=penalty_k,
        min_side=10,
    )
    assert preset.loss == LossSettings(
        focal_alpha=focal_alpha, focal_gamma=2, ctr_weight=1, reg_weight=3
    )


def test_otb_and_uav_alexnet_share_weights_and_settings():
    otb, uav = PRESETS["siamfcpp_alexnet_otb"], PRESETS["siamfcpp_alexnet_uav123"]
    assert (otb.settings, otb.checkpoint) == (uav.settings, uav.checkpoint)


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        (TrackerSettings, "template_size", 16),
        (TrackerSettings, "template_size", 127.5),
        (TrackerSettings, "search_size", 100),
        (TrackerSettings, "context_amount", -0.1),
        (TrackerSettings, "test_lr", 1.5),
        (TrackerSettings, "test_lr", float("nan")),
        (TrackerSettings, "window_influence", -1.0),
        (TrackerSettings, "penalty_k", float("inf")),
        (TrackerSettings, "min_side", 0.0),
        (LossSettings, "focal_alpha", 2.0),
        (LossSettings, "focal_gamma", -1.0),
        (LossSettings, "ctr_weight", float("nan")),
        (LossSettings, "reg_weight", -3.0),
    ],
)
def test_a_bad_setting_is_refused_by_name_with_its_value(settings, field, value):
    with pytest.raises(ConfigurationError, match=rf"{field} is {value}; accepted: "):
        settings(**{field: value})


def test_presets_cannot_be_changed():
    preset = PRESETS[DEFAULT_PRESET]
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.settings.test_lr = 0.9
    with pytest.raises(TypeError):
        PRESETS["mine"] = preset
