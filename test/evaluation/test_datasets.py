"""Made datasets, one of each kind: a few frames, each of one grey level."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from made_datasets import (
    FRAMES,
    MAKERS,
    TRUTH,
    from_one,
    grey,
    make_folder,
    make_lasot,
    make_otb,
    write_images,
    write_lines,
)

from autrack_ros.evaluation import datasets
from autrack_ros.evaluation.datasets import FORMATS, read_dataset
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.tracking import ConfigurationError

ABSENT = {"got10k": [3, 4], "lasot": [2, 6, 7], "uav123": [5]}


def read_all(root: Path, name: str) -> dict:
    MAKERS[name](root)
    return {key: read() for key, read in read_dataset(root, name).items()}


def test_every_format_has_a_made_dataset():
    assert MAKERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "trackingnet"])
def test_boxes_count_from_zero_and_absent_frames_are_nan(tmp_path, name):
    sequence = next(iter(read_all(tmp_path, name).values()))
    expected = TRUTH.copy()
    expected[ABSENT.get(name, [])] = np.nan
    np.testing.assert_allclose(sequence.truth, expected)
    assert sequence.scored
    assert sequence.frames.length == FRAMES
    found = [image[0, 0, 0] for image in sequence.frames]
    np.testing.assert_allclose(found, [grey(index) for index in range(FRAMES)], atol=2)


@pytest.mark.parametrize(
    ("name", "sequences"),
    [
        ("folder", ["a", "b"]),
        ("otb", ["Car4", "Human4", "Jogging.1", "Jogging.2"]),
        ("got10k", ["GOT-10k_Val_000002", "GOT-10k_Val_000001"]),
        ("lasot", ["airplane-1", "airplane-2"]),
        ("uav123", ["bike1", "car16_2"]),
        ("trackingnet", ["xYz"]),
        ("vot", ["ball", "ant"]),
    ],
)
def test_sequences_have_the_toolkits_names_and_order(tmp_path, name, sequences):
    found = read_all(tmp_path, name)
    assert list(found) == sequences
    assert [sequence.name for sequence in found.values()] == sequences


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("otb", {"scale variation": range(8), "low resolution": range(8)}),
        ("got10k", {"occlusion": [2, 3, 4, 5], "cut by image": [6, 7]}),
        ("lasot", {"partial occlusion": range(8), "aspect ratio change": range(8)}),
        ("uav123", {"aspect ratio change": range(8), "similar object": range(8)}),
        ("vot", {"camera motion": [1, 2]}),
    ],
)
def test_attributes_are_read(tmp_path, name, attributes):
    first = next(iter(read_all(tmp_path, name).values()))
    found = {key: np.flatnonzero(on).tolist() for key, on in first.attributes.items()}
    assert found == {key: list(frames) for key, frames in attributes.items()}


def test_otb_tells_two_targets_of_a_video_apart(tmp_path):
    found = read_all(tmp_path, "otb")
    assert found["Jogging.2"].first_box == (15, 20, 12, 14)


def test_otb_video_of_which_a_part_is_annotated(tmp_path):
    write_images(tmp_path / "David" / "img", 305, name="{:04d}.jpg")
    write_lines(tmp_path / "David" / "groundtruth_rect.txt", from_one(TRUTH[:6]))
    sequence = read_dataset(tmp_path, "otb")["David"]()
    assert next(iter(sequence.frames))[0, 0, 0] == pytest.approx(grey(299), abs=2)


def test_uav123_part_of_a_video_starts_where_its_toolkit_says(tmp_path):
    part = read_all(tmp_path, "uav123")["car16_2"]
    assert next(iter(part.frames))[0, 0, 0] == pytest.approx(grey(414), abs=2)


def test_lasot_sequence_that_its_toolkit_cuts(tmp_path, monkeypatch):
    make_lasot(tmp_path)
    write_images(tmp_path / "airplane" / "airplane-1" / "img", FRAMES + 2)
    monkeypatch.setitem(datasets.LASOT_FRAMES, "airplane-1", 5)
    sequence = read_dataset(tmp_path, "lasot")["airplane-1"]()
    assert len(sequence.truth) == sequence.frames.length == 5
    assert len(sequence.attributes["partial occlusion"]) == 5


def test_lasot_takes_the_sequences_of_the_test_list(tmp_path):
    make_lasot(tmp_path)
    (tmp_path / "testing_set.txt").write_text("airplane-2\n")
    assert list(read_dataset(tmp_path, "lasot")) == ["airplane-2"]


def test_withheld_boxes_are_absent_and_not_scored(tmp_path):
    sequence = read_all(tmp_path, "trackingnet")["xYz"]
    assert sequence.truth.shape == (12, 4)
    assert sequence.first_box == tuple(TRUTH[0])
    assert not sequence.scored
    found = [image[0, 0, 0] for image in sequence.frames]  # 2.jpg before 10.jpg
    np.testing.assert_allclose(found, [grey(index) for index in range(12)], atol=2)


def test_sequences_can_be_sent_to_another_process(tmp_path):
    sequence = next(iter(read_all(tmp_path, "otb").values()))
    copy = pickle.loads(pickle.dumps(sequence))
    assert copy.truth_sha256 == sequence.truth_sha256
    assert len(list(copy.frames)) == FRAMES


def test_hash_tells_annotations_apart(tmp_path):
    make_otb(tmp_path)
    read = read_dataset(tmp_path, "otb")["Car4"]
    before = read().truth_sha256
    (tmp_path / "anno" / "att" / "Car4.txt").write_text("0,0,0,0,0,0,0,0,0,0,1\n")
    without = read().truth_sha256
    write_lines(tmp_path / "Car4" / "groundtruth_rect.txt", from_one(TRUTH[:, [0, 1, 2, 2]]))
    assert len({before, without, read().truth_sha256}) == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1,2,3,4\n", "groundtruth.txt: 1 boxes, but 8 images"),
        ("1,2,3,4\n" * 9, "groundtruth.txt: 9 boxes, but 8 images"),
        ("nan,nan,nan,nan\n" + "1,2,3,4\n" * 7, "groundtruth.txt, line 1: frame 1 has no box"),
        ("1,2,3,4\n1,2,nan,4\n", "groundtruth.txt, line 2: '1,2,nan,4'.*NaN alone"),
        ("1,2,3,4\n1,2,inf,4\n", "groundtruth.txt, line 2"),
        ("1,2,3,4\n1,2,3\n", "groundtruth.txt, line 2: '1,2,3'; accepted: four numbers"),
        ("", "groundtruth.txt holds no box"),
    ],
)
def test_bad_truth_is_told_with_file_and_line(tmp_path, text, named):
    make_folder(tmp_path)
    (tmp_path / "a" / "groundtruth.txt").write_text(text)
    readers = read_dataset(tmp_path)
    with pytest.raises(SourceError, match=named):
        readers["a"]()
    assert readers["b"]().name == "b"


@pytest.mark.parametrize(
    ("name", "file", "text", "named"),
    [
        ("got10k", "GOT-10k_Val_000002/absence.label", "0\n1\n", "2 marks; 8 are expected"),
        ("lasot", "airplane/airplane-1/out_of_view.txt", "0,x", "out_of_view.txt.*whole numbers"),
        ("lasot", "annos/att/airplane-1.txt", "0,1", "airplane-1.txt: 2 marks; 14"),
        ("vot", "ball/camera_motion.tag", "0 2", "camera_motion.tag"),
        ("vot", "ball/groundtruth.txt", "1,2,3,4,5", "line 1.*polygon"),
    ],
)
def test_bad_marks_are_told(tmp_path, name, file, text, named):
    MAKERS[name](tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(SourceError, match=named):
        next(iter(read_dataset(tmp_path, name).values()))()


def test_missing_images_are_told(tmp_path):
    write_lines(tmp_path / "frames" / "no" / "groundtruth.txt", TRUTH)
    with pytest.raises(SourceError, match="no holds no image"):
        read_dataset(tmp_path / "frames")["no"]()
    (tmp_path / "otb" / "Car4").mkdir(parents=True)
    write_lines(tmp_path / "otb" / "Car4" / "groundtruth_rect.txt", TRUTH)
    with pytest.raises(SourceError, match=r"Car4/img: no such folder"):
        read_dataset(tmp_path / "otb", "otb")["Car4"]()


def test_wrong_folder_or_format_is_told(tmp_path):
    with pytest.raises(SourceError, match="no such dataset"):
        read_dataset(tmp_path / "absent")
    for name in FORMATS:
        with pytest.raises(SourceError, match="holds no sequence"):
            read_dataset(tmp_path, name)
    with pytest.raises(ConfigurationError, match=r"'coco'.*folder, otb, got10k"):
        read_dataset(tmp_path, "coco")
