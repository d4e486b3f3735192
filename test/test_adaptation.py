import dataclasses
import gc
import itertools
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from lively import PRESET_OF_NETWORK, batch, lively_network, template_box, textured_image

from autrack_ros.tracking.adaptation import (
    LOSSES,
    METHODS,
    AdaptationSettings,
    adapt_template,
    template_gradient,
)
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.engine import TrackingEngine
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.fuse import fuse_batch_norm
from autrack_ros.tracking.losses import tracking_loss
from autrack_ros.tracking.networks import NETWORKS
from autrack_ros.tracking.siamese import response_grid
from autrack_ros.tracking.targets import Targets, make_targets
from autrack_ros.tracking.tracker import Tracker

SMALL = "siamfcpp_tinyconv"
MOVING = [method for method in METHODS if method != "none"]


def problem(name, crops=1, dtype=torch.float32):
    """Fused network, template, its box, search features, targets and loss of a made first frame."""
    settings = PRESET_OF_NETWORK[name].settings
    network = fuse_batch_norm(lively_network(name)).to(dtype)
    z = batch(settings.template_size, 1).to(dtype)
    box = template_box(settings.template_size).to(dtype)
    with torch.no_grad():
        search = network.search(batch(settings.search_size, crops).to(dtype))
        rows, cols = network.predict(network.template(z, box), search).cls.shape[1:]
    middle = (settings.search_size - 1) / 2
    corners = torch.tensor([[middle - 40, middle - 30, middle + 40, middle + 30]]).repeat(crops, 1)
    points = response_grid(rows, cols, settings.search_size, network.stride)
    targets = Targets(*(labels.to(dtype) for labels in make_targets(corners, points)))
    return network, z, box, search, targets, PRESET_OF_NETWORK[name].loss


@pytest.fixture(scope="module")
def small():
    return problem(SMALL, crops=3)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_is_that_of_finite_differences(name):
    """Differences in double precision, and the float32 gradient that the adaptation uses.

    torch 2.13 has returned a wrong batch-norm gradient at batch 1 without any error.
    """
    network, z, box, search, targets, loss = problem(name)
    _, single = template_gradient(network, box, search, targets, loss, z)(z)
    network, z, box, search, targets, loss = problem(name, dtype=torch.float64)
    value, double = template_gradient(network, box, search, targets, loss, z)(z)
    # Rounding lets a few ReLU and max-pooling cells decide otherwise in single precision.
    assert torch.cosine_similarity(single.double().flatten(), double.flatten(), dim=0) > 0.999
    assert single.norm().item() == pytest.approx(double.norm().item(), rel=1e-2)
    generator = torch.Generator().manual_seed(1)
    random = torch.randn(z.shape, generator=generator, dtype=torch.float64)
    for direction in (double.sign(), random):
        step = 1e-6
        with torch.no_grad():
            moved = network.predict(network.template(z + step * direction, box), search)
            rise = tracking_loss(moved, targets, loss).total - value
        slope = (double * direction).sum()
        assert rise.item() / step == pytest.approx(slope.item(), rel=1e-3)


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("method", MOVING)
def test_result_is_in_the_ball_in_range_and_not_worse(small, method, loss_name):
    network, z, box, search, targets, loss = small
    z = z.clone()
    z[..., :8, :8] = 0.0
    z[..., -8:, -8:] = 255.0
    settings = AdaptationSettings(
        method=method, loss=loss_name, steps=6, step_size=1.5, epsilon=3.0
    )
    adapted, report = adapt_template(network, z, box, search, targets, loss, settings)
    assert (adapted - z).abs().max() <= 3.0 + 1e-4
    assert adapted.min() >= 0
    assert adapted.max() <= 255
    assert len(report.losses) == report.steps + 1 == (2 if method == "fgsm" else 7)
    assert report.losses[report.best_step] == min(report.losses) <= report.losses[0]
    assert report.max_change == pytest.approx((adapted - z).abs().max().item())
    assert report.stop_reason == "completed"


@pytest.mark.parametrize("method", ["bim", "momentum", "l2"])
def test_loss_falls_with_small_steps(small, method):
    settings = AdaptationSettings(method=method, steps=10, step_size=0.25)
    _, report = adapt_template(*small, settings)
    assert min(report.losses) < 0.98 * report.losses[0]
    assert report.best_step > 0


def test_the_kept_template_has_the_reported_loss(small):
    network, z, box, search, targets, loss = small
    settings = AdaptationSettings(steps=8, step_size=2.0)
    adapted, report = adapt_template(network, z, box, search, targets, loss, settings)
    value, _ = template_gradient(network, box, search, targets, loss, z)(adapted)
    assert value.item() == pytest.approx(min(report.losses), rel=1e-6)


def test_an_attack_raises_the_loss(small):
    """The same step against the gradient's sign shows that sign and scale are right."""
    network, z, box, search, targets, loss = small
    value, gradient = template_gradient(network, box, search, targets, loss, z)(z)
    attacked, _ = template_gradient(network, box, search, targets, loss, z)(
        z + 0.25 * gradient.sign()
    )
    defended, _ = template_gradient(network, box, search, targets, loss, z)(
        z - 0.25 * gradient.sign()
    )
    assert defended < value < attacked


