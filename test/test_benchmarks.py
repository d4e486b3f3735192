from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from autrack_ros.tracking import (
    DEFAULT_PRESET,
    PRESETS,
    AdaptationSettings,
    Tracker,
    TrackingEngine,
)
from autrack_ros.tracking.networks import NETWORKS
from benchmarks import ablations, nanotrack

ROOT = Path(__file__).parents[1]


def start_known(image, box, threads):
    """A tracker that knows the clip; threads above 1 make it end its process instead."""
    assert threads == 1
    known = nanotrack.Clip()
    index = 0

    def follow(image):
        nonlocal index
        index += 1
        assert np.array_equal(image, known.frame(index))
        return known.box(index)

    return follow


def run_nanotrack(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.nanotrack", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_help_says_which_files_are_wanted():
    done = run_nanotrack("--help")
    assert done.returncode == 0
    assert "nanotrack_backbone_sim.onnx" in done.stdout


def test_a_missing_file_is_named(tmp_path):
    here = tmp_path / "here.onnx"
    here.touch()
    done = run_nanotrack("--backbone", here, "--neckhead", tmp_path / "missing.onnx")
    assert done.returncode != 0
    assert f"there is no file {tmp_path / 'missing.onnx'}" in done.stderr


def test_a_file_that_is_no_model_is_named(tmp_path):
    pytest.importorskip("openvino")
    broken = tmp_path / "broken.onnx"
    broken.write_text("not a model")
    done = run_nanotrack("--backbone", broken, "--neckhead", broken)
    assert done.returncode != 0
    assert f"{broken} is not an ONNX model" in done.stderr


def test_a_tracker_is_timed_in_a_process_of_its_own():
    side = nanotrack.TrackerProcess(start_known, threads=1)
    side.run_block()
    side.close()
    assert len(side.times) == nanotrack.BLOCK
    assert side.overlap() == 1.0
    assert side.megabytes > 20


def test_the_command_itself_loads_no_torch():
    code = "import sys, benchmarks.nanotrack; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_a_tracker_that_fails_ends_the_comparison_in_words():
    with pytest.raises(SystemExit, match="ended early"):
        nanotrack.TrackerProcess(start_known, threads=2)


def test_the_exported_network_is_the_whole_of_a_frame():
    pytest.importorskip("openvino")
    preset = PRESETS[DEFAULT_PRESET]
    engine = TrackingEngine(NETWORKS[preset.network](), preset)
    tracker = Tracker(engine, AdaptationSettings(method="none"))
    model, inputs = nanotrack.export_frame(tracker)
    assert [tuple(node.shape) for node in model.inputs] == [value.shape for value in inputs]
    assert inputs[0].shape == (1, 256, 256, 3)
    parameters = sum(parameter.numel() for parameter in tracker.engine.network.parameters())
    assert nanotrack.count_parameters([model]) == pytest.approx(parameters, rel=0.01)


def test_trackers_are_compared_with_the_last():
    row = nanotrack.compare_trackers([start_known] * 3, threads=1, frames=1)
    cells = row.strip("| ").split(" | ")
    assert len(cells) == 1 + 3 * 3 + 2
    assert cells[3::3][:3] == ["1.00"] * 3  # overlaps


@pytest.mark.parametrize("name", ablations.VARIANTS)
def test_every_variant_predicts_boxes(name):
    variant = ablations.VARIANTS[name]
    network = variant.build().eval()
    cells = {"depth-wise correlation": 9, "depth-wise, with the box": 9, "stride 8": 32}
    rows = cells.get(name, variant.search_size // 16)
    z, x = (torch.rand(1, 3, size, size) * 255 for size in (128, variant.search_size))
    boxes = torch.tensor([[32.0, 32, 95, 95], [10, 50, 117, 77]])
    with torch.inference_mode():
        search = network.search(x)
        one, other = (network.predict(network.template(z, box[None]), search) for box in boxes)
    assert one.boxes.shape == (1, rows, rows, 4)
    assert one.boxes.isfinite().all()
    ignores_box = name in ("without the target's box", "depth-wise correlation")
    assert torch.equal(one.boxes, other.boxes) == ignores_box


def test_the_table_of_ablations_compares_with_the_first_row():
    clips = {"real": {"a": 0.7}, "made": {"b": 0.6, "c": 0.8}}
    worse = {"real": {"a": 0.6}, "made": {"b": 0.5, "c": 0.7}}
    rest = {"parameters": 1.0, "pair_iou": 0.8}
    results = {"one": {**clips, **rest, "ms": 4.0}, "two": {**worse, **rest, "ms": 6.0}}
    *_, first, second = ablations.table(results).splitlines()
    assert first == "| one | 1.000 | 0.800 | 0.700 | 0.700 |  | 4.00 | 1.00 |"
    assert "-0.100 (-0.100 to -0.100) | 6.00 | 1.50 |" in second
