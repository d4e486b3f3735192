"""The backbones have the sizes, names and parameter counts of the official ones."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from lively import template_box

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.backbones.alexnet import AlexNet
from autrack_ros.networks.backbones.googlenet import GoogLeNet
from autrack_ros.networks.backbones.shufflenet import ShuffleNetV2X05, ShuffleNetV2X10
from autrack_ros.networks.backbones.tinyconv import TinyConv

REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "siamfcpp_reference"

# (backbone, channels, cells for a 127-pixel input, cells for a 303-pixel input)
SIZES = [
    (AlexNet, 256, 6, 28),
    (GoogLeNet, 256, 5, 27),
    (ShuffleNetV2X05, 256, 8, 30),
    (ShuffleNetV2X10, 256, 8, 30),
    (TinyConv, 64, 11, 33),
]
# network: (keys of the state_dict, thousands of parameters, cells of the response map at 303 px)
OFFICIAL = {
    "siamfcpp_alexnet": (108, 9655, 17),
    "siamfcpp_googlenet": (486, 13887, 19),
    "siamfcpp_shufflenet_x0_5": (409, 6135, 17),
    "siamfcpp_shufflenet_x1_0": (409, 6890, 17),
    "siamfcpp_tinyconv": (108, 418, 17),
}


@pytest.mark.parametrize(("backbone", "channels", "template_cells", "search_cells"), SIZES)
def test_feature_maps_have_the_published_sizes(backbone, channels, template_cells, search_cells):
    network = backbone().eval()
    with torch.inference_mode():
        template = network(torch.rand(1, 3, 127, 127) * 255)
        search = network(torch.rand(1, 3, 303, 303) * 255)
    assert network.out_channels == channels
    assert template.shape == (1, channels, template_cells, template_cells)
    assert search.shape == (1, channels, search_cells, search_cells)


@pytest.mark.parametrize("backbone", [AlexNet, GoogLeNet], ids=lambda b: b.__name__)
def test_unpadded_first_layer_never_reads_the_128th_row_and_column(backbone):
    network = backbone().eval()
    image = torch.rand(1, 3, 128, 128) * 255
    with torch.inference_mode():
        torch.testing.assert_close(network(image), network(image[..., :127, :127]))


@pytest.mark.parametrize(
    ("backbone", "mean", "std"),
    [
        (GoogLeNet, torch.full((3,), 127.5), torch.full((3,), 127.5)),
        (
            ShuffleNetV2X05,
            torch.tensor([0.485, 0.456, 0.406]) * 255,
            torch.tensor([0.229, 0.224, 0.225]) * 255,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_first_convolution_sees_normalised_rgb(backbone, mean, std):
    network = backbone().eval()
    seen = []
    first = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    first.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    bgr = torch.rand(1, 3, 127, 127) * 255
    with torch.inference_mode():
        network(bgr)
    rgb = bgr[:, [2, 1, 0]]
    expected = (rgb - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", [AlexNet, TinyConv], ids=lambda b: b.__name__)
def test_first_convolution_sees_raw_grey_levels(backbone):
    network = backbone().eval()
    seen = []
    network.conv1.conv.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
    bgr = torch.rand(1, 3, 127, 127) * 255
    with torch.inference_mode():
        network(bgr)
    torch.testing.assert_close(seen[0], bgr, rtol=0, atol=0)


def test_shufflenet_unit_passes_half_of_the_channels_and_interleaves_them():
    unit = ShuffleNetV2X05()._model.stage2[1].eval()
    x = torch.rand(1, 48, 8, 8)
    with torch.inference_mode():
        out = unit(x)
        torch.testing.assert_close(out[:, 0::2], x[:, :24])
        torch.testing.assert_close(out[:, 1::2], unit.branch2(x[:, 24:]))


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_networks_have_the_published_keys_parameters_and_map(name):
    keys, thousands, cells = OFFICIAL[name]
    network = NETWORKS[name]().eval()
    assert len(network.state_dict()) == keys
    assert round(sum(p.numel() for p in network.parameters()) / 1e3) == thousands
    with torch.inference_mode():
        template = network.template(torch.rand(1, 3, 127, 127) * 255, template_box(127))
        prediction = network.predict(template, network.search(torch.rand(1, 3, 303, 303) * 255))
    assert prediction.score.shape == (1, cells, cells)


def _listed_keys(path: Path) -> dict[str, str]:
    return {key: shape for key, _, shape in map(str.split, path.read_text().splitlines())}


def test_keys_and_shapes_are_those_of_the_official_reference():
    listing = REFERENCE / "tinyconv" / "keys.txt"
    if not listing.is_file():
        pytest.skip(f"no reference at {listing}")
    state = NETWORKS["siamfcpp_tinyconv"]().state_dict()
    shapes = {key: "x".join(map(str, value.shape)) or "scalar" for key, value in state.items()}
    assert shapes == _listed_keys(listing)
