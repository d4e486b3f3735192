"""OpenCV's trackers behind ``autrack evaluate``; CSRT and KCF themselves where OpenCV has them."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_datasets import TRUTH, from_one, make_folder, make_otb
from typer.testing import CliRunner

from autrack_ros.cli import app, chosen
from autrack_ros.evaluation import metrics
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.datasets import read_dataset
from autrack_ros.evaluation.peers import PEERS, describe_peer, load_peer
from autrack_ros.evaluation.peers.opencv import OPENCV, PeerTracker
from autrack_ros.evaluation.runner import track
from autrack_ros.tracking import AutrackError, Box, ConfigurationError, InvalidBoxError
from autrack_ros.tracking.errors import CheckpointError

DATA = Path(__file__).parents[4] / "shared" / "data" / "dev_sequences"
VIT = DATA.parent / "peers" / "vittrack" / "object_tracking_vittrack_2023sep.onnx"
IMAGE = np.zeros((64, 64, 3), np.uint8)
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("threads_as_before")


class OpenCVTracker:
    """Answers what it is given; counts itself."""

    made = 0

    def __init__(self, *answers):
        type(self).made += 1
        self.answers = iter(answers)

    def init(self, image, box):
        assert all(type(value) is int for value in box)
        self.box = box

    def update(self, image):
        return next(self.answers)


class ScoringTracker(OpenCVTracker):
    def getTrackingScore(self):
        return 0.625


@pytest.fixture
def csrt(monkeypatch):
    """CSRT as a stand-in that always finds the target where it was first."""

    class Steady(OpenCVTracker):
        made = 0

        def update(self, image):
            return True, self.box

    monkeypatch.setattr(cv2, "TrackerCSRT_create", Steady, raising=False)
    return Steady


def evaluate(*arguments: object):
    return runner.invoke(app, ["evaluate", *map(str, arguments)])


def test_boxes_and_scores_are_opencvs():
    tracker = PeerTracker(lambda: ScoringTracker((True, (11, 21, 12, 14))))
    tracker.initialize(IMAGE, Box(10, 20, 12, 14))
    result = tracker.update(IMAGE)
    assert result.box == Box(11, 21, 12, 14)
    assert result.score == 0.625


def test_a_target_that_is_not_found_stays_where_it_was_with_score_0():
    answers = ((True, (11, 21, 12, 14)), (False, (0, 0, 0, 0)), (True, (12, 21, 12, 14)))
    tracker = PeerTracker(lambda: OpenCVTracker(*answers))
    tracker.initialize(IMAGE, Box(10, 20, 12, 14))
    found = [tracker.update(IMAGE) for _ in range(3)]
    assert [result.box.x for result in found] == [11, 11, 12]
    assert [result.score for result in found] == [1, 0, 1]


def test_opencv_gets_whole_pixels():
    made = OpenCVTracker()
    PeerTracker(lambda: made).initialize(IMAGE, Box(10.6, 20.4, 12.5001, 14.0))
    assert made.box == (11, 20, 13, 14)


def test_a_box_without_a_target_is_refused_as_by_our_tracker():
    with pytest.raises(InvalidBoxError, match="finite"):
        PeerTracker(OpenCVTracker).initialize(IMAGE, Box(float("nan"), 1, 5, 5))


@pytest.mark.parametrize("step", ["init", "update"])
def test_what_opencv_throws_is_an_error_of_ours(monkeypatch, step):
    def fail(*_):
        raise cv2.error("no")

    monkeypatch.setattr(OpenCVTracker, step, fail)
    tracker = PeerTracker(OpenCVTracker)
    with pytest.raises(AutrackError, match="OpenCV"):  # noqa: PT012
        tracker.initialize(IMAGE, Box(10, 20, 12, 14))
        tracker.update(IMAGE)


def test_one_that_every_opencv_has_follows_a_square():
    """The calls are those that OpenCV takes."""
    random = np.random.default_rng(0)
    square = random.integers(0, 256, (20, 20, 3), np.uint8)
    frames = []
    for index in range(3):
        frame = np.full((80, 100, 3), 90, np.uint8)
        frame[30:50, 30 + 2 * index : 50 + 2 * index] = square
        frames.append(frame)
    cv2.setRNGSeed(0)
    followed = list(track(PeerTracker(cv2.TrackerMIL_create), frames, Box(30, 30, 20, 20)))
    truth = np.array([[30.0 + 2 * index, 30, 20, 20] for index in range(3)])
    assert metrics.ious(np.array([frame.box for frame in followed]), truth).min() > 0.5


@pytest.mark.parametrize("name", ["csrt", "kcf"])
def test_opencv_without_a_tracker_is_told_with_the_package_that_has_it(monkeypatch, name):
    monkeypatch.delattr(cv2, f"{OPENCV[name].opencv}_create", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip uninstall.*pip install 'opencv-contrib"):
        load_peer(name, {})


@pytest.mark.parametrize("models", [{}, {"backbone": Path("b")}, {"net": Path("n")}])
def test_model_files_must_be_those_of_the_tracker(models):
    with pytest.raises(ConfigurationError, match="its model files are backbone, neckhead"):
        load_peer("nano", models)


def test_a_damaged_model_file_is_told(tmp_path):
    if not OPENCV["nano"].available:
        pytest.skip(f"OpenCV {cv2.__version__} has no TrackerNano")
    models = {model: tmp_path / f"{model}.onnx" for model in PEERS["nano"]}
    for path in models.values():
        path.write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="onnx: no model that TrackerNano can read"):
        load_peer("nano", models)


def test_model_files_are_described_by_their_hashes(tmp_path):
    if not OPENCV["nano"].available:
        pytest.skip(f"OpenCV {cv2.__version__} has no TrackerNano")
    models = {name: tmp_path / name for name in ("backbone", "neckhead")}
    for name, path in models.items():
        path.write_text(name)
    told = describe_peer("nano", models)["model_sha256"]
    assert told == {name: hashlib.sha256(name.encode()).hexdigest() for name in models}
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'absent'}: No such file"):
        describe_peer("nano", {**models, "backbone": tmp_path / "absent"})


def test_evaluate_runs_a_peer_into_the_same_folder(csrt, tmp_path):
    make_otb(tmp_path / "data")
    run = tmp_path / "run"
    options = ("--format", "otb", "--tracker", "csrt", "--threads", 1, "--results-dir", run)
    result = evaluate(tmp_path / "data", *options)
    assert result.exit_code == 0, result.output
    told = json.loads((run / "run.json").read_text())
    assert told["tracker"] == "csrt"
    assert told["model_sha256"] is None
    assert told["threads"] == 1
    assert told["versions"]["opencv"] == cv2.__version__
    assert set(told["versions"]) == {"autrack_ros", "numpy", "opencv"}
    np.testing.assert_array_equal(read_boxes(run / "boxes" / "Car4.txt"), TRUTH[[0] * len(TRUTH)])
    submitted = read_boxes(run / "submission" / "csrt" / "Car4.txt")
    np.testing.assert_array_equal(submitted[0], from_one(TRUTH)[0])
    assert csrt.made == len(list((run / "metrics").iterdir()))
    assert evaluate(tmp_path / "data", *options).exit_code == 0
    assert csrt.made == len(list((run / "metrics").iterdir()))


def test_a_peers_folder_is_refused_to_another_tracker(csrt, monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, "TrackerKCF_create", csrt, raising=False)
    make_folder(tmp_path / "data")
    evaluate(tmp_path / "data", "--tracker", "csrt", "--results-dir", tmp_path / "run")
    result = evaluate(tmp_path / "data", "--tracker", "kcf", "--results-dir", tmp_path / "run")
    assert result.exit_code == 2
    assert "filled with tracker csrt, not kcf" in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--tracker", "csrt", "--no-adapt", "--device", "cpu"), "--device, --adapt"),
        (("--backbone", "file"), "--backbone"),
        (("--tracker", "mosse"), "'mosse'; accepted: autrack, csrt"),
    ],
)
def test_options_of_another_tracker_are_refused(tmp_path, options, told):
    result = evaluate(tmp_path, *options)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(("name", "sequence"), [("csrt", "dog"), ("kcf", "Crossing")])
def test_published_opencv_scores_are_reproduced(name, sequence):
    if not OPENCV[name].available:
        pytest.skip(f"OpenCV {cv2.__version__} has no {name}: {OPENCV[name].found_in}")
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not here")
    with (DATA / "peers.csv").open() as file:
        expected = {row["sequence"]: float(row[f"{name}_auc"]) for row in csv.DictReader(file)}
    read = read_dataset(DATA)[sequence]()
    frames = track(load_peer(name, {}), read.frames, read.first_box)
    overlaps = metrics.ious(np.array([frame.box for frame in frames]), read.truth)
    assert metrics.success_auc(overlaps) == pytest.approx(expected[sequence], abs=1e-3)


# --- VitTrack


def test_vits_file_must_be_given_and_readable(tmp_path):
    pytest.importorskip("openvino")
    with pytest.raises(ConfigurationError, match="tracker vit: its model files are net; given: no"):
        load_peer("vit", {})
    with pytest.raises(CheckpointError, match=f"there is no file {tmp_path / 'net.onnx'}"):
        load_peer("vit", {"net": tmp_path / "net.onnx"})
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match=r"net\.onnx is no network that OpenVINO can read"):
        load_peer("vit", {"net": tmp_path / "net.onnx"})


def test_vit_without_openvino_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigurationError, match="pip install openvino"):
        describe_peer("vit", {"net": Path("net.onnx")})


@pytest.mark.parametrize(("sequence", "auc"), [("dog", 0.738), ("car-roundabout", 0.856)])
def test_evaluate_runs_vit_with_its_own_processing(tmp_path, sequence, auc):
    pytest.importorskip("openvino")
    if not (DATA.is_dir() and VIT.is_file()):
        pytest.skip(f"{DATA} or {VIT} is not here")
    options = ("--tracker", "vit", "--net", VIT, "--threads", 1, "--sequences", sequence)
    result = evaluate(DATA, *options, "--results-dir", tmp_path / "run")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert told["model_sha256"] == {"net": hashlib.sha256(VIT.read_bytes()).hexdigest()}
    assert "openvino" in told["versions"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["mean"]["auc"] == pytest.approx(auc, abs=0.02)
    assert summary["long_term"]["threshold"] < 1, "it has a score"


def test_the_command_names_all_peers():
    assert tuple(PEERS) == chosen.PEERS
