"""Somebody else's tracker, by the name of its class: the example, and all that one can do wrong."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.metrics import ious
from autrack_ros.evaluation.plugin import PluginTracker, describe_plugin
from autrack_ros.evaluation.plugin_process import PluginError, to_answer
from autrack_ros.tracking import Box, ConfigurationError, InvalidBoxError

ROOT = Path(__file__).parents[2]
EXAMPLE = "examples.template_matching:TemplateMatching"
FRAMES = 8
BOX = Box(40, 30, 24, 20)
runner = CliRunner()

# Follows nothing, and does what the third grey level of an image's corner says.
TRACKERS = """
import os, time
import numpy as np

print("noise on standard output")


class Standing:
    def init(self, image, box):
        assert isinstance(image, np.ndarray) and image.dtype == np.uint8
        assert image.flags["C_CONTIGUOUS"]
        self.box = box

    def update(self, image):
        what = int(image[0, 0, 0])  # red
        if what == 1:
            raise KeyError("no target")
        if what == 2:
            return float("nan"), 1, 2, 3
        if what == 3:
            return [self.box]
        if what == 4:
            time.sleep(600)
        if what == 5:
            os.kill(os.getpid(), 9)
        if what == 6:
            raise SystemExit(3)
        return self.box


class Unmade(Standing):
    def __init__(self):
        raise RuntimeError("no weights")


