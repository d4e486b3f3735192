"""Bags made of clips."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")


from bag_clips import FRAMES, SIZE, STEP_NS, make_sequence, truth_boxes
from rosbags.highlevel import AnyReader
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.bags.reading import Bag, read_topic, stamp_ns
from autrack_ros.evaluation.boxfiles import write_boxes
from autrack_ros.evaluation.frames import SourceError, open_frames
from autrack_ros.evaluation.video import VideoFile

runner = CliRunner()


def invoke(*arguments: object):
    return runner.invoke(app, ["bag", *map(str, arguments)])


@pytest.fixture(scope="module")
def sequence(tmp_path_factory) -> Path:
    return make_sequence(tmp_path_factory.mktemp("sequences") / "square")


def assert_fails(result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("autrack: ")
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_sequence_becomes_images_camera_info_truth_and_init_box(sequence, tmp_path, storage):
    path = tmp_path / "bag"
    done = invoke(sequence, "--output", path, "--fps", 10, "--storage", storage)
    assert done.exit_code == 0, done.output
    with AnyReader([path]) as reader:  # as others read it: with the definitions in the bag
        kinds = {item.topic: (item.msgtype, item.msgcount) for item in reader.connections}
    assert kinds == {
        "/image": ("sensor_msgs/msg/Image", FRAMES),
        "/camera_info": ("sensor_msgs/msg/CameraInfo", FRAMES),
        "/truth": ("autrack_ros/msg/InitBox", FRAMES),
        "/init_box": ("autrack_ros/msg/InitBox", 1),
    }
    stamps = [10**9 + index * STEP_NS for index in range(FRAMES)]
    with Bag(path) as bag:
        images = list(bag.images("/image"))
        assert [image.stamp_ns for image in images] == stamps
        assert [image.received_ns for image in images] == stamps
        for image, expected in zip(images, open_frames(sequence / "img"), strict=True):
            np.testing.assert_array_equal(image.bgr, expected)
        truth = [message for _, message in bag.messages("/truth")]
        assert [stamp_ns(message) for message in truth] == stamps
        boxes = [(box.x, box.y, box.width, box.height) for box in truth]
        np.testing.assert_array_equal(boxes, truth_boxes())
        ((received_ns, init),) = bag.messages("/init_box")
        assert (received_ns, stamp_ns(init), init.x) == (10**9, 10**9, 20)
        _, info = next(bag.messages("/camera_info"))
        assert (info.height, info.width, info.header.frame_id) == (*SIZE, "camera")
        assert info.k[0] == 0  # as uncalibrated cameras say it


def test_jpeg_images_are_close_to_the_clip(sequence, tmp_path):
    done = invoke(sequence, "--output", tmp_path / "bag", "--jpeg")
    assert done.exit_code == 0, done.output
    _, message = next(read_topic(tmp_path / "bag", "/image/compressed"))
    assert message.format == "bgr8; jpeg compressed bgr8"
    with Bag(tmp_path / "bag") as bag:
        image = next(bag.images("/image/compressed"))
    expected = next(iter(open_frames(sequence / "img")))
    grey, expected = (
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (image.bgr, expected)
    )
    assert np.abs(grey.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("options", [("--raw",), ("--jpeg", "--storage", "mcap")])
def test_the_same_clip_gives_the_same_bytes(sequence, tmp_path, options):
    for name in ("a", "b"):
        assert invoke(sequence, "--output", tmp_path / name / "bag", *options).exit_code == 0
    files = sorted((tmp_path / "a" / "bag").iterdir())
    assert len(files) == 2
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / "bag" / file.name).read_bytes()


def test_a_video_keeps_its_rate_and_has_no_truth(tmp_path):
    with VideoFile(tmp_path / "clip.mp4", 20.0) as video:
        for _ in range(3):
            video.write(np.zeros((*SIZE, 3), np.uint8))
    assert invoke(tmp_path / "clip.mp4", "--output", tmp_path / "bag").exit_code == 0
    with Bag(tmp_path / "bag") as bag:
        assert set(bag.topics) == {"/image", "/camera_info"}
        stamps = [image.stamp_ns for image in bag.images("/image")]
    assert [after - before for before, after in pairwise(stamps)] == [50_000_000] * 2


def test_an_absent_target_is_nan_and_the_first_box_that_is_there_initialises(sequence, tmp_path):
    boxes = truth_boxes()
    boxes[[0, 5]] = (np.nan,) * 4
    boxes[3] = (0, 0, 0, 0)
    write_boxes(tmp_path / "boxes.txt", boxes)
    done = invoke(sequence, "--output", tmp_path / "bag", "--boxes", tmp_path / "boxes.txt")
    assert done.exit_code == 0, done.output
    truth = [box for _, box in read_topic(tmp_path / "bag", "/truth")]
    assert [i for i, box in enumerate(truth) if np.isnan([box.x, box.width]).all()] == [0, 3, 5]
    ((_, init),) = read_topic(tmp_path / "bag", "/init_box")
    assert stamp_ns(init) == stamp_ns(truth[1])


def test_a_benchmark_sequence_is_read_in_its_format(tmp_path):
    """OTB counts pixels from 1."""
    folder = make_sequence(tmp_path / "data" / "square")
    (folder / "groundtruth.txt").unlink()
    write_boxes(folder / "groundtruth_rect.txt", truth_boxes() + np.array([1, 1, 0, 0]))
    done = invoke(folder, "--output", tmp_path / "bag", "--format", "otb")
    assert done.exit_code == 0, done.output
    _, box = next(read_topic(tmp_path / "bag", "/truth"))
    assert (box.x, box.y) == (20, 30)
    done = invoke(folder / "img", "--output", tmp_path / "other", "--format", "otb")
    assert_fails(done, "no sequence; format otb", "groundtruth_rect")


def test_nothing_is_overwritten(sequence, tmp_path):
    (tmp_path / "bag").mkdir()
    assert_fails(invoke(sequence, "--output", tmp_path / "bag"), str(tmp_path / "bag"), "exists")


def test_boxes_of_another_number_are_refused_before_anything_is_written(sequence, tmp_path):
    write_boxes(tmp_path / "boxes.txt", truth_boxes(5))
    done = invoke(sequence, "--output", tmp_path / "bag", "--boxes", tmp_path / "boxes.txt")
    assert_fails(done, "boxes.txt holds 5 boxes", "12 frames")
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("line", ["1,2,nan,4", "1,2,inf,4", "1,2,3", "one,2,3,4"])
def test_an_unusable_box_is_told_with_its_line(sequence, tmp_path, line):
    (tmp_path / "boxes.txt").write_text(f"1,2,3,4\n\n{line}\n")
    done = invoke(sequence, "--output", tmp_path / "bag", "--boxes", tmp_path / "boxes.txt")
    assert_fails(done, "boxes.txt, line 3", line)


def test_frames_of_another_size_are_refused_and_those_before_are_kept(tmp_path):
    folder = make_sequence(tmp_path / "square")
    cv2.imwrite(str(folder / "img" / "0007.png"), np.zeros((40, 50, 3), np.uint8))
    frames, truth = open_clip(str(folder))
    with pytest.raises(SourceError, match=r"frame 7 is 50x40, those before are 128x96"):
        list(make_bag(frames, truth, tmp_path / "bag"))
    with Bag(tmp_path / "bag") as bag:
        assert len(list(bag.images("/image"))) == 6


@pytest.mark.parametrize(
    ("source", "told"), [("absent.mp4", "no such file"), ("0", "accepted: a video file or")]
)
def test_what_is_no_clip_is_refused(tmp_path, source, told, monkeypatch):
    class Camera:
        def isOpened(self):
            return True

        def grab(self):
            return True

        def get(self, _):
            return 0

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Camera())
    assert_fails(invoke(source, "--output", tmp_path / "bag"), source, told)
