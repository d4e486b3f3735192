"""Training through the template update: what its gradient passes, and what is kept of it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from torch import nn

from autrack_ros.networks.checkpoint import load_weights
from autrack_ros.networks.fear import FearSiamFCpp
from autrack_ros.tracking import AdaptationSettings, Box, load_engine
from autrack_ros.tracking.presets import find_preset
from benchmarks.meta_training.curves import curve_table, read_curve, write_curve
from benchmarks.meta_training.episodes import SUPPORTS, Episodes
from benchmarks.meta_training.learned_update import LearnedUpdate, LearnedUpdateEngine
from benchmarks.meta_training.learning import Learner, Point, Settings, learn

PRESET = find_preset("autrack_fear")


def episodes_of(count: int) -> Episodes:
    random = np.random.default_rng(0)
    maps = random.random((count, SUPPORTS + 1, 112, 16, 16)).astype(np.float16)
    corners = np.tile(np.array([100, 90, 160, 150], np.float32), (count, SUPPORTS + 1, 1))
    return Episodes(
        random.integers(60, 200, (count, 128, 128, 3), dtype=np.uint8),
        np.tile(np.array([18, 18, 109, 109], np.float32), (count, 1)),
        maps[:, :SUPPORTS],
        corners[:, :SUPPORTS],
        maps[:, SUPPORTS],
        corners[:, SUPPORTS],
    )


@pytest.fixture
def learner() -> Learner:
    network = FearSiamFCpp()
    load_weights(network, PRESET.require_shipped_weights(), PRESET.name)
    return Learner(network, PRESET.loss, steps=1, step_size=0.5)


def test_a_step_of_the_update_lowers_the_loss_on_the_supports(learner):
    episodes = episodes_of(2)
    supports = Episodes(
        episodes.templates,
        episodes.template_corners,
        episodes.supports,
        episodes.support_corners,
        episodes.supports[:, 0],
        episodes.support_corners[:, 0],
    )
    # The later frame is one of the supports, both supports are the same.
    supports.supports[:, 1] = supports.supports[:, 0]
    plain, updated = learner.outer_losses(supports, "first")
    assert updated < plain


def test_the_outer_gradient_passes_the_inner_one_in_second_order_alone(learner):
    episodes, found = episodes_of(2), {}
    for order in ("none", "first", "second"):
        learner.zero_grad()
        _, updated = learner.outer_losses(episodes, order)
        updated.backward()
        weight = learner.network.get_parameter("neck.conv.weight").grad
        found[order] = weight.clone(), learner.log_step.grad
    assert found["none"][1] is None or found["none"][1] == 0
    assert found["first"][1] != 0
    assert not torch.allclose(found["first"][0], found["second"][0], rtol=1e-3, atol=0)
    assert all(parameter.grad is None for parameter in learner.network.basemodel.parameters())


def test_episodes_are_kept_and_joined_as_they_are(tmp_path):
    episodes = episodes_of(3)
    episodes.save(tmp_path / "block.npz")
    again = Episodes.join([Episodes.load(tmp_path / "block.npz"), episodes[:1]])
    assert len(again) == 4
    np.testing.assert_array_equal(again.queries[:3], episodes.queries)
    np.testing.assert_array_equal(again[np.array([3])].templates, episodes[:1].templates)
    assert [path.name for path in tmp_path.iterdir()] == ["block.npz"]


def test_a_learning_curve_is_read_as_it_was_written_and_shown_by_its_ends(tmp_path):
    points = [Point(0, 0.8, 0.7, 1.0), Point(64, 0.6, 0.65, 0.9), Point(128, 0.5, 0.4, 0.8)]
    write_curve(points, tmp_path / "curve.csv")
    assert read_curve(tmp_path / "curve.csv") == points
    run = Settings("second", 8, 2, 1.0, 1e-5, seed=3)
    *_, first, last = curve_table({run: points}).splitlines()
    assert first == "| second | 3 | 0 | 0.8000 | 0.7000 | +0.1000 | 1.00 |"
    assert last == "| second | 3 | 128 | 0.5000 | 0.4000 | +0.1000 | 0.80 |"


@pytest.fixture
def learned() -> LearnedUpdate:
    network = FearSiamFCpp()
    load_weights(network, PRESET.require_shipped_weights(), PRESET.name)
    return LearnedUpdate(network, PRESET.loss)


def test_a_learned_update_is_a_step_down_the_gradient_before_it_learns(learned):
    episodes = episodes_of(2)
    features = torch.rand(2, 256, 8, 8)
    maps = torch.from_numpy(episodes.supports).float()
    with torch.no_grad():
        learned.update.step.fill_(1e-3)

    def loss(values):
        repeated = values.repeat_interleave(SUPPORTS, 0)
        corners = episodes.support_corners.reshape(-1, 4)
        return learned._loss((repeated,), maps.flatten(0, 1), corners).item()

    better = learned.updated_features(features, maps, episodes.support_corners).detach()
    assert loss(better) < loss(features)
    change = (better - features).std((1, 2, 3)) / features.std((1, 2, 3))
    assert change.numpy() == pytest.approx(1e-3, rel=0.05)


def test_a_learned_update_learns_and_leaves_the_network_as_it_is(learned):
    episodes = episodes_of(16)
    before = {name: value.clone() for name, value in learned.network.state_dict().items()}
    points: list[Point] = []
    learnt = learn(
        learned, episodes, episodes, Settings("learned", 6, 1, 1.0, 2e-5, 0), 6, points.append
    )
    assert points[-1].plain == points[0].plain
    assert points[-1].updated < points[0].updated
    for name, value in learnt.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_targets_are_searched_with_what_a_learned_update_makes_of_them(learned, tmp_path):
    learned.save(tmp_path / "update.safetensors", {})
    learned.load(tmp_path / "update.safetensors")
    engine = LearnedUpdateEngine(load_engine(device="cpu"), learned)
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    target = engine.start(image, Box(60, 40, 40, 40))
    updated, _ = engine.adapt(image, target, AdaptationSettings())
    cut, better = updated.hypotheses
    assert cut is target.first_features
    assert better[0].shape == cut[0].shape
    assert 0 < np.abs(better[0] - cut[0]).mean() < np.abs(cut[0]).mean()


def test_a_blind_update_is_told_nothing_of_the_first_image_but_the_template(learned):
    episodes = episodes_of(1)
    maps = torch.from_numpy(episodes.supports).float()
    features = torch.rand(1, 256, 8, 8)
    blind = LearnedUpdate(learned.network, PRESET.loss, blind=True)
    nn.init.normal_(blind.update.layers[-1].weight, std=0.01)
    one, other = (
        blind.updated_features(features, values, episodes.support_corners)
        for values in (maps, maps.flip(-1))
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, features)
