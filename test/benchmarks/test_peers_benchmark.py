"""``python -m benchmarks.peers``: the peers on a made clip, the cache, the tables, the timing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autrack_ros.evaluation.frames import image_frames
from autrack_ros.evaluation.metrics import ious
from autrack_ros.evaluation.peers import windows
from autrack_ros.evaluation.runner import Answer
from autrack_ros.evaluation.sequences import Sequence

pytest.importorskip("torch", reason="needs torch: pip install torch")

from known_tracker import start_known

from autrack_ros.networks import NETWORKS
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    PRESETS,
    AutrackError,
    Box,
    ConfigurationError,
    TrackingEngine,
)
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime

pytest.importorskip("openvino")

from autrack_ros.evaluation.peers.networks import count_parameters
from benchmarks.peers import PEERS, accuracy, failures, geometry, ours, speed, tables
from benchmarks.peers import __main__ as command
from benchmarks.peers.accuracy import Entry, Outcome, SequenceSet

ROOT = Path(__file__).parents[2]
FILES = ROOT.parent / "shared/data/peers"
needs_files = pytest.mark.skipif(not FILES.is_dir(), reason="needs ../shared/data/peers")


def outcome(auc: float, astray: float, ends_astray: bool) -> Outcome:
    return Outcome(auc, astray, ends_astray, boxes=np.empty((0, 4)))


# --- the peers


@needs_files
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_follows_a_made_clip(name):
    clip = speed.Clip()
    peer = PEERS[name](FILES)
    peer.init(clip.frame(0), clip.box(0))
    found = [peer.update(clip.frame(index)) for index in range(1, 40)]
    truth = np.array([clip.box(index) for index in range(1, 40)], float)
    assert ious(np.array(found), truth).min() > 0.5
    assert len(peer.frame_networks) >= 1


@pytest.mark.parametrize("name", PEERS)
def test_a_missing_file_of_a_peer_is_named(name, tmp_path):
    with pytest.raises(ConfigurationError, match=f"{name}: there is no file {tmp_path}"):
        accuracy.make_peer(name, tmp_path, threads=1)


def test_a_file_that_is_no_network_is_named(tmp_path):
    (tmp_path / "vittrack").mkdir()
    file = tmp_path / PEERS["VitTrack"].files[0]
    file.write_text("not a network")
    with pytest.raises(ConfigurationError, match=f"{file} is no network that OpenVINO can read"):
        accuracy.make_peer("VitTrack", tmp_path, threads=1)


@needs_files
def test_a_file_of_another_network_is_named(tmp_path):
    file = tmp_path / PEERS["VitTrack"].files[0]
    file.parent.mkdir()
    file.symlink_to(FILES / PEERS["FEAR-XS"].files[0])
    with pytest.raises(ConfigurationError, match=f"{file} has 1 inputs, 2 are expected"):
        accuracy.make_peer("VitTrack", tmp_path, threads=1)


def test_a_crop_shows_the_window_around_a_target():
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 30:50] = 200  # a box 30, 10, 20, 10
    target = windows.Target.of_box((30, 10, 20, 10))
    assert target.box == (30, 10, 20, 10)
    shown = windows.crop(image, target, (40, 20), 8, (0, 0, 0))
    assert (shown[2:6, 2:6] == 200).all()
    assert (shown[[0, -1]] == 0).all()
    assert (shown[:, [0, -1]] == 0).all()
    beside = windows.crop(image, windows.Target(0, 0, 20, 10), (40, 20), 8, (7, 8, 9))
    assert (beside[:3, :3] == (7, 8, 9)).all()


def choose(score: np.ndarray, distances: np.ndarray, **weights: float) -> geometry.Choice:
    points = np.arange(16) * 16.0
    settings = {"window_weight": 0.4, "penalty": 0.06} | weights
    return geometry.choose(score, distances, points, (32, 32), **settings)


def test_the_best_cell_gives_its_box():
    score = np.zeros((16, 16))
    score[5, 9] = 0.9
    distances = np.full((4, 16, 16), 16.0)
    distances[:, 5, 9] = (20, 10, 12, 22)
    found = choose(score, distances, window_weight=0.0)
    assert found[:4] == (9 * 16 - 4, 5 * 16 + 6, 32, 32)
    assert (found.score, found.penalty) == (0.9, 1.0)


def test_the_window_and_the_penalty_count_against_a_cell():
    score = np.zeros((16, 16))
    score[8, 8], score[1, 1] = 0.7, 0.8
    distances = np.full((4, 16, 16), 16.0)
    assert choose(score, distances).x == 8 * 16
    assert choose(score, distances, window_weight=0.0).x == 1 * 16
    distances[:, 1, 1] = 48  # three times as large
    assert choose(score, distances, window_weight=0.0, penalty=0.5).x == 8 * 16


# --- accuracy


class Standing:
    """A tracker that stays where it started."""

    made = 0

    def __init__(self) -> None:
        Standing.made += 1

    def initialize(self, image: np.ndarray, box: Box) -> None:
        self.box = box

    def update(self, image: np.ndarray) -> Answer:
        return Answer(self.box, 1.0)


@pytest.fixture
def street(tmp_path: Path) -> SequenceSet:
    """A target that goes away, and one that stays."""
    import cv2

    picture = tmp_path / "grey.png"
    cv2.imwrite(str(picture), np.full((40, 90, 3), 90, np.uint8))

    def sequence(name: str, step: float) -> Sequence:
        truth = np.array([[5 + step * index, 6, 20, 10] for index in range(7)])
        return Sequence(name, image_frames(name, [picture] * 7), truth)

    readers = {
        name: lambda name=name, step=step: sequence(name, step)
        for name, step in (("goes/0", 10.0), ("stays/1", 0.0))
    }
    return SequenceSet("a street", readers, {"goes/0": ("person",), "stays/1": ()})


def settings(**changes: object) -> dict[str, object]:
    return {"format": "folder", "tracker": "standing", "model_sha256": {}} | changes


def test_a_sequence_is_tracked_once(street, tmp_path):
    entry = Entry("Standing", Standing, settings())
    before = Standing.made
    first, again = (
        accuracy.run(entry, street, tmp_path / "cache", 1, lambda *told: None) for _ in range(2)
    )
    assert Standing.made == before + 1
    assert first == again
    assert first["stays/1"] == outcome(pytest.approx(20 / 21), 0.0, False)
    # Steps of half its width: the second frame overlaps, the third touches.
    assert first["goes/0"].astray == pytest.approx(5 / 6)
    assert first["goes/0"].ends_astray
    assert first["goes/0"].boxes.shape == (7, 4)
    other = Entry("Standing", Standing, settings(threads=2))
    accuracy.run(other, street, tmp_path / "cache", 1, lambda *told: None)
    assert Standing.made == before + 2


def test_a_sequence_that_fails_ends_the_run_in_words(street, tmp_path):
    class Failing(Standing):
        def update(self, image: np.ndarray) -> Answer:
            raise AutrackError("no box")

    entry = Entry("Failing", Failing, settings())
    with pytest.raises(AutrackError, match="goes/0, frame 2: no box"):
        accuracy.run(entry, street, tmp_path / "cache", 1, lambda *told: None)


@needs_files
def test_the_settings_of_a_peer_tell_all_its_files():
    entries = {entry.name: entry for entry in accuracy.peer_entries(FILES, threads=1)}
    assert list(entries) == list(PEERS)
    files = entries["LightTrack-M"].settings["model_sha256"]
    assert {"head.xml", "head.bin", "x_feature.bin", "z_feature.bin"} <= set(files)
    assert set(entries["VitTrack"].settings["code_sha256"]) == {
        *("vittrack.py", "geometry.py", "networks.py", "windows.py", "vit.py")
    }


def test_our_tracker_follows_a_made_clip_with_lost_and_search():
    clip = speed.Clip()
    tracker = ours.make_ours(DEFAULT_PRESET, None, ", LOST and search", threads=1)
    tracker.initialize(clip.frame(0), Box(*clip.box(0)))
    found = [tracker.update(clip.frame(index)).box for index in range(1, 10)]
    truth = np.array([clip.box(index) for index in range(1, 10)], float)
    assert ious(np.array(found), truth).min() > 0.7
    last = tracker.update(np.full((480, 640, 3), 128, np.uint8)).box
    for _ in range(20):
        last = tracker.update(np.full((480, 640, 3), 128, np.uint8)).box
    assert last == tracker.update(np.full((480, 640, 3), 128, np.uint8)).box, "lost: the last box"


# --- tables


OUTCOMES = {
    "ours": {"a": outcome(0.7, 0.0, False), "b": outcome(0.5, 0.5, True)},
    "theirs": {"a": outcome(0.6, 0.0, False), "b": outcome(0.7, 0.1, False)},
}
WORDS = {"a": ("person", "people_and_animals"), "b": ("thing", "lookalikes")}


def test_the_table_of_accuracy_has_groups_and_what_went_astray():
    assert tables.accuracy_table(OUTCOMES, WORDS).splitlines() == [
        "|  | AUC, all (2) | AUC, people and animals (1) | AUC, others (1) "
        "| AUC, with look-alikes (1) | frames astray | end astray |",
        "|---|---|---|---|---|---|---|",
        "| ours | 0.600 | 0.700 | 0.500 | 0.500 | 0.250 | 1 |",
        "| theirs | 0.650 | 0.600 | 0.700 | 0.700 | 0.050 | 0 |",
    ]


def test_a_group_that_is_empty_has_no_column():
    words = {"a": ("people_and_animals",), "b": ()}
    assert "look-alikes" not in tables.accuracy_table(OUTCOMES, words)


def test_the_table_of_differences_compares_with_the_first():
    names = [str(number) for number in range(4)]
    outcomes = {
        "ours": {name: outcome(0.7, 0.0, False) for name in names},
        "theirs": {name: outcome(0.6, 0.0, False) for name in names},
    }
    *_, row = tables.difference_table(outcomes, {name: () for name in names}).splitlines()
    same = "+0.100 (+0.100 to +0.100)"
    assert row == f"| theirs | {same} | {same} | 4 / 0 / 0 |"


def test_sequences_that_end_astray_are_in_brackets():
    assert tables.sequence_table(OUTCOMES).splitlines()[2:] == [
        "| a | 0.700 | 0.600 |",
        "| b | (0.500) | 0.700 |",
    ]


def test_the_picture_of_failures_shows_the_worst_first_with_the_best_of_the_others(street):
    truth = street.readers["stays/1"]().truth
    away = Outcome(0.2, 0.0, False, np.add(truth, (60, 0, 0, 0)))
    near = Outcome(0.9, 0.0, False, truth)
    outcomes = {
        "ours": {"goes/0": near, "stays/1": away},
        "ours, updated": {"goes/0": near, "stays/1": near},
        "poor": {"goes/0": near, "stays/1": away},
        "good": {"goes/0": near, "stays/1": near},
    }
    sheet = failures.failure_sheet(outcomes, street, rows=1)
    width, height = failures.TILE
    assert sheet.shape == (height, failures.MOMENTS * width, 3)
    first, *later = np.hsplit(sheet, failures.MOMENTS)
    for color in (failures.OURS, failures.OTHERS):
        assert not (first == color).all(2).any()
        assert all((tile == color).all(2).any() for tile in later)
    x = {color: (later[0] == color).all(2).nonzero()[1].min() for color in
         (failures.OURS, failures.OTHERS)}  # fmt: skip
    assert x[failures.OURS] > x[failures.OTHERS] + 30


# --- speed


def test_a_tracker_is_timed_in_a_process_of_its_own():
    side = speed.TrackerProcess(start_known, threads=1)
    side.run_block()
    side.close()
    assert len(side.times) == speed.BLOCK
    assert side.overlap() == 1.0
    assert side.megabytes > 20


def test_trackers_are_timed_in_turns():
    uses = speed.time_trackers({"a": start_known, "b": start_known}, threads=1, frames=1)
    assert list(uses) == ["a", "b"]
    assert {use.overlap for use in uses.values()} == {1.0}


def test_a_tracker_that_fails_ends_the_comparison_in_words():
    with pytest.raises(SystemExit, match="ended early"):
        speed.TrackerProcess(start_known, threads=2)


def test_the_process_of_a_peer_loads_no_torch():
    code = "import sys, benchmarks.peers.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_the_exported_network_is_the_whole_of_a_frame():
    preset = PRESETS[DEFAULT_PRESET]
    runtime = TorchRuntime(NETWORKS[preset.network](), preset)
    clip = speed.Clip()
    target = TrackingEngine(runtime, preset).start(clip.frame(0), Box(*clip.box(0)))
    model, inputs = ours.export_frame(runtime.network, target, preset.settings.search_size)
    assert [tuple(node.shape) for node in model.inputs] == [value.shape for value in inputs]
    assert inputs[0].shape == (1, 256, 256, 3)
    parameters = sum(parameter.numel() for parameter in runtime.network.parameters())
    assert count_parameters([model]) == pytest.approx(parameters, rel=0.01)
    times = speed.time_networks({"ours": [model]}, threads=1, frames=1)
    assert times["ours"] > 0


# --- the command


def test_a_missing_folder_of_peers_is_named(tmp_path, monkeypatch):
    options = ("--peers", tmp_path, "--cache", tmp_path)
    monkeypatch.setattr(sys, "argv", ["peers", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert str(tmp_path / "nanotrack_v2/nanotrack_backbone_sim.onnx") in str(ended.value)
