"""The descent on a template's pixels, by the gradients of torch."""

import dataclasses
import gc
import itertools
import resource
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from lively import PRESET_OF_NETWORK, lively_network, template_box
from pictures import textured_image

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.fuse import fuse_batch_norm
from autrack_ros.networks.losses import tracking_loss
from autrack_ros.tracking.adaptation import LOSSES, METHODS, AdaptationSettings, adapt_template
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.engine import TrackingEngine
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.grid import response_grid
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.tracking.runtimes import torch_runtime
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
from autrack_ros.tracking.targets import Targets, make_targets
from autrack_ros.tracking.tracker import Tracker

SMALL = "siamfcpp_tinyconv"
MOVING = [method for method in METHODS if method != "none"]


class Problem(NamedTuple):
    """A made first frame."""

    runtime: TorchRuntime
    template: np.ndarray  # S x S x 3 float32
    corners: np.ndarray  # of the target in it
    support: Any
    targets: Targets
    loss: LossSettings

    def objective(self, loss_name: str = "training"):
        loss = AdaptationSettings(loss=loss_name).loss_settings(self.loss)
        return self.runtime.objective(self.corners, self.support, self.targets, loss)


def problem(name: str, crops: int = 1) -> Problem:
    preset = PRESET_OF_NETWORK[name]
    z, x = preset.settings.template_size, preset.settings.search_size
    runtime = TorchRuntime(lively_network(name), preset)
    support = runtime.support(np.stack([textured_image(x, x, seed) for seed in range(crops)]))
    points = response_grid(*runtime.response_shape, x, runtime.stride, runtime.origin)
    middle = (x - 1) / 2
    corners = np.array([[middle - 40, middle - 30, middle + 40, middle + 30]]).repeat(crops, axis=0)
    targets = make_targets(corners, points)
    template = textured_image(z, z).astype(np.float32)
    return Problem(runtime, template, template_box(z)[0].numpy(), support, targets, preset.loss)


@pytest.fixture(scope="module")
def small() -> Problem:
    return problem(SMALL, crops=3)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_is_that_of_finite_differences(name):
    """Differences in double precision, and the float32 gradient that the adaptation uses.

    torch 2.13 has returned a wrong batch-norm gradient at batch 1 without any error.
    """
    made = problem(name)
    _, single = made.objective()(made.template)
    network = fuse_batch_norm(lively_network(name)).double()
    support = made.support._replace(maps=tuple(values.double() for values in made.support.maps))
    targets = Targets(*(torch.from_numpy(labels).double() for labels in made.targets))
    box = torch.from_numpy(made.corners)[None].double()
    z = torch.from_numpy(made.template).permute(2, 0, 1)[None].double().requires_grad_(True)

    def loss_of(z):
        return tracking_loss(network.predict(network.template(z, box), support), targets, made.loss)

    value = loss_of(z).total
    (double,) = torch.autograd.grad(value, z)
    # Rounding lets a few ReLU and max-pooling cells decide otherwise in single precision.
    single = torch.from_numpy(single).permute(2, 0, 1)[None].double()
    assert torch.cosine_similarity(single.flatten(), double.flatten(), dim=0) > 0.999
    assert single.norm().item() == pytest.approx(double.norm().item(), rel=1e-2)
    generator = torch.Generator().manual_seed(1)
    random = torch.randn(z.shape, generator=generator, dtype=torch.float64)
    for direction in (double.sign(), random):
        step = 1e-6
        with torch.no_grad():
            rise = loss_of(z + step * direction).total - value
        slope = (double * direction).sum()
        assert rise.item() / step == pytest.approx(slope.item(), rel=1e-3)


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("method", MOVING)
def test_result_is_in_the_ball_in_range_and_not_worse(small, method, loss_name):
    z = small.template.copy()
    z[:8, :8] = 0.0
    z[-8:, -8:] = 255.0
    settings = AdaptationSettings(
        method=method, loss=loss_name, steps=6, step_size=1.5, epsilon=3.0
    )
    adapted, report = adapt_template(small.objective(loss_name), z, settings)
    assert adapted.dtype == np.float32
    assert np.abs(adapted - z).max() <= 3.0 + 1e-4
    assert adapted.min() >= 0
    assert adapted.max() <= 255
    assert len(report.losses) == report.steps + 1 == (2 if method == "fgsm" else 7)
    assert report.losses[report.best_step] == min(report.losses) <= report.losses[0]
    assert report.max_change == pytest.approx(np.abs(adapted - z).max())
    assert report.stop_reason == "completed"


@pytest.mark.parametrize("method", ["bim", "momentum", "l2"])
def test_loss_falls_with_small_steps(small, method):
    settings = AdaptationSettings(method=method, steps=10, step_size=0.25)
    _, report = adapt_template(small.objective(), small.template, settings)
    assert min(report.losses) < 0.98 * report.losses[0]
    assert report.best_step > 0


