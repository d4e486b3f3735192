"""Networks with seeded weights that respond to their input; as initialised, SiamFC++ is flat."""

from __future__ import annotations

from copy import deepcopy
from functools import cache, lru_cache

import numpy as np
import torch
from pictures import textured_image
from torch import nn

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.checkpoint import load_weights
from autrack_ros.networks.siamese import SiameseNetwork
from autrack_ros.tracking.presets import PRESETS

PRESET_OF_NETWORK = {preset.network: preset for preset in reversed(list(PRESETS.values()))}


def batch(size: int, count: int = 2) -> torch.Tensor:
    crops = np.stack([textured_image(size, size, seed) for seed in range(count)])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float()


@lru_cache
def template_box(size: int) -> torch.Tensor:
    """(1, 4) inclusive corners of a target in the middle of a template of this size."""
    return torch.tensor([[0.25 * size, 0.3 * size, 0.75 * size, 0.7 * size]])


def lively_network(name: str) -> SiameseNetwork:
    """The network in eval mode, its batch-norm statistics those of textured crops."""
    network = deepcopy(_made_network(name))
    torch.manual_seed(0)
    return network


@cache
def _made_network(name: str) -> SiameseNetwork:
    """Takes a second or more, so it is done once a process."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    settings = PRESET_OF_NETWORK[name].settings
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.basemodel.modules()):
        # Nothing keeps random weights alive through its layers.
        path = PRESET_OF_NETWORK[name].require_shipped_weights()
        load_weights(network, path, name)
        return network.eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # statistics of the one calibration batch
    network.train()
    with torch.no_grad():
        template = network.template(
            batch(settings.template_size), template_box(settings.template_size)
        )
        network.predict(template, network.search(batch(settings.search_size)))
        # The calibration ran template and search through one backbone: keep boxes in a sane range.
        network.head.si.fill_(0.3)
        network.head.bi.fill_(1.5)
    return network.eval().requires_grad_(False)
