from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from autrack_ros.networks.fear import TOWER_CONVS, TOWER_WIDTH, WIDTH, FearSiamFCpp
from autrack_ros.networks.siamese import Prediction
from autrack_ros.tracking.presets import find_preset
from autrack_ros.training.config import OptimizationSettings
from autrack_ros.training.learning.features import FeatureBatch
from autrack_ros.training.learning.slimming import OUTPUTS, distillation_loss, slimmed
from autrack_ros.training.learning.trainer import Trainer
from autrack_ros.training.pairs.maker import BATCH

with torch.random.fork_rng():
    torch.manual_seed(1)  # how far the towers learn depends on the network they begin with
    WIDE = FearSiamFCpp(WIDTH).eval()
LAYERS = WIDE.basemodel.layer_count


def batch_of(pairs: int) -> FeatureBatch:
    channels = WIDE.basemodel.out_channels[-1]
    random = torch.Generator().manual_seed(0)
    maps = [torch.rand(pairs, channels, side, side, generator=random) for side in (8, 16)]
    corners = torch.tensor([[80.0, 90, 170, 160]]).repeat(pairs, 1)
    return FeatureBatch((maps[0],), (maps[1],), corners, corners, torch.zeros(pairs).bool())


def predict(network: FearSiamFCpp, batch: FeatureBatch) -> Prediction:
    with torch.inference_mode():
        template = network.template_from_features(batch.template, batch.template_corners)
        return network.predict(template, network.search_from_features(batch.search, 256))


def test_channels_that_nothing_reads_are_the_ones_that_go():
    wide = copy.deepcopy(WIDE)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for branch, output in OUTPUTS.items():
            readers = [f"{branch}_p5_conv{index}" for index in range(2, TOWER_CONVS + 1)]
            for name in (*readers, output):
                unread = torch.randperm(WIDTH, generator=random)[: WIDTH - TOWER_WIDTH]
                wide.head.get_parameter(f"{name}.1.conv.weight")[:, unread] = 0
                # A channel that is 0 in these pairs may go, but for this.
                wide.head.get_parameter(f"{name}.0.conv.bias").zero_()
    batch = batch_of(2)
    slim = slimmed(wide, batch, LAYERS)
    assert slim.tower_width == TOWER_WIDTH < wide.tower_width
    for ours, theirs in zip(predict(slim, batch), predict(wide, batch), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_network_is_no_distance_from_itself_and_some_from_another():
    batch = batch_of(2)
    own, other = predict(WIDE, batch), predict(FearSiamFCpp(), batch)
    assert distillation_loss(own, own).abs() < 1e-5
    assert distillation_loss(other, own) > 1e-3


class OneBatch:
    """A feed that gives the same batch again and again."""

    identity = "one batch"

    def validation(self):
        yield batch_of(BATCH)

    def rounds(self, first, end):
        yield range(first, end)

    def training(self, iteration):
        return batch_of(BATCH)


def test_the_towers_learn_to_do_as_the_wide_ones_and_all_else_stays(tmp_path):
    batch = batch_of(BATCH)
    student = slimmed(WIDE, batch, LAYERS)
    before = copy.deepcopy(student)
    settings = OptimizationSettings(
        pairs=BATCH,
        passes=12,
        frozen_layers=LAYERS,
        learning_rate=1e-3,
        warmup=1,
        ema_decay=0.5,
        threads=1,
        save_every=100,
    )
    loss = find_preset("autrack_fear").loss
    trainer = Trainer(student, OneBatch(), loss, settings, tmp_path, teacher=WIDE)
    trainer.run()
    wanted = predict(WIDE, batch)
    learnt = distillation_loss(predict(trainer.averaged, batch), wanted)
    assert learnt < 0.5 * distillation_loss(predict(before, batch), wanted)
    for name, value in trainer.averaged.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(value, before.state_dict()[name]), name
