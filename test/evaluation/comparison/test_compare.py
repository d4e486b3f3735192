"""``autrack compare`` on made result folders."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_datasets import from_one, write_lines
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.evaluation import metrics
from autrack_ros.evaluation.comparison.compare import compare
from autrack_ros.evaluation.comparison.partings import (
    STYLES,
    clearest_stretch,
    find_partings,
    pictures,
)
from autrack_ros.evaluation.comparison.runs import load_runs
from autrack_ros.evaluation.datasets import read_dataset
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.evaluation.results import TrackedSequence, open_results
from autrack_ros.evaluation.statistics import paired_difference
from autrack_ros.tracking import Box, ConfigurationError
from autrack_ros.tracking.presence import TrackState

FRAMES = 30
NAMES = ("s1", "s2", "s3", "s4")
ABSENT = 7  # a frame without target
GREEN = (40, 220, 40)  # the target
runner = CliRunner()


def truth_of(name: str) -> np.ndarray:
    start = 60 + 5 * NAMES.index(name)
    return np.array([[start + index, 90.0, 12, 14] for index in range(FRAMES)])


@pytest.fixture
def dataset(tmp_path):
    """GOT-10k's format: it has attributes and absent frames."""
    for name in NAMES:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for index in range(FRAMES):
            image = np.full((160, 200, 3), 90, np.uint8)
            x, y, w, h = truth_of(name)[index].astype(int)
            image[y : y + h, x : x + w] = GREEN
            cv2.imwrite(str(folder / f"{index + 1:08d}.jpg"), image)
        write_lines(folder / "groundtruth.txt", from_one(truth_of(name)))
        write_lines(folder / "absence.label", np.arange(FRAMES) == ABSENT)
        # The second half of s2 and s3 is occluded in part.
        occluded = name in ("s2", "s3")
        write_lines(
            folder / "cover.label", [4 if occluded and i > 14 else 8 for i in range(FRAMES)]
        )
    return tmp_path / "data"


def make_run(folder: Path, dataset: Path, late: dict[str, int], **settings) -> Path:
    """A run that is exact, but misses the target from a frame on where ``late`` says so."""
    told = {"format": "got10k", "tracker": folder.name, "model_sha256": None, **settings}
    results = open_results(folder, told)
    for name, read in read_dataset(dataset, "got10k").items():
        boxes = truth_of(name)
        boxes[late.get(name, FRAMES) :, 0] += 40
        states = [TrackState.TRACKING] * FRAMES
        scores = np.linspace(1, 0.5, FRAMES)
        results.save(read(), TrackedSequence(boxes, np.full(FRAMES, 0.01), scores, states))
    results.save_speed({"mean": {"fps": 12.5, "median_ms": 80.0}})
    return folder


@pytest.fixture
def runs(tmp_path, dataset):
    """The second loses s1 early and s2 late, the first loses s3."""
    first = make_run(tmp_path / "first", dataset, {"s3": 10}, steps=2)
    return first, make_run(tmp_path / "other", dataset, {"s1": 5, "s2": 25}, steps=4)


def run_compare(*arguments: object):
    return runner.invoke(app, ["compare", *map(str, arguments)])


def aucs(run: Path) -> np.ndarray:
    return np.array(
        [
            json.loads((run / "metrics" / f"{name}.json").read_text())["scores"]["auc"]
            for name in NAMES
        ]
    )


def test_differences_are_paired_by_sequence(runs, tmp_path):
    result = run_compare(*runs, "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out.json").read_text())
    expected = paired_difference(aucs(runs[1]), aucs(runs[0]))
    found = told["differences"]["other"]["auc"]
    assert found["mean"] == pytest.approx(aucs(runs[1]).mean() - aucs(runs[0]).mean())
    assert (found["low"], found["high"]) == (expected.low, expected.high)
    assert (found["wins"], found["ties"], found["losses"]) == (1, 1, 2)
    assert set(told["differences"]["other"]) == set(metrics.COLUMNS)
    assert told["reference"] == "first"
    assert told["runs"]["other"]["fps"] == 12.5
    assert f"{found['mean']:+.4f}" in result.stdout


def test_attributes_count_their_frames_alone(runs):
    row = compare(load_runs(runs)).attributes["occlusion"]
    assert row.sequences == 2
    # s2 is missed from the 26th frame on, of the 16th to the 30th: 5 of 15.
    assert row.means["other"] == pytest.approx((20 / 21 * 10 / 15 + 20 / 21) / 2)
    assert row.differences["other"].wins == 1  # s3, missed by the first


