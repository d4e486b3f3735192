from __future__ import annotations

import json
import subprocess
import sys
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.cli.options import TrackerOptions
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    PRESETS,
    AdaptationReport,
    AdaptationSettings,
    Box,
    TrackResult,
    load_tracker,
    validate_box,
)

ROOT = Path(__file__).parents[2]
runner = CliRunner()


class FakeTracker:
    """Moves the box one pixel to the right in every frame."""

    engine = SimpleNamespace(
        runtime=SimpleNamespace(device="cpu", name="openvino", precision="f32")
    )
    adaptation = AdaptationSettings()

    def initialize(self, image, box):
        validate_box(box, image.shape[1], image.shape[0])
        self.box = box
        return AdaptationReport("bim", (2.0, 1.0), 1, 1, 3.5, "completed", 0.5, 0.1)

    def update(self, image):
        self.box = Box(self.box.x + 1, *self.box[1:])
        unit = np.array([[1.0, 0, 0], [0, 1, 0]])
        search = np.zeros((32, 32, 3), np.uint8)
        response = np.ones((4, 4), np.float32)
        return TrackResult(self.box, 0.9, response, 8 * unit, search, unit, 1.0, 1.0, 1.0)


@pytest.fixture
def fake_tracker(monkeypatch):
    monkeypatch.setattr(TrackerOptions, "load", lambda options: FakeTracker())


@pytest.fixture
def clip(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(1, 5):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), 60, np.uint8))
    return folder


def invoke(*arguments: object):
    return runner.invoke(app, [str(argument) for argument in arguments])


def test_track_writes_boxes_video_and_summary(fake_tracker, clip, tmp_path):
    boxes, video, summary = (tmp_path / "out" / name for name in ("b.txt", "v.mp4", "s.json"))
    result = invoke(
        "track",
        clip,
        "--box",
        "4,5,20.5,16",
        "--output",
        boxes,
        "--video",
        video,
        "--json",
        summary,
    )
    assert result.exit_code == 0, result.output
    assert boxes.read_text().splitlines()[:2] == [
        "4.000,5.000,20.500,16.000",
        "5.000,5.000,20.500,16.000",
    ]
    assert len(read_boxes(boxes)) == 4
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    told = json.loads(summary.read_text())
    assert told["frames"] == 4
    assert told["fps"] > 0
    assert told["adaptation"]["losses"] == [2.0, 1.0]
    assert "loss 2.000 -> 1.000" in result.stderr


@pytest.mark.parametrize("words", [("--json",), ("--json", "-"), ("--json", "--no-adapt")])
def test_json_without_a_file_goes_to_stdout_alone(fake_tracker, clip, words):
    result = invoke("track", clip, "--box", "4,5,20,16", *words)
    assert json.loads(result.stdout)["frames"] == 4


def test_max_frames_ends_early(fake_tracker, clip):
    result = invoke("track", clip, "--box", "4,5,20,16", "--max-frames", 2, "--json", "-")
    assert json.loads(result.stdout)["frames"] == 2


@pytest.mark.parametrize("box", ["1,2,3", "1,2,3,x", "nan,1,2,3", "1 2 3 4", ""])
def test_unreadable_box_is_bad_usage(clip, box):
    result = invoke("track", clip, "--box", box)
    assert result.exit_code == 2
    assert "--box" in result.stderr
    assert "X,Y,W,H" in result.stderr


def assert_told_in_one_line(result, status: int, *words: str) -> None:
    assert result.exit_code == status
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("autrack: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_box_outside_the_image_fails(fake_tracker, clip):
    result = invoke("track", clip, "--box", "640,5,20,16")
    assert_told_in_one_line(result, 1, "x=640", "64x48")


def test_absent_source_fails():
    result = invoke("track", "absent.mp4", "--box", "1,2,3,4")
    assert_told_in_one_line(result, 1, "absent.mp4", "accepted")


def test_broken_image_fails(fake_tracker, clip):
    (clip / "3.png").write_bytes(b"")
    result = invoke("track", clip, "--box", "4,5,20,16")
    assert_told_in_one_line(result, 1, "3.png")


def test_what_was_tracked_before_a_broken_image_is_kept(fake_tracker, clip, tmp_path):
    names = sorted(path.name for path in clip.glob("*.png"))
    (clip / names[-1]).write_bytes(b"")
    output = tmp_path / "boxes.txt"
    result = invoke("track", clip, "--box", "4,5,20,16", "--output", output)
    assert_told_in_one_line(result, 1, names[-1])
    assert len(output.read_text().splitlines()) == len(names) - 1


@pytest.mark.parametrize(("option", "name"), [("--video", "picture.jpg"), ("--output", "")])
def test_a_file_that_cannot_be_written_is_refused_before_tracking(
    fake_tracker, clip, tmp_path, option, name
):
    result = invoke("track", clip, "--box", "4,5,20,16", option, tmp_path / name)
    assert_told_in_one_line(result, 1, str(tmp_path / name))


def test_unknown_preset_is_bad_usage(clip):
    result = invoke("track", clip, "--box", "4,5,20,16", "--preset", "siamfoo")
    assert_told_in_one_line(result, 2, "siamfoo", DEFAULT_PRESET)


def test_missing_checkpoint_fails(clip):
    result = invoke(
        "track", clip, "--box", "4,5,20,16", "--checkpoint", "absent.safetensors"
    )  # fmt: skip
    assert_told_in_one_line(result, 1, "absent.safetensors")


def test_bad_setting_is_bad_usage(clip):
    result = invoke("track", clip, "--box", "4,5,20,16", "--adapt-steps", "-1")
    assert_told_in_one_line(result, 2, "steps=-1", "0 to 1000")


def test_output_that_cannot_be_written_fails(fake_tracker, clip):
    result = invoke("track", clip, "--box", "4,5,20,16", "--output", clip)
    assert_told_in_one_line(result, 1, str(clip))


def test_options_reach_the_settings():
    options = TrackerOptions(adapt_method="pgd", adapt_steps=3, adapt_budget_ms=20.0)
    assert options.adaptation() == AdaptationSettings(method="pgd", steps=3, budget_ms=20.0)
    assert TrackerOptions(adapt=False).adaptation().method == "none"


def test_option_defaults_are_those_of_the_tracker():
    assert TrackerOptions().adaptation() == AdaptationSettings()
    defaults = signature(load_tracker).parameters
    for name in ("preset", "checkpoint", "device", "runtime", "precision"):
        assert getattr(TrackerOptions(), name) == defaults[name].default


def test_every_adaptation_setting_has_an_option():
    options = {name for name in TrackerOptions.__dataclass_fields__ if name.startswith("adapt_")}
    assert options == {f"adapt_{name}" for name in AdaptationSettings.__dataclass_fields__}


def test_models_lists_every_preset(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    result = invoke("models")
    assert result.exit_code == 0
    for preset in PRESETS.values():
        assert preset.name in result.stdout
        assert preset.license in result.stdout
        assert preset.source in result.stdout


def test_program_answers_quickly_and_without_torch():
    code = (
        "import sys; from autrack_ros.cli import app; "
        "app(['--help'], standalone_mode=False); "
        "sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "track" in done.stdout


def test_program_as_a_process_tells_errors_without_a_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "autrack_ros.cli", "track", "absent.mp4", "--box", "1,2,3,4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("autrack: absent.mp4")
    assert done.stderr.count("\n") == 1


def test_version_is_that_of_the_manifest():
    manifest = (ROOT / "package.xml").read_text()
    version = invoke("--version").stdout.removeprefix("autrack ").strip()
    assert f"<version>{version}</version>" in manifest
