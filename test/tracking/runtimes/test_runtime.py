"""Both runtimes keep one contract and agree; which one is taken; what they are compiled with."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

from lively import PRESET_OF_NETWORK, lively_network
from pictures import textured_image

from autrack_ros.networks import NETWORKS, export
from autrack_ros.networks.checkpoint import load_weights
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    PRESETS,
    AdaptationSettings,
    Box,
    ConfigurationError,
    Tracker,
    load_engine,
    load_tracker,
)
from autrack_ros.tracking.adaptation import LOSSES
from autrack_ros.tracking.checkpoint import form, read_checkpoint
from autrack_ros.tracking.graphs import GRAPHS_DIR, Graphs, find_graphs
from autrack_ros.tracking.grid import response_grid
from autrack_ros.tracking.runtimes import Runtime, make_runtime, openvino_runtime, resolve_runtime
from autrack_ros.tracking.runtimes.openvino_runtime import import_openvino, read_graph
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
from autrack_ros.tracking.targets import Targets, make_targets
from autrack_ros.tracking.threads import thread_count

SMALL = "siamfcpp_tinyconv"
DEFAULT = PRESETS[DEFAULT_PRESET]
WITH_GRAPHS = [name for name in NETWORKS if find_graphs(name) is not None]
TARGET = Box(140, 90, 48, 40)


@pytest.fixture
def without_openvino(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)


def runtime_of(name: str, preset_name: str = DEFAULT_PRESET) -> Runtime:
    preset = PRESETS[preset_name]
    checkpoint = read_checkpoint(preset.require_shipped_weights(), preset.name)
    return make_runtime(name, checkpoint, preset, precision="f32")


@pytest.fixture(scope="module")
def both() -> tuple[Runtime, Runtime]:
    return runtime_of("torch"), runtime_of("openvino")


def scene(shift: int) -> np.ndarray:
    """A textured object on another texture."""
    image = textured_image(240, 320, seed=3)
    x, y, w, h = (round(value) for value in TARGET._replace(x=TARGET.x + shift))
    image[y : y + h, x : x + w] = textured_image(h, w, seed=4)[..., ::-1] // 2 + 100
    return image


def make_tracker(runtime: str) -> Tracker:
    settings = AdaptationSettings(method="none")
    return load_tracker(device="cpu", adaptation=settings, runtime=runtime, precision="f32")


def first_frame(runtime: Runtime, crops: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Targets]:
    """A template, its corners, support crops and their labels."""
    z, x = DEFAULT.settings.template_size, DEFAULT.settings.search_size
    template = textured_image(z, z, seed=9).astype(np.float32)
    corners = np.array([0.15, 0.15, 0.85, 0.85], np.float32) * z
    searches = np.stack([textured_image(x, x, seed) for seed in range(crops)])
    boxes = np.array([[100 + 3 * i, 90, 150 + 3 * i, 160] for i in range(crops)], np.float32)
    points = response_grid(*runtime.response_shape, x, runtime.stride, runtime.origin)
    return template, corners, searches, make_targets(boxes, points)


@pytest.mark.parametrize("name", WITH_GRAPHS)
def test_the_shipped_graphs_compute_what_the_network_does(name):
    preset, graphs = PRESET_OF_NETWORK[name], find_graphs(name)
    network = NETWORKS[name]()
    load_weights(network, preset.require_shipped_weights(), name)
    differences = export.compare(network, preset, graphs)
    assert set(differences) == {"template", "search", "prediction", "objective"}
    for part, difference in differences.items():
        # A few values of the gradient lie on the corner of a ReLU and fall to either side.
        assert difference < (2e-3 if part == "objective" else 1e-4), part


@pytest.mark.parametrize("name", WITH_GRAPHS)
def test_the_graphs_take_the_weights_of_the_network_as_it_is(name):
    """After a change of a network's layers `autrack export` is due."""
    network = NETWORKS[name]()
    known, settings = find_graphs(name), PRESET_OF_NETWORK[name].settings
    assert known.weights == {key: form(v.numpy()) for key, v in network.state_dict().items()}
    assert (known.stride, known.origin) == (network.stride, network.origin)
    sizes = (settings.template_size, settings.search_size)
    assert (known.template_size, known.search_size) == sizes


