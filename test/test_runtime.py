from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from lively import PRESET_OF_NETWORK, lively_network, template_box, textured_image

from autrack_ros.tracking import (
    AdaptationSettings,
    Box,
    ConfigurationError,
    Tracker,
    TrackingEngine,
    load_tracker,
)
from autrack_ros.tracking.networks import NETWORKS
from autrack_ros.tracking.runtime import import_openvino, make_predictor, resolve_runtime

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = "siamfcpp_tinyconv"
TARGET = Box(140, 90, 48, 40)


@pytest.fixture
def openvino():
    try:
        return import_openvino()
    except ImportError:
        pytest.skip("needs OpenVINO")


@pytest.fixture(params=[None, ModuleType("openvino")], ids=["missing", "too old"])
def without_openvino(request, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", request.param)


def scene(shift: int) -> np.ndarray:
    """A textured object on another texture."""
    image = textured_image(240, 320, seed=3)
    x, y, w, h = (round(value) for value in TARGET._replace(x=TARGET.x + shift))
    image[y : y + h, x : x + w] = textured_image(h, w, seed=4)[..., ::-1] // 2 + 100
    return image


def make_tracker(runtime: str) -> Tracker:
    settings = AdaptationSettings(method="none")
    engine = TrackingEngine(lively_network(SMALL), PRESET_OF_NETWORK[SMALL], runtime=runtime)
    return Tracker(engine, settings)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_predicts_the_same_in_both(openvino, name):
    network, settings = lively_network(name), PRESET_OF_NETWORK[name].settings
    network.head.si.fill_(0.05)  # boxes no larger than the search region, even GoogLeNet's
    z = torch.from_numpy(textured_image(settings.template_size, settings.template_size))
    with torch.inference_mode():
        z = z.permute(2, 0, 1)[None].float()
        template = network.template(z, template_box(settings.template_size))
        other = network.template(z.flip(3), template_box(settings.template_size))
    # Made with the features of another template, of which only the shapes count.
    size = settings.search_size
    of_torch, of_openvino = (
        make_predictor(runtime, network, CPU, size, other) for runtime in ("torch", "openvino")
    )
    for seed in range(2):
        search = textured_image(size, size, seed)[None]
        score, corners = of_torch(search, template)
        score_too, corners_too = of_openvino(search, template)
        assert score.shape == corners.shape[:3]
        assert corners.shape[3] == 4
        # GoogLeNet's logits reach 20 with these weights; both are this far from double precision.
        np.testing.assert_allclose(score_too, score, atol=5e-4)
        np.testing.assert_allclose(corners_too, corners, atol=1e-2)


def test_adaptation_and_track_are_the_same_in_both(openvino):
    settings = AdaptationSettings(steps=2, support_crops=2)
    of_torch, of_openvino = (
        load_tracker(device="cpu", adaptation=settings, runtime=runtime)
        for runtime in ("torch", "openvino")
    )
    report, report_too = (
        tracker.initialize(scene(0), TARGET) for tracker in (of_torch, of_openvino)
    )
    assert report_too.losses == report.losses
    np.testing.assert_array_equal(of_openvino.adapted_template, of_torch.adapted_template)
    for shift in (3, 6):  # differences grow from frame to frame, for a crop's pixels are rounded
        result, result_too = (tracker.update(scene(shift)) for tracker in (of_torch, of_openvino))
        assert result_too.box == pytest.approx(result.box, abs=0.01)
        assert result_too.score == pytest.approx(result.score, abs=1e-3)


def test_the_same_input_gives_the_same_result(openvino):
    tracker = make_tracker("openvino")
    results = []
    for _ in range(2):
        tracker.initialize(scene(0), TARGET)
        results.append(tracker.update(scene(3)))
    assert results[0].box == results[1].box
    np.testing.assert_array_equal(results[0].response, results[1].response)


def test_a_result_is_not_overwritten_by_the_next(openvino):
    tracker = make_tracker("openvino")
    tracker.initialize(scene(0), TARGET)
    first = tracker.update(scene(3))
    kept = first.response.copy()
    assert not np.array_equal(tracker.update(scene(9)).response, kept)
    np.testing.assert_array_equal(first.response, kept)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_eight_targets_together_are_found_as_each_alone(runtime, request):
    if runtime == "openvino":
        request.getfixturevalue("openvino")
    engine = make_tracker(runtime).engine
    targets = [
        engine.start(scene(0), Box(x, y, 48 + x / 10, 40))
        for x in (20, 90, 160, 230)
        for y in (30, 150)
    ]
    together = engine.follow(scene(3), targets)
    assert len({result.box for _, result in together}) == len(targets)
    for target, (moved, result) in zip(targets, together, strict=True):
        ((alone, expected),) = engine.follow(scene(3), [target])
        assert result.box == pytest.approx(expected.box, abs=1e-3)
        assert result.score == pytest.approx(expected.score, abs=1e-5)
        np.testing.assert_allclose(result.response, expected.response, atol=1e-5)
        np.testing.assert_array_equal(result.search, expected.search)
        assert moved.box == result.box
        assert moved.features is alone.features


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (2, [2]), (5, [2, 2, 1])])
def test_torch_on_a_cpu_computes_no_more_than_two_at_once(count, batches):
    network, settings = lively_network(SMALL), PRESET_OF_NETWORK[SMALL].settings
    size = settings.template_size
    with torch.inference_mode():
        template = network.template(torch.zeros(1, 3, size, size), template_box(size))
    predict = make_predictor("torch", network, CPU, settings.search_size, template)
    seen = []
    network.basemodel.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    search = np.zeros((count, settings.search_size, settings.search_size, 3), np.uint8)
    score, corners = predict(search, tuple(value.repeat_interleave(count, 0) for value in template))
    assert seen == batches
    assert len(score) == len(corners) == count