def test_three_runs_are_compared_with_the_first(runs, tmp_path, dataset):
    third = make_run(tmp_path / "third", dataset, {})
    found = compare(load_runs([*runs, third]))
    assert list(found.differences) == ["other", "third"]
    assert found.differences["third"]["auc"].mean == pytest.approx(20 / 21 - aucs(runs[0]).mean())


def test_runs_of_one_name_are_told_apart_by_their_paths(runs, tmp_path, dataset):
    again = make_run(tmp_path / "inner" / "first", dataset, {})
    assert [run.name for run in load_runs([runs[0], again])] == [str(runs[0]), str(again)]


def remove(run: Path, name: str) -> None:
    (run / "metrics" / f"{name}.json").unlink()


def change_truth(run: Path, name: str) -> None:
    file = run / "metrics" / f"{name}.json"
    told = json.loads(file.read_text())
    told["sha256"]["truth"] = "0" * 64
    file.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("change", "told"),
    [(remove, "other lacks s2"), (change_truth, "the ground truth differs of s2")],
)
def test_other_sequences_are_refused_by_name_and_left_out_if_asked(runs, tmp_path, change, told):
    change(runs[1], "s2")
    result = run_compare(*runs)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "s1" not in result.stderr
    result = run_compare(*runs, "--common", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "left out: s2" in result.stderr
    numbers = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert list(numbers["sequences"]) == ["s1", "s3", "s4"]
    assert "left out: s2." in (tmp_path / "out" / "report.html").read_text()


def test_runs_without_a_common_sequence_are_refused(runs):
    for name in NAMES:
        change_truth(runs[1], name)
    with pytest.raises(ConfigurationError, match="no sequence with the same truth"):
        compare(load_runs(runs), common=True)


def test_one_run_and_other_formats_are_refused(runs, tmp_path):
    result = run_compare(runs[0])
    assert result.exit_code == 2
    assert "1 run: two or more" in result.stderr
    settings = json.loads((runs[1] / "run.json").read_text())
    (runs[1] / "run.json").write_text(json.dumps({**settings, "format": "otb"}))
    result = run_compare(*runs)
    assert result.exit_code == 2
    assert "first is of got10k, other is of otb" in result.stderr


@pytest.mark.parametrize("file", ["boxes/s1.txt", "frames/s1.csv"])
def test_a_damaged_or_missing_file_is_named(runs, file):
    path = runs[1] / file
    path.write_text(path.read_text()[:-3])
    result = run_compare(*runs)
    assert result.exit_code == 1
    assert f"{path}: damaged" in result.stderr
    path.unlink()
    assert f"{path}: missing" in run_compare(*runs).stderr


def test_a_folder_of_something_else_is_refused(runs, tmp_path):
    result = run_compare(runs[0], tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path} holds no run.json" in result.stderr
    (runs[1] / "metrics" / "s1.json").write_text("{")
    assert f"{runs[1] / 'metrics' / 's1.json'}: no readable JSON" in run_compare(*runs).stderr


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        ([0, 0, 1, 1, 0, 0], (2, 3)),
        ([0, 1, 0.1, 1, 1, 0, 0, 0, 0, 0, 1], (1, 4)),  # a short gap is bridged, a long one is not
        ([np.nan, 0.5, np.nan, 0.5, np.nan, np.nan, np.nan], (1, 3)),
        ([0.1, 0.15, 0.1], (1, 1)),
        ([-1, -1, 0.5], (2, 2)),
        ([1, 1, 1], (0, 2)),
    ],
)
def test_the_stretch_is_where_the_overlaps_differ_most(gain, expected):
    assert clearest_stretch(np.array(gain, float)) == expected


def test_the_clearest_losses_and_wins_are_shown(runs):
    comparison = compare(load_runs(runs))
    partings = find_partings(comparison, comparison.runs[1])
    assert [parting.sequence for parting in partings] == ["s1", "s2", "s3"]
    assert [(parting.start, parting.end) for parting in partings] == [(5, 29), (25, 29), (10, 29)]
    assert partings[0].change < partings[1].change < 0 < partings[2].change
    for parting in partings:
        shown = parting.frames
        near = range(parting.start - 3, min(parting.start + 5, FRAMES))
        assert set(near) <= set(shown)
        assert shown[-1] == FRAMES - 1
        assert len(shown) <= 20


