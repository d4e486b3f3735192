"""Folding batch normalisation changes neither the result nor the given network."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from torch import nn

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.fuse import fuse_batch_norm
from autrack_ros.tracking.presets import PRESETS

SIZES = {
    preset.network: (preset.settings.template_size, preset.settings.search_size)
    for preset in PRESETS.values()
}


def _calibrated(network: nn.Module, *inputs: torch.Tensor) -> nn.Module:
    """Seeded weights with batch-norm statistics and scales that a wrong folding would show."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
            for tensor in (module.weight.data, module.bias.data):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    with torch.no_grad():
        network.train()(*inputs)
    return network.eval()


def _relative_difference(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("name", NETWORKS)
def test_fused_backbone_computes_the_same(name):
    torch.manual_seed(0)
    image = torch.rand(2, 3, SIZES[name][0], SIZES[name][0]) * 255
    backbone = _calibrated(NETWORKS[name]().basemodel, image)
    fused = fuse_batch_norm(backbone)
    with torch.inference_mode():
        expected, actual = backbone(image), fused(image)
    for one, other in zip(
        (actual,) if isinstance(actual, torch.Tensor) else actual,
        (expected,) if isinstance(expected, torch.Tensor) else expected,
        strict=True,
    ):
        assert other.std() > 1e-3
        assert _relative_difference(one, other) < 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_no_batch_norm_is_left_and_nothing_wants_a_gradient(name):
    fused = fuse_batch_norm(NETWORKS[name]())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    assert not any(parameter.requires_grad for parameter in fused.parameters())
    assert not fused.training


def test_the_given_network_is_unchanged():
    network = NETWORKS["siamfcpp_tinyconv"]().train()
    before = copy.deepcopy(network.state_dict())
    fuse_batch_norm(network)
    assert network.training
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_only_a_batch_norm_directly_after_its_convolution_is_folded():
    class Mixed(nn.Sequential):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.BatchNorm2d(3)
            self.conv = nn.Conv2d(3, 4, 1)
            self.relu = nn.ReLU()
            self.after_relu = nn.BatchNorm2d(4)
            self._expand_conv = nn.Conv2d(4, 6, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(6)

    image = torch.rand(2, 3, 5, 5)
    network = _calibrated(Mixed(), image)
    fused = fuse_batch_norm(network)
    assert isinstance(fused.first, nn.BatchNorm2d)
    assert isinstance(fused.after_relu, nn.BatchNorm2d)
    assert isinstance(fused._bn0, nn.Identity)
    with torch.inference_mode():
        torch.testing.assert_close(fused(image), network(image))