def test_openvino_takes_as_many_threads_as_torch_and_no_less_precision(openvino, monkeypatch):
    compiled = []

    class Core(openvino.Core):
        def compile_model(self, *arguments):
            compiled.append(super().compile_model(*arguments))
            return compiled[-1]

    monkeypatch.setattr(openvino, "Core", Core)
    make_tracker("openvino")
    (model,) = compiled
    assert model.get_property("INFERENCE_NUM_THREADS") == torch.get_num_threads()
    assert model.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


def test_the_use_of_openvino_is_reported_to_nobody(openvino, tmp_path):
    """Its import alone would be, where openvino-telemetry is installed."""
    backend = tmp_path / "openvino_telemetry" / "backend"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "backend_ga4.py").touch()
    (backend.parent / "__init__.py").write_text(
        "class Telemetry:\n"
        "    def __init__(self, *arguments, **options):\n"
        "        raise SystemExit('it would be reported')\n"
    )
    here = Path(__file__).parent
    code = "import test_runtime; test_runtime.make_tracker('openvino')"
    paths = os.pathsep.join(map(str, (tmp_path, here, here.parent)))
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_auto_is_openvino_on_a_cpu(openvino):
    assert load_tracker(device="cpu").engine.runtime == "openvino"


def test_auto_is_torch_without_openvino(without_openvino):
    assert load_tracker(device="cpu").engine.runtime == "torch"


def test_auto_is_torch_on_a_cuda_device():
    assert resolve_runtime("auto", CUDA) == "torch"


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_torch_is_had_everywhere(device, without_openvino):
    assert resolve_runtime("torch", device) == "torch"


def test_openvino_that_is_not_there_says_how_to_get_it(without_openvino):
    with pytest.raises(ConfigurationError, match="pip install -U openvino"):
        load_tracker(device="cpu", runtime="openvino")


def test_openvino_on_a_cuda_device_says_what_to_choose():
    with pytest.raises(ConfigurationError, match="device is cuda: choose device cpu"):
        resolve_runtime("openvino", CUDA)


def test_an_unknown_runtime_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"'onnx'.*auto, torch, openvino"):
        load_tracker(device="cpu", runtime="onnx")