@pytest.mark.parametrize("settings", [{"method": "none"}, {"steps": 0}])
def test_switched_off_returns_the_same_template(small, settings):
    network, z, box, search, targets, loss = small
    adapted, report = adapt_template(
        network, z, box, search, targets, loss, AdaptationSettings(**settings)
    )
    assert adapted is z
    assert report.stop_reason == "disabled"
    assert report.losses == ()


def test_one_step_of_bim_is_fgsm(small):
    one, _ = adapt_template(*small, AdaptationSettings(method="bim", steps=1))
    other, _ = adapt_template(*small, AdaptationSettings(method="fgsm", steps=16))
    assert torch.equal(one, other)


def test_cancelling_stops_before_the_next_step(small):
    asked = []

    def should_cancel():
        asked.append(None)
        return len(asked) == 3

    _, report = adapt_template(*small, AdaptationSettings(steps=50), should_cancel)
    assert report.stop_reason == "cancelled"
    assert report.steps == 2


def test_the_budget_in_milliseconds_stops_the_descent(small, monkeypatch):
    clock = itertools.count(step=0.010)  # every look at the clock finds 10 ms gone
    monkeypatch.setattr("autrack_ros.tracking.adaptation.time.perf_counter", lambda: next(clock))
    _, report = adapt_template(*small, AdaptationSettings(steps=50, budget_ms=30.0))
    assert report.stop_reason == "budget"
    assert report.steps == 2


def test_a_loss_that_is_not_finite_keeps_the_template(small):
    network, z, box, search, targets, loss = small
    broken = search._replace(maps=tuple(torch.full_like(m, float("nan")) for m in search.maps))
    adapted, report = adapt_template(network, z, box, broken, targets, loss, AdaptationSettings())
    assert report.stop_reason == "not_finite"
    assert torch.equal(adapted, z)


def test_no_gradient_is_left_anywhere(small):
    network, z, box, search, targets, loss = small
    adapted, _ = adapt_template(network, z, box, search, targets, loss, AdaptationSettings(steps=3))
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not z.requires_grad
    assert not adapted.requires_grad


def test_the_same_seed_gives_the_same_template(small):
    settings = AdaptationSettings(method="pgd", steps=4, seed=7)
    one, _ = adapt_template(*small, settings)
    two, _ = adapt_template(*small, settings)
    other, _ = adapt_template(*small, dataclasses.replace(settings, seed=8))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "adam"},
        {"steps": -1},
        {"step_size": 0.0},
        {"epsilon": float("nan")},
        {"loss": "l1"},
        {"support_crops": 0},
        {"support_shift": 0.5},
        {"budget_ms": -1.0},
        {"min_target_side": float("inf")},
    ],
)
def test_a_wrong_setting_is_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=f"{name}=.*accepted"):
        AdaptationSettings(**wrong)


def test_memory_stays_flat_over_twenty_initialisations():
    engine = TrackingEngine(lively_network(SMALL), PRESET_OF_NETWORK[SMALL])
    tracker = Tracker(engine, AdaptationSettings(steps=2))
    image = textured_image(240, 320)

    def resident_megabytes():
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    for _ in range(5):
        tracker.initialize(image, Box(100, 80, 60, 50))
    before = resident_megabytes()
    for _ in range(20):
        tracker.initialize(image, Box(100, 80, 60, 50))
    assert resident_megabytes() - before < 10


@pytest.mark.parametrize("name", [SMALL, "autrack_lite0"])
def test_a_step_can_be_captured_as_a_cuda_graph(name):
    """Nothing in it waits for the device; seen on the CPU, where the operations are the same."""
    network, z, box, search, targets, loss = problem(name)
    gradient_at = template_gradient(network, box, search, targets, loss, z)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        gradient_at(z)
    operations = {event.key for event in profile.key_averages()}
    assert "aten::exp" in operations
    assert not operations & {"aten::item", "aten::_local_scalar_dense", "aten::nonzero"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_captured_graph_gives_the_gradient_of_the_cpu(small):
    network, z, box, search, targets, loss = small
    cpu_loss, cpu_gradient = template_gradient(network, box, search, targets, loss, z)(z)
    on_gpu = fuse_batch_norm(network).cuda()
    features = search._replace(maps=tuple(m.cuda() for m in search.maps))
    labels = type(targets)(*(t.cuda() for t in targets))
    replay = template_gradient(on_gpu, box.cuda(), features, labels, loss, z.cuda())
    for _ in range(2):
        value, gradient = replay(z.cuda())
        assert value.item() == pytest.approx(cpu_loss.item(), rel=1e-3)
        cosine = np.dot(gradient.cpu().numpy().ravel(), cpu_gradient.numpy().ravel())
        cosine /= gradient.norm().item() * cpu_gradient.norm().item()
        assert cosine > 0.999
