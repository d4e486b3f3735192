"""``autrack evaluate`` on made datasets, with a tracker that needs no network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_datasets import FRAMES, MAKERS, TRUTH, from_one, make_otb, write_images, write_lines
from result_files import files_of
from stand_in_tracker import STEP, StandInTracker
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.cli.options import TrackerOptions
from autrack_ros.evaluation import local_engine, metrics
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.datasets import read_dataset
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.evaluation.results import TrackedSequence, open_results, write_whole
from autrack_ros.tracking.presence import TrackState

ROOT = Path(__file__).parents[2]
TRACKER = TrackerOptions().preset
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("threads_as_before")


@pytest.fixture
def stand_in(monkeypatch):
    """Counts the sequences that are tracked."""
    tracker = StandInTracker()
    monkeypatch.setattr(TrackerOptions, "load_with_presence", lambda options, recover: tracker)
    return tracker


def tracked(boxes: np.ndarray, lost: set[int] = frozenset()) -> TrackedSequence:
    count = len(boxes)
    states = [TrackState.LOST if i in lost else TrackState.TRACKING for i in range(count)]
    return TrackedSequence(boxes, np.ones(count), np.full(count, 0.5), states)


def evaluate(*arguments: object):
    return runner.invoke(app, ["evaluate", *map(str, arguments)])


@pytest.fixture
def dataset(tmp_path):
    """Black frames; the stand-in is exact on a, and 0, 1, 2 steps of a pixel ahead on b."""
    for name, step in (("a", STEP), ("b", STEP - 1)):
        for number in range(1, 4):
            images = tmp_path / "data" / name / "img"
            images.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(images / f"{number}.png"), np.zeros((48, 64, 3), np.uint8))
        boxes = [f"{14 + step * index},5,10,10" for index in range(3)]
        (tmp_path / "data" / name / "groundtruth.txt").write_text("\n".join(boxes))
    return tmp_path / "data"


def test_every_sequence_and_the_means_are_reported(stand_in, dataset, tmp_path):
    result = evaluate(dataset, "--json", tmp_path / "out.json", "--results-dir", tmp_path / "run")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out.json").read_text())
    # Overlaps of b: 1, 9/11 = 0.818, 8/12 = 0.667; thresholds passed: 20, 17, 14 of 21.
    expected = {"a": 20 / 21, "b": (20 + 17 + 14) / 63}
    for name, auc in expected.items():
        assert told["sequences"][name]["auc"] == pytest.approx(auc)
        assert told["sequences"][name]["fps"] > 0
        assert len(read_boxes(tmp_path / "run" / "boxes" / f"{name}.txt")) == 3
    assert told["mean"]["auc"] == pytest.approx(sum(expected.values()) / 2)
    assert told["sequences"]["b"]["ao"] == pytest.approx((9 / 11 + 8 / 12) / 2)
    assert told["mean"]["precision"] == 1
    assert f"{expected['b']:.4f}" in result.stdout


def test_a_target_called_lost_keeps_its_last_box_and_is_no_report(stand_in, dataset, tmp_path):
    cv2.imwrite(str(dataset / "a" / "img" / "2.png"), np.full((48, 64, 3), 255, np.uint8))
    truth = dataset / "b" / "groundtruth.txt"
    truth.write_text("14,5,10,10\nnan,nan,nan,nan\n40,5,10,10\n")
    result = evaluate(dataset, "--json", tmp_path / "out.json", "--results-dir", tmp_path / "run")
    assert result.exit_code == 0, result.output
    boxes = read_boxes(tmp_path / "run" / "boxes" / "a.txt")
    np.testing.assert_array_equal(boxes[0], boxes[1])
    told = json.loads((tmp_path / "out.json").read_text())["long_term"]
    assert told == json.loads((tmp_path / "run" / "summary.json").read_text())["long_term"]
    a, b = told["sequences"]["a"], told["sequences"]["b"]
    # Of a, frame 3 alone is reported, a step of an eighth of a pixel behind.
    overlap = (10 - STEP) / (10 + STEP)
    assert (a["precision"], a["recall"]) == pytest.approx((overlap, overlap / 2))
    assert a["present_lost"] == 1
    assert (b["absent"], b["absent_lost"], b["returns"], b["found"]) == (1, 0, 1, 0)
    assert told["wrong_frames"] == b["wrong_frames"] == 2
    assert "2 of 4" in result.stdout


def test_named_sequences_only(stand_in, dataset):
    result = evaluate(dataset, "--sequences", "b", "--json", "-")
    assert list(json.loads(result.stdout)["sequences"]) == ["b"]
    result = evaluate(dataset, "--sequences", "b,absent")
    assert result.exit_code == 2
    assert "absent" in result.stderr


@pytest.mark.parametrize(
    ("name", "first", "lines"),
    [
        ("otb", "{tracker}/Car4.txt", ["11.000,21.000,12.000,14.000", "11.125,21.000"]),
        (
            "got10k",
            "{tracker}/GOT-10k_Val_000002/GOT-10k_Val_000002_001.txt",
            ["11.000,21.000,12.000,14.000", "11.125,21.000"],
        ),
        (
            "lasot",
            "{tracker}_tracking_result/airplane-1.txt",
            ["11.000,21.000,12.000,14.000", "11.125,21.000"],
        ),
        ("uav123", "{tracker}/bike1.txt", ["11.000,21.000,12.000,14.000", "11.125,21.000"]),
        ("trackingnet", "{tracker}/xYz.txt", ["10.00,20.00,12.00,14.00", "10.12,20.00"]),
        ("vot", "{tracker}/unsupervised/ball/ball_001.txt", ["1", "10.1250,20.0000"]),
    ],
)
def test_result_files_are_in_the_toolkits_form(stand_in, tmp_path, name, first, lines):
    MAKERS[name](tmp_path / "data")
    run = tmp_path / "run"
    result = evaluate(tmp_path / "data", "--format", name, "--results-dir", run)
    assert result.exit_code == 0, result.output
    found = (run / "submission" / first.format(tracker=TRACKER)).read_text().splitlines()
    assert len(found) == (12 if name == "trackingnet" else FRAMES)
    assert found[0] == lines[0]
    assert found[1].startswith(lines[1])


def test_got10k_and_vot_want_the_seconds_too(stand_in, tmp_path):
    for name, file in (
        ("got10k", "GOT-10k_Val_000001/GOT-10k_Val_000001_time.txt"),
        ("vot", "unsupervised/ant/ant_001_time.value"),
    ):
        MAKERS[name](tmp_path / name)
        evaluate(tmp_path / name, "--format", name, "--results-dir", tmp_path / f"{name}_run")
        seconds = np.loadtxt(tmp_path / f"{name}_run" / "submission" / TRACKER / file)
        assert seconds.shape == (FRAMES,)
        assert (seconds > 0).all()


def test_withheld_truth_is_run_and_not_scored(stand_in, tmp_path):
    MAKERS["trackingnet"](tmp_path)
    result = evaluate(tmp_path, "--format", "trackingnet", "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert "withheld" in result.stdout
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["sequences"]["xYz"]["frames"] == 12
    assert "auc" not in told["mean"]


def test_attributes_are_reported(stand_in, tmp_path):
    MAKERS["vot"](tmp_path)
    result = evaluate(tmp_path, "--format", "vot", "--json", tmp_path / "out.json")
    row = json.loads((tmp_path / "out.json").read_text())["attributes"]["camera motion"]
    assert row["sequences"] == 1
    # Frames 2 and 3 of the first sequence: grey 10 and 20, so one step each from x 10.
    predicted = np.array([[10.0 + STEP * index, 20, 12, 14] for index in (1, 2)])
    assert row["ao"] == pytest.approx(metrics.ious(predicted, TRUTH[1:3]).mean())
    assert "camera motion" in result.stdout


def test_otb_toolkit_reads_our_files_and_finds_our_scores(stand_in, tmp_path, monkeypatch):
    pytest.importorskip("got10k")
    from got10k.datasets import OTB
    from got10k.experiments import ExperimentOTB

    make_otb(tmp_path / "data")
    run = tmp_path / "run"
    evaluate(tmp_path / "data", "--format", "otb", "--results-dir", run)
    monkeypatch.setattr(ExperimentOTB, "plot_curves", lambda *_: None)
    toolkit = ExperimentOTB.__new__(ExperimentOTB)  # its constructor downloads the dataset
    toolkit.dataset = OTB(str(tmp_path / "data"), 2015, download=False)
    toolkit.nbins_iou, toolkit.nbins_ce = 21, 51
    toolkit.result_dir, toolkit.report_dir = str(run / "submission"), str(tmp_path / "report")
    theirs = toolkit.report([TRACKER])[TRACKER]
    ours = json.loads((run / "summary.json").read_text())
    assert theirs["seq_wise"].keys() == ours["sequences"].keys()
    for name, row in theirs["seq_wise"].items():
        assert ours["sequences"][name]["auc"] == pytest.approx(row["success_score"], abs=1e-6)
        assert ours["sequences"][name]["precision"] == pytest.approx(row["precision_score"])
    assert ours["mean"]["auc"] == pytest.approx(theirs["overall"]["success_score"], abs=1e-6)


def test_got10k_toolkit_reads_our_files_and_finds_our_scores(stand_in, tmp_path, monkeypatch):
    pytest.importorskip("got10k")
    from got10k.experiments import ExperimentGOT10k

    MAKERS["got10k"](tmp_path / "data" / "val")
    run = tmp_path / "run"
    evaluate(tmp_path / "data" / "val", "--format", "got10k", "--results-dir", run)
    (run / "submission").rename(run / "GOT-10k")
    monkeypatch.setattr(ExperimentGOT10k, "plot_curves", lambda *_: None)
    toolkit = ExperimentGOT10k(str(tmp_path / "data"), "val", str(run), str(tmp_path / "report"))
    theirs = toolkit.report([TRACKER])[TRACKER]["seq_wise"]
    ours = json.loads((run / "summary.json").read_text())["sequences"]
    for name, row in theirs.items():
        assert ours[name]["ao"] == pytest.approx(row["ao"], abs=1e-6)
        assert ours[name]["sr50"] == pytest.approx(row["sr"], abs=1e-6)


def test_a_second_run_gives_the_same_files_and_tracks_nothing_anew(stand_in, dataset, tmp_path):
    for name in ("one", "two"):
        evaluate(dataset, "--results-dir", tmp_path / name)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    tracked = stand_in.started
    result = evaluate(dataset, "--results-dir", tmp_path / "one")
    assert "2 of 2 sequences were done before" in result.stderr
    assert stand_in.started == tracked
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_damaged_image_fails_its_sequence_alone(stand_in, dataset, tmp_path):
    image = dataset / "a" / "img" / "2.png"
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    result = evaluate(dataset, "--results-dir", tmp_path / "run", "--json", tmp_path / "out.json")
    assert result.exit_code == 1
    assert "a, frame 2" in result.stderr
    assert str(image) in result.stderr
    told = json.loads((tmp_path / "out.json").read_text())
    assert list(told["sequences"]) == ["b"]
    assert list(told["failed"]) == ["a"]
    assert not (tmp_path / "run" / "boxes" / "a.txt").exists()
    image.write_bytes(whole)
    assert evaluate(dataset, "--results-dir", tmp_path / "run").exit_code == 0
    evaluate(dataset, "--results-dir", tmp_path / "undisturbed")
    assert files_of(tmp_path / "run") == files_of(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    ("text", "named"), [("1,2,3,4\n", "1 boxes, but 3 images"), ("1,2,3,4\nnan,2,3,4\n", "line 2")]
)
def test_a_damaged_truth_fails_its_sequence_alone(stand_in, dataset, text, named):
    (dataset / "b" / "groundtruth.txt").write_text(text)
    result = evaluate(dataset)
    assert result.exit_code == 1
    assert f"{dataset / 'b' / 'groundtruth.txt'}" in result.stderr
    assert named in result.stderr
    assert "mean" in result.stdout


def test_results_of_other_settings_are_refused(stand_in, dataset, tmp_path):
    evaluate(dataset, "--results-dir", tmp_path / "run")
    before = files_of(tmp_path / "run")
    result = evaluate(dataset, "--results-dir", tmp_path / "run", "--adapt-steps", 3)
    assert result.exit_code == 2
    assert "run.json: filled with adaptation" in result.stderr
    assert files_of(tmp_path / "run") == before


def test_results_with_recovery_are_not_mixed_with_those_without(stand_in, dataset, tmp_path):
    evaluate(dataset, "--results-dir", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recover"] is True
    result = evaluate(dataset, "--results-dir", tmp_path / "run", "--no-recover")
    assert result.exit_code == 2
    assert "run.json: filled with recover True, not False" in result.stderr


def test_results_of_an_older_version_are_made_anew(stand_in, dataset, tmp_path):
    evaluate(dataset, "--results-dir", tmp_path / "run")
    file = tmp_path / "run" / "metrics" / "a.json"
    told = json.loads(file.read_text())
    del told["sha256"]["columns"]
    file.write_text(json.dumps(told))
    result = evaluate(dataset, "--results-dir", tmp_path / "run")
    assert "1 of 2 sequences were done before" in result.stderr


def test_recovery_is_the_same_option_of_all_that_measure(stand_in, dataset):
    for command in ("evaluate", "evaluate-bag", "evaluate-bags", "vot"):
        shown = runner.invoke(app, [command, "--help"], env={"COLUMNS": "120"}).stdout
        assert "--recover" in shown
        assert "--no-recover" in shown


def test_a_changed_truth_is_tracked_anew(stand_in, dataset, tmp_path):
    evaluate(dataset, "--results-dir", tmp_path / "run")
    truth = dataset / "b" / "groundtruth.txt"
    truth.write_text(truth.read_text().replace("5,10,10", "5,10,11"))
    tracked = stand_in.started
    result = evaluate(dataset, "--results-dir", tmp_path / "run")
    assert "1 of 2 sequences were done before" in result.stderr
    assert stand_in.started == tracked + 1


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("1")])
@pytest.mark.parametrize("file", ["boxes/a.txt", "frames/a.csv", "metrics/a.json"])
def test_a_sequence_with_a_missing_or_damaged_file_is_not_done(
    stand_in, dataset, tmp_path, file, damage
):
    evaluate(dataset, "--results-dir", tmp_path / "run")
    before = files_of(tmp_path / "run")
    damage(tmp_path / "run" / file)
    assert evaluate(dataset, "--results-dir", tmp_path / "run").exit_code == 0
    assert files_of(tmp_path / "run") == before


def test_scores_are_those_of_the_boxes_that_are_stored(dataset, tmp_path):
    sequence = read_dataset(dataset)["b"]()
    settings = {"format": "folder", "tracker": "t", "model_sha256": ""}
    results = open_results(tmp_path / "run", settings)
    boxes = sequence.truth + np.random.default_rng(0).normal(0, 1, (3, 4))
    results.save(sequence, tracked(boxes))
    loaded = results.load(sequence)
    np.testing.assert_array_equal(loaded.boxes, boxes)
    assert loaded.scores == metrics.scores(loaded.boxes, sequence.truth)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "inner" / "file"
    write_whole(file, "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_whole(file, "new")
    assert file.read_text() == "old"


def start(held: Path, *arguments: object) -> subprocess.Popen:
    """``autrack`` with the stand-in, which never ends the second sequence of a process."""
    return subprocess.Popen(
        [sys.executable, ROOT / "test" / "stand_in_tracker.py", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "AUTRACK_TEST_HOLD": str(held)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_and_ends_with_the_same_files(stand_in, tmp_path, jobs):
    data = tmp_path / "data"
    for number in range(4):
        write_images(data / f"s{number}")
        write_lines(data / f"s{number}" / "groundtruth.txt", from_one(TRUTH + number))
        write_lines(data / f"s{number}" / "absence.label", [0] * FRAMES)
    held = tmp_path / "held"
    held.mkdir()
    options = ("--format", "got10k", "--threads", 1)
    assert evaluate(data, *options, "--results-dir", tmp_path / "undisturbed").exit_code == 0

    run = tmp_path / "run"
    command = ("evaluate", data, *options, "--results-dir", run, "--jobs", jobs)
    process = start(held, *command)
    workers = []
    try:
        wait_until(lambda: len(list(held.iterdir())) == jobs)
        workers = [int(file.name) for file in held.iterdir()]
        process.kill()
        process.wait()
        wait_until(lambda: not any(map(is_running, workers)), seconds=10)
    finally:
        process.kill()
        for worker in filter(is_running, workers):
            os.kill(worker, signal.SIGKILL)
    done = {path.name: path.stat().st_mtime_ns for path in (run / "metrics").iterdir()}
    assert len(done) == jobs
    assert not (run / "summary.json").exists()

    result = evaluate(data, *options, "--results-dir", run)
    assert result.exit_code == 0, result.output
    assert f"{jobs} of 4 sequences were done before" in result.stderr
    assert files_of(run) == files_of(tmp_path / "undisturbed")
    assert {name: (run / "metrics" / name).stat().st_mtime_ns for name in done} == done


@pytest.mark.parametrize("after", [0, 2], ids=["reading", "tracking"])
def test_a_process_that_died_is_told(dataset, monkeypatch, after):
    class DyingPool(ThreadPoolExecutor):
        def __init__(self, *_):
            super().__init__()
            self.living = after

        def submit(self, *task):
            self.living -= 1
            if self.living >= 0:
                return super().submit(*task)
            future: Future = Future()
            future.set_exception(BrokenProcessPool("died"))
            return future

    monkeypatch.setattr(local_engine, "ProcessPoolExecutor", DyingPool)
    result = evaluate(dataset, "--jobs", 2)
    assert result.exit_code == 1
    assert result.stderr.startswith("autrack: a process was ended from outside")


def whose(read: str) -> int:
    """In place of a sequence: the process that reads it."""
    if read == "damaged":
        raise SourceError(read)
    return os.getpid()


def test_the_processes_of_the_jobs_read_the_sequences_too():
    readers = {name: partial(whose, name) for name in ("a", "damaged", "b")}
    with local_engine.LocalEngine(2).workers(len(readers)) as workers:
        first, error, other = workers.read(readers)  # type: ignore[arg-type]
    assert os.getpid() not in (first, other)
    assert isinstance(error, SourceError)
    assert str(error) == "damaged"


def test_every_frame_is_told_with_its_errors(dataset, tmp_path):
    (dataset / "b" / "groundtruth.txt").write_text("14,5,10,10\nnan,nan,nan,nan\n18,5,10,10\n")
    sequence = read_dataset(dataset)["b"]()
    results = open_results(
        tmp_path / "run", {"format": "folder", "tracker": "t", "model_sha256": None}
    )
    results.save(
        sequence,
        tracked(np.array([[14, 5, 10, 10], [14, 5, 10, 10], [13, 5, 10, 10]]), lost={1}),
    )
    lines = (tmp_path / "run" / "frames" / "b.csv").read_text().splitlines()
    assert lines[:3] == [
        "overlap,center_error,normalized_error,score,state,target",
        "1.0,0.0,0.0,0.5,tracking,present",
        ",,,0.5,lost,absent",
    ]
    *numbers, state, target = lines[3].split(",")
    assert list(map(float, numbers)) == pytest.approx([50 / 150, 5, 0.5, 0.5])
    assert (state, target) == ("tracking", "present")


def test_auc_of_stored_boxes_equals_that_of_the_got10k_package(stand_in, tmp_path):
    pytest.importorskip("got10k")
    from got10k.utils.metrics import rect_iou

    sequences = ROOT.parent / "shared" / "data" / "dev_sequences"
    if not sequences.is_dir():
        pytest.skip(f"{sequences} is not here")
    run = tmp_path / "run"
    evaluate(sequences, "--sequences", "dog,Crossing", "--results-dir", run)
    for name in ("dog", "Crossing"):
        truth = read_dataset(sequences)[name]().truth
        overlaps = rect_iou(read_boxes(run / "boxes" / f"{name}.txt"), truth)
        theirs = np.mean(overlaps[:, None] > np.linspace(0, 1, 21))
        ours = json.loads((run / "metrics" / f"{name}.json").read_text())["scores"]["auc"]
        assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--address", "auto"), "goes with --engine ray"),
        (("--engine", "ray", "--jobs", 2), "goes with --engine local"),
        (("--engine", "slurm"), "'slurm' is not one of 'local', 'ray'"),
    ],
)
def test_options_of_another_engine_are_refused(stand_in, tmp_path, options, words):
    write_images(tmp_path / "s")
    write_lines(tmp_path / "s" / "groundtruth.txt", TRUTH)
    done = evaluate(tmp_path, *options)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_ray_that_is_not_installed_is_named(stand_in, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    write_images(tmp_path / "s")
    write_lines(tmp_path / "s" / "groundtruth.txt", TRUTH)
    monkeypatch.setattr("autrack_ros.cli.extras.find_spec", lambda name: None)
    done = evaluate(tmp_path, "--engine", "ray")
    assert done.exit_code == 2
    assert "pip install ray (part of the extra [ray])" in " ".join(done.stderr.split())