def test_the_kept_template_has_the_reported_loss(small):
    settings = AdaptationSettings(steps=8, step_size=2.0)
    adapted, report = adapt_template(small.objective(), small.template, settings)
    value, _ = small.objective()(adapted)
    assert value == pytest.approx(min(report.losses), rel=1e-6)


def test_an_attack_raises_the_loss(small):
    """The same step against the gradient's sign shows that sign and scale are right."""
    objective, z = small.objective(), small.template
    value, gradient = objective(z)
    attacked, _ = objective(z + 0.25 * np.sign(gradient))
    defended, _ = objective(z - 0.25 * np.sign(gradient))
    assert defended < value < attacked


@pytest.mark.parametrize("settings", [{"method": "none"}, {"steps": 0}])
def test_switched_off_returns_the_same_template(small, settings):
    adapted, report = adapt_template(
        small.objective(), small.template, AdaptationSettings(**settings)
    )
    assert adapted is small.template
    assert report.stop_reason == "disabled"
    assert report.losses == ()


def test_one_step_of_bim_is_fgsm(small):
    one, other = (
        adapt_template(small.objective(), small.template, settings)[0]
        for settings in (
            AdaptationSettings(method="bim", steps=1),
            AdaptationSettings(method="fgsm", steps=16),
        )
    )
    np.testing.assert_array_equal(one, other)


def test_cancelling_stops_before_the_next_step(small):
    asked = []

    def should_cancel():
        asked.append(None)
        return len(asked) == 3

    settings = AdaptationSettings(steps=50)
    _, report = adapt_template(small.objective(), small.template, settings, should_cancel)
    assert report.stop_reason == "cancelled"
    assert report.steps == 2


def test_the_budget_in_milliseconds_stops_the_descent(small, monkeypatch):
    clock = itertools.count(step=0.010)  # every look at the clock finds 10 ms gone
    monkeypatch.setattr("autrack_ros.tracking.adaptation.time.perf_counter", lambda: next(clock))
    settings = AdaptationSettings(steps=50, budget_ms=30.0)
    _, report = adapt_template(small.objective(), small.template, settings)
    assert report.stop_reason == "budget"
    assert report.steps == 2


def test_a_loss_that_is_not_finite_keeps_the_template(small):
    maps = tuple(torch.full_like(values, float("nan")) for values in small.support.maps)
    broken = small._replace(support=small.support._replace(maps=maps))
    adapted, report = adapt_template(broken.objective(), small.template, AdaptationSettings())
    assert report.stop_reason == "not_finite"
    np.testing.assert_array_equal(adapted, small.template)


def test_no_gradient_is_left_anywhere(small):
    adapt_template(small.objective(), small.template, AdaptationSettings(steps=3))
    parameters = list(small.runtime.network.parameters())
    assert all(p.grad is None and not p.requires_grad for p in parameters)


def test_the_same_seed_gives_the_same_template(small):
    settings = AdaptationSettings(method="pgd", steps=4, seed=7)
    one, two, other = (
        adapt_template(small.objective(), small.template, chosen)[0]
        for chosen in (settings, settings, dataclasses.replace(settings, seed=8))
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


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
    preset = PRESET_OF_NETWORK[SMALL]
    engine = TrackingEngine(TorchRuntime(lively_network(SMALL), preset), preset)
    tracker = Tracker(engine, AdaptationSettings(steps=2, support_crops=2))
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
    made = problem(name)
    step = torch_runtime.tensor_objective(
        made.runtime.network,
        torch.from_numpy(made.corners)[None],
        made.support,
        Targets(*map(torch.from_numpy, made.targets)),
        made.loss,
    )
    template = torch.from_numpy(made.template)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step(template)
    operations = {event.key for event in profile.key_averages()}
    assert "aten::exp" in operations
    assert not operations & {"aten::item", "aten::_local_scalar_dense", "aten::nonzero"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_captured_graph_gives_the_gradient_of_the_cpu(small):
    cpu_loss, cpu_gradient = small.objective()(small.template)
    on_gpu = TorchRuntime(lively_network(SMALL), PRESET_OF_NETWORK[SMALL], "cuda")
    maps = tuple(values.cuda() for values in small.support.maps)
    moved = small._replace(runtime=on_gpu, support=small.support._replace(maps=maps))
    replay = moved.objective()
    for _ in range(2):
        value, gradient = replay(small.template)
        assert value == pytest.approx(cpu_loss, rel=1e-3)
        cosine = np.dot(gradient.ravel(), cpu_gradient.ravel())
        cosine /= np.linalg.norm(gradient) * np.linalg.norm(cpu_gradient)
        assert cosine > 0.999