def test_pictures_show_both_boxes_and_the_truth(runs, dataset):
    comparison = compare(load_runs(runs))
    parting = find_partings(comparison, comparison.runs[1])[0]
    sequence = read_dataset(dataset, "got10k")["s1"]()
    truth = np.nan_to_num(sequence.truth)  # without area where the target is absent
    cut = dict(zip(parting.frames, pictures(parting, truth, sequence.frames), strict=True))

    def extent(frame: int, color) -> np.ndarray | None:
        """Left, top, width and height of what has a colour."""
        image = cv2.imdecode(np.frombuffer(cut[frame], np.uint8), cv2.IMREAD_COLOR).astype(int)
        rows, columns = (np.abs(image - color).max(axis=2) < 40).nonzero()
        if not len(rows):
            return None
        low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
        return np.concatenate((low, high - low))

    first, other, light = (color for color, _ in STYLES)
    last = parting.frames[-1]
    drawn, target = (Box(*extent(last, color)) for color in (first, GREEN))
    np.testing.assert_allclose(drawn.center, target.center, atol=2)
    scale = extent(last, first)[2] / 12
    assert scale > 1.5 * 640 / 200  # a part of the image is enlarged
    for color, column in ((other, 40), (light, 0)):
        moved = (extent(last, color) - extent(last, first)) / scale
        np.testing.assert_allclose(moved, [column, 0, 0, 0], atol=1.5)
    # The view stays the same from frame to frame, in which the target goes one pixel each.
    before = parting.frames[-2]
    went = (extent(last, first) - extent(before, first)) / scale
    np.testing.assert_allclose(went, [last - before, 0, 0, 0], atol=1.5)
    assert ABSENT in cut
    assert extent(ABSENT, light) is None


def test_the_page_has_all_in_it(runs, dataset, tmp_path):
    result = run_compare(*runs, "--output", tmp_path / "out", "--dataset", dataset)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "report.html").read_text()
    assert text.count('<div class="viewer">') == 3
    assert text.count('type="range"') == 3
    for data in re.findall(r'<script type="application/json">(.*?)</script>', text):
        frames = json.loads(data)
        assert all(frame["source"].startswith("data:image/jpeg;base64,/9j/") for frame in frames)
        assert all(
            frame["told"].startswith(f"Frame {frame['index'] + 1} of 30") for frame in frames
        )
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "http" not in re.sub(r"data:[^\"]*", "", text)
    assert "steps" in text  # a setting that differs
    for name in ("success", "precision", "scatter_1", "differences_1", "attributes_1"):
        assert (tmp_path / "out" / "plots" / f"{name}.svg").stat().st_size > 1000


def test_the_page_is_the_same_every_time(runs, dataset, tmp_path):
    for name in ("one", "two"):
        run_compare(*runs, "--output", tmp_path / name, "--dataset", dataset)
    pages = [(tmp_path / name / "report.html").read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]


def test_without_the_dataset_the_page_says_that_it_has_no_pictures(runs, tmp_path):
    assert run_compare(*runs, "--output", tmp_path / "out").exit_code == 0
    text = (tmp_path / "out" / "report.html").read_text()
    assert "no pictures: the comparison was made without --dataset" in text
    assert '<div class="viewer">' not in text
    assert text.count('<div class="course">') == 3


def test_a_dataset_with_another_truth_is_refused(runs, dataset, tmp_path):
    write_lines(dataset / "s1" / "groundtruth.txt", from_one(truth_of("s1") + 1))
    result = run_compare(*runs, "--output", tmp_path / "out", "--dataset", dataset)
    assert result.exit_code == 1
    assert "the truth of s1 is not that of the runs" in result.stderr


def test_pictures_need_a_folder_for_the_page(runs, dataset):
    result = run_compare(*runs, "--dataset", dataset)
    assert result.exit_code == 2
    assert "--output" in result.stderr


def test_names_of_runs_are_text_on_the_page(runs, dataset, tmp_path):
    odd = make_run(tmp_path / "<b>&", dataset, {"s1": 5})
    assert run_compare(runs[0], odd, "--output", tmp_path / "out").exit_code == 0
    text = (tmp_path / "out" / "report.html").read_text()
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;" in text


def test_runs_without_truth_are_refused(runs):
    for name in NAMES:
        file = runs[1] / "metrics" / f"{name}.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "scores": None}))
    with pytest.raises(SourceError, match="no sequence is complete and scored"):
        load_runs(runs)