class Half:
    def init(self, image, box): ...
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The module ``theirs`` is in the working directory."""
    (tmp_path / "theirs.py").write_text(TRACKERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(red: int = 0) -> np.ndarray:
    image = np.zeros((80, 120, 3), np.uint8)
    image[..., 2] = red  # BGR
    return image


def evaluate(*arguments: object):
    return runner.invoke(app, ["evaluate", *map(str, arguments)])


def make_sequence(folder: Path, images: list[np.ndarray], truth: np.ndarray) -> None:
    (folder / "img").mkdir(parents=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / "img" / f"{number:04d}.png"), image)
    np.savetxt(folder / "groundtruth.txt", truth, fmt="%g", delimiter=",")


@pytest.fixture
def moving(tmp_path):
    """A textured target that goes right and down over noise, as a dataset."""
    random = np.random.default_rng(0)
    ground = random.integers(0, 90, (120, 160, 3), np.uint8)
    target = random.integers(100, 255, (20, 24, 3), np.uint8)
    truth = np.array([[40 + 4 * i, 30 + 2 * i, 24, 20] for i in range(FRAMES)])
    images = []
    for x, y, w, h in truth:
        image = ground.copy()
        image[y : y + h, x : x + w] = target
        images.append(image)
    make_sequence(tmp_path / "data" / "moving", images, truth)
    return tmp_path / "data"


# --- the example


def test_the_example_runs_through_evaluate_and_compare(moving, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    runs = [tmp_path / "one", tmp_path / "two"]
    for run, jobs in zip(runs, (1, 2), strict=True):
        make_sequence(moving / f"still{jobs}", [picture()] * 3, np.array([BOX] * 3))
        done = evaluate(moving, "--tracker", EXAMPLE, "--jobs", jobs, "--results-dir", run,
                        "--sequences", "moving,still1", "--threads", 1)  # fmt: skip
        assert done.exit_code == 0, done.output
        truth = np.loadtxt(moving / "moving" / "groundtruth.txt", delimiter=",")
        assert ious(read_boxes(run / "boxes" / "moving.txt"), truth).min() == 1
    told = json.loads((runs[0] / "run.json").read_text())
    source = ROOT / "examples" / "template_matching.py"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert told["tracker"] == EXAMPLE
    assert told["model_sha256"] == {"template_matching.py": digest}
    first, second = ((run / "frames" / "moving.csv").read_text() for run in runs)
    assert first == second
    compared = runner.invoke(app, ["compare", *map(str, runs)])
    assert compared.exit_code == 0, compared.output
    assert "+0.0000" in compared.stdout


def test_the_example_is_as_long_as_an_example_may_be():
    lines = (ROOT / "examples" / "template_matching.py").read_text().splitlines()
    assert 15 <= len(lines) <= 40


def test_the_example_says_when_its_target_has_left_the_picture(monkeypatch):
    monkeypatch.chdir(ROOT)
    tracker = PluginTracker(EXAMPLE, threads=1, limit_s=60)
    image = np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)
    tracker.initialize(image, BOX)
    assert tracker.update(image).box == BOX
    assert tracker.update(image).score == pytest.approx(1)
    tracker.update(image[:20, :20].copy())
    assert tracker.update(image[:20, :20].copy()).score == 0


# --- what a tracker gets and gives


def test_images_are_rgb_and_the_score_is_1_where_there_is_none(here):
    tracker = PluginTracker("theirs:Standing", threads=1, limit_s=60)
    tracker.initialize(picture(), BOX)
    found = tracker.update(picture())
    assert (found.box, found.score) == (BOX, 1.0)
    with pytest.raises(PluginError, match="KeyError"):  # red is the first channel
        tracker.update(picture(red=1))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2, 3, 4), ((1, 2, 3, 4), 1.0)),
        (np.array([1.5, 2, 3, 4], np.float32), ((1.5, 2, 3, 4), 1.0)),
        (([1, 2, 3, 4], 0.25), ((1, 2, 3, 4), 0.25)),
        ((np.array([-1, 2, 0, 4]), np.float32(7.5)), ((-1, 2, 0, 4), 7.5)),
    ],
)
def test_a_box_or_a_box_and_a_score_is_an_answer(value, expected):
    assert to_answer(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "1234",
        (1, 2, 3),
        [[1, 2, 3, 4]],
        (1, 2, 3, np.inf),
        (1, 2, -3, 4),
        ((1, 2, 3, 4), np.nan),
        ((1, 2, 3, 4), None),
        (1, 2),
    ],
)
def test_anything_else_is_no_answer(value):
    with pytest.raises(PluginError, match=r"it gave .*; accepted is x, y, w, h in pixels"):
        to_answer(value)


# --- what goes wrong


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (1, "bad, frame 3: theirs:Standing: update: KeyError: 'no target' (theirs.py, line 17)"),
        (2, "update: it gave (nan, 1, 2, 3); accepted is"),
        (3, "update: it gave [(40.0, 30.0, 24.0, 20.0)]; accepted is"),
        (4, "update: no answer within 2 s"),
        (5, "update: its process was ended by SIGKILL"),
        (6, "update: SystemExit: 3"),
    ],
)
def test_a_tracker_that_fails_fails_its_sequence_alone(here, what, words):
    truth = np.array([BOX] * 4)
    make_sequence(here / "data" / "bad", [picture(), picture(), picture(what), picture()], truth)
    make_sequence(here / "data" / "good", [picture()] * 4, truth)
    done = evaluate(here / "data", "--tracker", "theirs:Standing", "--timeout", 2, "--json", "-")
    assert done.exit_code == 1
    assert words in done.stderr
    assert "1 of 2 sequences failed" in done.stderr
    told = json.loads(done.stdout)
    assert list(told["failed"]) == ["bad"]
    assert told["sequences"]["good"]["ao"] == 1


def test_what_cannot_be_loaded_is_told_before_anything_is_tracked(here):
    make_sequence(here / "data" / "good", [picture()] * 3, np.array([BOX] * 3))
    for name, words in {
        "theirs:Unmade": "tracker theirs:Unmade: RuntimeError: no weights (theirs.py",
        "theirs:Half": "it has no method update",
        "theirs:Absent": "has no attribute 'Absent'",
        "absent:Tracker": f"no module absent in {here}",
        "theirs:": "'theirs:': accepted is module:Class",
        "mosse": "'mosse'; accepted: autrack, csrt, kcf, nano, vit, or MODULE:CLASS",
    }.items():
        done = evaluate(here / "data", "--tracker", name)
        assert done.exit_code == 2, name
        assert words in " ".join(done.stderr.replace("│", " ").split()), name


def test_one_that_hangs_while_it_is_made_is_told(here, monkeypatch):
    (here / "slow.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr("autrack_ros.evaluation.plugin_process.LOADING_LIMIT_S", 0.2)
    with pytest.raises(ConfigurationError, match=r"tracker slow:Tracker: no answer within 0\.2 s"):
        PluginTracker("slow:Tracker", threads=1, limit_s=60)


def test_after_a_failure_a_new_process_takes_the_next_target(here):
    tracker = PluginTracker("theirs:Standing", threads=1, limit_s=2)
    for what in (4, 5):
        tracker.initialize(picture(), BOX)
        process = tracker._process._process
        with pytest.raises(PluginError):
            tracker.update(picture(what))
        assert process.exitcode == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
    with pytest.raises(InvalidBoxError):
        tracker.initialize(picture(), Box(500, 1, 5, 5))
    tracker.initialize(picture(), BOX)
    assert tracker.update(picture()).box == BOX


def test_its_source_is_described_without_being_run(here):
    (here / "theirs.py").write_text("raise SystemExit")
    told = describe_plugin("theirs:Standing")
    assert told["model_sha256"] == {"theirs.py": hashlib.sha256(b"raise SystemExit").hexdigest()}


def test_options_of_other_trackers_are_refused(here):
    for options, words in (
        (("--tracker", "theirs:Standing", "--net", "n"), "does not take --net"),
        (("--tracker", "theirs:Standing", "--no-recover"), "does not take --no-recover"),
        (("--timeout", 3), "autrack does not take --timeout"),
    ):
        done = evaluate(here, *options)
        assert done.exit_code == 2
        assert words in " ".join(done.stderr.replace("│", " ").split())


# --- bags


def test_evaluate_bag_runs_it_and_keeps_what_was_tracked_before_it_failed(here):
    pytest.importorskip("rosbags", reason="bags need rosbags")
    pytest.importorskip("matplotlib", reason="the plots need matplotlib")
    from autrack_ros.evaluation.bags.making import make_bag, open_clip

    images = [picture(), picture(), picture(1), picture()]
    make_sequence(here / "clip", images, np.array([BOX] * 4))
    frames, truth = open_clip(str(here / "clip"))
    list(make_bag(frames, truth, here / "bag", fps=10))
    command = ["evaluate-bag", "bag", "--image-topic", "/image", "--truth-topic", "/truth"]
    done = runner.invoke(app, [*command, "--tracker", "theirs:Standing"])
    assert done.exit_code == 1
    assert "KeyError: 'no target'" in done.stderr
    told = json.loads((here / "bag_evaluation" / "metrics.json").read_text())
    assert told["settings"]["tracker"] == "theirs:Standing"
    assert told["runs"]["offline"]["images"] == 2
    assert told["runs"]["offline"]["scores"]["ao"] == 1
    assert "Tracker theirs:Standing" in (here / "bag_evaluation" / "report.html").read_text()
    live = runner.invoke(app, [*command, "--tracker", "theirs:Standing", "--live"])
    assert live.exit_code == 2
    assert "--tracker autrack" in live.stderr