def test_export_writes_graphs_like_those_that_are_shipped(tmp_path, monkeypatch):
    """The smallest of them: the others take half a minute."""
    preset, shipped = DEFAULT, find_graphs(DEFAULT.network)
    parts_of = export.parts_of
    only = lambda *given: {"prediction": parts_of(*given)["prediction"]}  # noqa: E731
    monkeypatch.setattr(export, "parts_of", only)
    made = export.export_graphs(NETWORKS[preset.network]().eval(), preset, tmp_path)
    assert Graphs.read(tmp_path) == made == replace(shipped, folder=tmp_path)
    core = import_openvino().Core()
    ours, theirs = (read_graph(core, graphs, "prediction") for graphs in (made, shipped))
    kinds = [sorted(op.get_type_name() for op in model.get_ops()) for model in (ours, theirs)]
    assert kinds[0] == kinds[1]
    assert [port.get_any_name() for port in ours.inputs] == [
        port.get_any_name() for port in theirs.inputs
    ]


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("crops", [1, 6, 16])
def test_loss_and_gradient_are_those_of_torch(both, crops, loss_name):
    loss = AdaptationSettings(loss=loss_name).loss_settings(DEFAULT.loss)
    answers = []
    for runtime in both:
        template, corners, searches, targets = first_frame(runtime, crops)
        objective = runtime.objective(corners, runtime.support(searches), targets, loss)
        answers.append(objective(template))
    (value, gradient), (value_too, gradient_too) = answers
    assert value_too == pytest.approx(value, rel=1e-5)
    difference = np.linalg.norm(gradient_too - gradient) / np.linalg.norm(gradient)
    assert difference < 3e-3


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_the_gradient_is_that_of_finite_differences(both, name):
    """OpenVINO 2026.4 gives a wrong one, silently, where a square 1x1 kernel is transposed."""
    runtime = both[name == "openvino"]
    template, corners, searches, targets = first_frame(runtime, 6)
    objective = runtime.objective(corners, runtime.support(searches), targets, DEFAULT.loss)
    _, gradient = objective(template)
    noise = np.random.default_rng(1).choice(np.array([-1, 1], np.float32), template.shape)
    for direction in (np.sign(gradient), np.sign(gradient) * (noise > 0)):
        step = 0.01
        (above, _), (below, _) = (objective(template + s * direction) for s in (step, -step))
        slope = float((gradient * direction).sum())
        assert (above - below) / (2 * step) == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_templates_beside_each_other_are_seen_as_each_alone(both, name):
    runtime = both[name == "openvino"]
    template, corners, searches, _ = first_frame(runtime, 3)
    seen = [runtime.template(shown, corners) for shown in (template, template[::-1].copy())]
    together = runtime.predict(searches, [seen, seen[:1], seen[::-1]])
    assert [len(found) for found in together] == [2, 1, 2]
    for crop, found, templates in zip(
        searches, together, (seen, seen[:1], seen[::-1]), strict=True
    ):
        for features, prediction in zip(templates, found, strict=True):
            ((alone,),) = runtime.predict(crop[None], [[features]])
            np.testing.assert_allclose(prediction.score, alone.score, atol=1e-5)
            np.testing.assert_allclose(prediction.corners, alone.corners, atol=1e-3)


def test_features_of_the_cells_are_those_of_the_search_region(both):
    template, corners, searches, _ = first_frame(both[0], crops=3)
    of_torch, of_openvino = (
        runtime.predict(searches, [[features], [features, features], [features]])
        for runtime in both
        for features in [runtime.template(template, corners)]
    )
    for crop, ours, theirs in zip(searches, of_torch, of_openvino, strict=True):
        (expected,) = both[1].support(crop[None])[0]
        for prediction in (*ours, *theirs):
            assert prediction.features.shape[1:] == both[0].response_shape
            error = np.linalg.norm(prediction.features - expected) / np.linalg.norm(expected)
            assert error < 1e-4


def test_features_that_lie_on_other_cells_are_not_given():
    """Of the official networks: their correlation leaves the border out."""
    runtime = TorchRuntime(lively_network(SMALL), PRESET_OF_NETWORK[SMALL])
    settings = PRESET_OF_NETWORK[SMALL].settings
    z, x = settings.template_size, settings.search_size
    features = runtime.template(np.zeros((z, z, 3), np.float32), np.zeros(4, np.float32))
    ((prediction,),) = runtime.predict(np.zeros((1, x, x, 3), np.uint8), [[features]])
    assert prediction.features is None


def test_adaptation_and_track_are_the_same_in_both():
    settings = AdaptationSettings(steps=4, support_crops=3)
    of_torch, of_openvino = (
        load_tracker(device="cpu", adaptation=settings, runtime=runtime, precision="f32")
        for runtime in ("torch", "openvino")
    )
    report, report_too = (
        tracker.initialize(scene(0), TARGET) for tracker in (of_torch, of_openvino)
    )
    assert report_too.losses == pytest.approx(report.losses, rel=1e-3)
    # Where the gradient is 0 to within rounding, its sign falls to either side.
    apart = of_openvino.adapted_template != of_torch.adapted_template
    assert apart.mean() < 0.02
    for shift in (3, 6):  # differences grow from frame to frame, for a crop's pixels are rounded
        result, result_too = (tracker.update(scene(shift)) for tracker in (of_torch, of_openvino))
        assert result_too.box == pytest.approx(result.box, abs=0.05)
        assert result_too.score == pytest.approx(result.score, abs=2e-3)


def test_the_same_input_gives_the_same_result():
    tracker = load_tracker(device="cpu", runtime="openvino")
    results = []
    for _ in range(2):
        tracker.initialize(scene(0), TARGET)
        results.append(tracker.update(scene(3)))
    assert results[0].box == results[1].box
    np.testing.assert_array_equal(results[0].response, results[1].response)


def test_a_result_is_not_overwritten_by_the_next():
    tracker = make_tracker("openvino")
    tracker.initialize(scene(0), TARGET)
    first = tracker.update(scene(3))
    kept = first.response.copy()
    assert not np.array_equal(tracker.update(scene(9)).response, kept)
    np.testing.assert_array_equal(first.response, kept)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_eight_targets_together_are_found_as_each_alone(runtime):
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
    settings = PRESET_OF_NETWORK[SMALL].settings
    runtime = TorchRuntime(lively_network(SMALL), PRESET_OF_NETWORK[SMALL])
    z, x = settings.template_size, settings.search_size
    features = runtime.template(np.zeros((z, z, 3), np.float32), np.zeros(4, np.float32))
    seen = []
    runtime.network.basemodel.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    found = runtime.predict(np.zeros((count, x, x, 3), np.uint8), [[features]] * count)
    assert seen == batches
    assert len(found) == count


def test_openvino_takes_as_many_threads_as_were_set_and_no_less_precision(monkeypatch):
    openvino, compiled = import_openvino(), []

    class Core(openvino.Core):
        def compile_model(self, *arguments):
            compiled.append(super().compile_model(*arguments))
            return compiled[-1]

    monkeypatch.setattr(openvino, "Core", Core)
    monkeypatch.setenv("AUTRACK_CACHE", "off")
    engine = make_tracker("openvino").engine
    engine.adapt(scene(0), engine.start(scene(0), TARGET), AdaptationSettings(steps=1))
    assert len(compiled) == 4
    for model in compiled:
        assert model.get_property("INFERENCE_NUM_THREADS") == thread_count()
        assert model.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


def test_a_precision_that_the_processor_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(openvino_runtime, "BF16", "no processor has this")
    with pytest.raises(ConfigurationError, match=r"'bf16'.*processor.*f32"):
        load_engine(device="cpu", precision="bf16")


def test_half_the_precision_moves_boxes_little():
    if "BF16" not in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("needs a processor with bfloat16")
    boxes = []
    for precision in ("f32", "bf16"):
        settings = AdaptationSettings(method="none")
        tracker = load_tracker(device="cpu", adaptation=settings, precision=precision)
        assert tracker.engine.runtime.precision == precision
        tracker.initialize(scene(0), TARGET)
        boxes.append(tracker.update(scene(3)).box)
    assert boxes[0] != boxes[1]  # it is another computation
    assert boxes[1] == pytest.approx(boxes[0], abs=3)


@pytest.mark.parametrize(
    ("runtime", "precision", "message"),
    [
        ("torch", "bf16", "'bf16' in runtime torch: accepted is f32"),
        ("auto", "f16", r"'f16': accepted is one of f32, bf16"),
    ],
)
def test_a_precision_that_is_not_there_is_refused(runtime, precision, message):
    with pytest.raises(ConfigurationError, match=message):
        load_engine(device="cpu", runtime=runtime, precision=precision)


def test_the_use_of_openvino_is_reported_to_nobody(tmp_path):
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
    here, shared = Path(__file__).parent, Path(__file__).parents[2]
    code = "import test_runtime; test_runtime.make_tracker('openvino')"
    paths = os.pathsep.join(map(str, (tmp_path, here, shared, shared.parent)))
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_auto_is_openvino_on_a_cpu_for_the_project_s_own_networks():
    assert load_engine(device="cpu").runtime.name == "openvino"
    assert resolve_runtime("auto", "cpu", PRESET_OF_NETWORK[SMALL]) == "torch"


def test_auto_is_torch_without_openvino(without_openvino):
    assert load_engine(device="cpu").runtime.name == "torch"


def test_auto_is_torch_on_a_cuda_device():
    assert resolve_runtime("auto", "cuda:1", DEFAULT) == "torch"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_torch_is_had_everywhere(device, without_openvino):
    assert resolve_runtime("torch", device, DEFAULT) == "torch"


def test_openvino_that_is_not_there_says_how_to_get_it(without_openvino):
    with pytest.raises(ConfigurationError, match="pip install openvino"):
        load_tracker(device="cpu", runtime="openvino")


def test_openvino_on_a_cuda_device_says_what_to_choose():
    with pytest.raises(ConfigurationError, match="device is cuda: choose device cpu"):
        resolve_runtime("openvino", "cuda", DEFAULT)


def test_openvino_for_a_network_without_graphs_says_what_to_choose():
    with pytest.raises(ConfigurationError, match=r"no graphs of siamfcpp_tinyconv.*runtime torch"):
        resolve_runtime("openvino", "cpu", PRESET_OF_NETWORK[SMALL])


def test_an_unknown_runtime_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"'onnx'.*auto, torch, openvino"):
        load_tracker(device="cpu", runtime="onnx")


def test_the_package_has_graphs_of_its_own_networks_alone():
    assert {path.name for path in GRAPHS_DIR.iterdir() if path.is_dir()} - {"__pycache__"} == {
        "autrack_fear",
        "autrack_lite0",
    }
