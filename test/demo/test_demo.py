from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the demo's bags need rosbags")
pytest.importorskip("rclpy", reason="the demo needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="the demo needs this package's messages")


from pictures import textured_image
from rosbags.highlevel import AnyReader

from autrack_ros.demo import pictures, report
from autrack_ros.demo.cut import cut
from autrack_ros.evaluation.bags.pictures import header, image_message
from autrack_ros.evaluation.bags.reading import read_topic
from autrack_ros.evaluation.bags.types import constants, new_message
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.frames import open_frames
from autrack_ros.evaluation.video import VideoFile
from autrack_ros.replay.processes import Process, ProcessError

ROOT = Path(__file__).parents[2]
NODE, IMAGE = "/tracker", "/image"
FRAMES, STEP_NS = 5, 40_000_000
SIZE = (48, 64)  # rows, columns


def truth_boxes() -> np.ndarray:
    return np.array([[10.0 + 2 * index, 12, 20, 16] for index in range(FRAMES)])


@pytest.fixture
def bag(tmp_path):
    """Five frames; the node dropped the third and was 2 px off in the others."""

    def head(index):
        return header(7 * 10**9 + index * STEP_NS, "camera")

    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        writer.add_topic(IMAGE, "sensor_msgs/msg/Image")
        writer.add_topic(f"{NODE}/response_heatmap", "sensor_msgs/msg/Image")
        writer.add_topic(f"{NODE}/track", "autrack_ros/msg/Track")
        writer.add_topic(f"{NODE}/adaptation", "autrack_ros/msg/AdaptationReport", latched=True)
        adaptation = new_message(
            "autrack_ros/msg/AdaptationReport",
            header=head(0),
            id="head",
            method="bim",
            losses=np.array([2.0, 1.5, 1.75], np.float32),
            steps=2,
            best_step=1,
            elapsed_ms=120.0,
            stop_reason="completed",
            max_change=1.0,
            mean_change=0.5,
            support_crops=1,
        )
        writer.write_message(f"{NODE}/adaptation", 1, adaptation)
        states = constants("autrack_ros/msg/Track")
        for index, (x, y, w, h) in enumerate(truth_boxes()):
            received = (index + 1) * STEP_NS
            picture = image_message(head(index), np.full((*SIZE, 3), 40 * index, np.uint8))
            writer.write_message(IMAGE, received, picture)
            if index == 2:
                continue
            track = new_message(
                "autrack_ros/msg/Track",
                header=head(index),
                state=states["ADAPTING" if index == 0 else "TRACKING"],
                id="head",
                center_x=x + 2 + w / 2,
                center_y=y + h / 2,
                size_x=w,
                size_y=h,
                score=0.75,
                peak=0.75,
                second_peak=0.25,
                sharpness=9.0,
                processing_ms=10.0 + index,
                adaptation_ms=120.0,
                processed_images=index if index > 2 else index + 1,
                dropped_images=int(index > 2),
            )
            writer.write_message(f"{NODE}/track", received + 1, track)
            heatmap = image_message(head(index), np.full((32, 32, 3), 200, np.uint8))
            writer.write_message(f"{NODE}/response_heatmap", received + 2, heatmap)
    return path


def test_bag_is_read_by_others_with_its_types_and_qualities(bag):
    with AnyReader([bag]) as reader:
        kinds = {item.topic: item.msgtype for item in reader.connections}
        assert kinds[f"{NODE}/track"] == "autrack_ros/msg/Track"
        latched = next(item for item in reader.connections if item.topic == f"{NODE}/adaptation")
        assert latched.ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"
    metadata = (bag / "metadata.yaml").read_text()
    assert "version: 8" in metadata


def test_bag_gives_back_what_was_written(bag):
    (received, image), *others = read_topic(bag, IMAGE)
    assert received == STEP_NS
    assert len(others) == FRAMES - 1
    assert image.data.tolist() == [0] * (SIZE[0] * SIZE[1] * 3)
    assert list(read_topic(bag, "/absent")) == []


def test_summary_of_a_run(bag):
    run = report.read_run(bag, NODE, IMAGE)
    summary = report.summarise(run, truth_boxes())
    assert (summary.frames_sent, summary.frames_processed, summary.frames_dropped) == (5, 4, 1)
    assert summary.mean_iou == pytest.approx(18 / 22)
    assert summary.fps == pytest.approx(3 / (4 * STEP_NS / 1e9))
    assert summary.median_processing_ms == 12  # of 10, 11, 13, 14
    assert (summary.adaptation_loss_start, summary.adaptation_loss_best) == (2.0, 1.5)
    np.testing.assert_array_equal(np.isnan(run.boxes).any(axis=1), [0, 0, 1, 0, 0])
    np.testing.assert_allclose(run.boxes[0], [12, 12, 20, 16])


def test_run_without_annotation_has_no_iou(bag):
    run = report.read_run(bag, NODE, IMAGE)
    assert report.summarise(run, None).mean_iou is None


def test_the_first_frame_does_not_count_because_its_box_is_given(bag):
    run = report.read_run(bag, NODE, IMAGE)
    truth = truth_boxes()
    truth[0] = run.boxes[0]
    assert report.summarise(run, truth).mean_iou == pytest.approx(18 / 22)
    truth[1:] = run.boxes[1:] + 1000
    truth[2] = 1
    assert report.summarise(run, truth).mean_iou == 0


def test_annotation_of_another_length_is_refused(bag):
    run = report.read_run(bag, NODE, IMAGE)
    with pytest.raises(report.DemoError, match="5 frames were recorded, but 4 are annotated"):
        report.summarise(run, truth_boxes()[:4])


def test_bag_without_tracks_is_an_error(tmp_path):
    with BagWriter(tmp_path / "empty") as writer:
        writer.add_topic(IMAGE, "sensor_msgs/msg/Image")
    with pytest.raises(report.DemoError, match="0 tracked frames"):
        report.read_run(tmp_path / "empty", NODE, IMAGE)


def test_pictures_are_matched_by_stamp(bag):
    run = report.read_run(bag, NODE, IMAGE)
    shown = list(pictures.shown_frames(bag, NODE, IMAGE, run, truth_boxes()))
    assert [item.image[0, 0, 0] for item in shown] == [0, 40, 80, 120, 160]
    assert [item.track is not None for item in shown] == [True, True, False, True, True]
    assert [item.heatmap is not None for item in shown] == [True, True, False, True, True]
    assert shown[2].iou is None
    assert shown[3].iou == pytest.approx(18 / 22)


def test_video_and_contact_sheet(bag, tmp_path):
    run = report.read_run(bag, NODE, IMAGE)
    summary = report.summarise(run, truth_boxes())
    template = np.full((70, 192, 3), 128, np.uint8)
    pictures.write_pictures(
        pictures.shown_frames(bag, NODE, IMAGE, run, truth_boxes()),
        summary,
        template,
        25.0,
        tmp_path / "demo.mp4",
        tmp_path / "sheet.png",
    )
    video = cv2.VideoCapture(str(tmp_path / "demo.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 1280
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    # Five tiles of 400 px (64:48) with a caption of 28 px, in two rows, below a header.
    assert sheet.shape == (290 + 2 * 328, 1600, 3)
    assert sheet[290:].std() > 10


@pytest.mark.parametrize("size", [(272, 640), (144, 176), (640, 272)])
def test_a_picture_of_the_video_has_room_for_a_clip_of_any_shape(bag, size):
    run = report.read_run(bag, NODE, IMAGE)
    shown = next(pictures.shown_frames(bag, NODE, IMAGE, run, truth_boxes()))
    green = np.full((*size, 3), (10, 200, 90), np.uint8)
    shown = replace(shown, image=green, track=None, heatmap=None, truth=None)
    template = np.full((70, 192, 3), 128, np.uint8)
    canvas = pictures.draw_video_frame(shown, 5, template, [0.5, 0.75])
    height, width = canvas.shape[:2]
    assert width == 1280
    assert 576 <= height <= 720
    assert height % 2 == 0  # most video codecs want that
    rows, columns = np.nonzero((canvas == (10, 200, 90)).all(axis=2))
    seen = (columns.max() - columns.min() + 1) / (rows.max() - rows.min() + 1)
    assert seen == pytest.approx(size[1] / size[0], rel=0.02)
    assert max(rows.max() - rows.min() + 1, columns.max() - columns.min()) > 650
    # The curve has a place of its own, beside or below.
    curve = (canvas == (233, 180, 86)).all(axis=2)
    assert curve.any()
    assert not curve[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].any()


@pytest.mark.parametrize(
    ("name", "frames", "size"), [("bicycle", 55, (640, 272)), ("carphone_head", 120, (176, 144))]
)
def test_annotated_boxes_of_a_clip_lie_in_it(name, frames, size):
    boxes = read_boxes(Path(pictures.__file__).parent / f"{name}.txt")
    assert boxes.shape == (frames, 4)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= size).all()
    assert np.abs(np.diff(boxes, axis=0)).max() < 5


def test_a_shot_is_cut_out_of_a_film(tmp_path):
    make_clip(tmp_path / "film.mp4", frames=6)
    cut(tmp_path / "film.mp4", 3, 5, tmp_path / "clips" / "shot")
    assert [path.name for path in tmp_path.glob("clips/*")] == ["shot"]
    film, shot = (
        list(open_frames(tmp_path / "film.mp4")),
        list(open_frames(tmp_path / "clips/shot")),
    )
    assert len(shot) == 3
    for ours, theirs in zip(shot, film[2:5], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_failed_process_is_told_with_its_last_words(tmp_path):
    with Process("autrack_ros.cli", ["track", "absent"], tmp_path / "log") as process:
        process.wait(60)
        with pytest.raises(ProcessError, match=r"cli ended with status 2(.|\n)*--box"):
            process.check()


def test_process_that_ended_well_passes_the_check(tmp_path):
    with Process("autrack_ros.cli", ["--version"], tmp_path / "log") as process:
        process.wait(60)
        process.check()


def run_demo(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autrack_ros.demo", "--output", str(output), *arguments],
        cwd=ROOT,
        env={**os.environ, "AMENT_PREFIX_PATH": os.environ.get("AMENT_PREFIX_PATH", sys.prefix)},
        capture_output=True,
        text=True,
        timeout=180,
    )


def make_clip(path: Path, frames: int = 8) -> None:
    """A bright square that moves two pixels a frame over a textured ground."""
    ground = textured_image(96, 128)
    with VideoFile(path, 10.0) as video:
        for index in range(frames):
            picture = ground.copy()
            picture[30:54, 20 + 2 * index : 44 + 2 * index] = (30, 200, 250)
            video.write(picture)


def test_demo_tracks_a_clip_from_end_to_end(tmp_path):
    make_clip(tmp_path / "clip.mp4")
    done = run_demo(
        tmp_path / "out", "--clip", str(tmp_path / "clip.mp4"), "--box", "20,30,24,24",
        "-p", "adaptation.steps:=2", "-p", "adaptation.support_crops:=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "8 frames sent" in done.stdout
    out = tmp_path / "out"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["frames_sent"] == 8
    assert summary["frames_processed"] + summary["frames_dropped"] == 8
    assert summary["frames_processed"] >= 2
    assert summary["adaptation_ms"] > 0
    boxes = read_boxes(out / "boxes.txt")
    assert boxes.shape == (8, 4)
    np.testing.assert_allclose(boxes[0], [20, 30, 24, 24], atol=0.01)
    video = cv2.VideoCapture(str(out / "demo.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 8
    assert cv2.imread(str(out / "contact_sheet.png")) is not None
    with AnyReader([out / "bag"]) as reader:
        counts = {item.topic: item.msgcount for item in reader.connections}
    assert counts["/image"] == 8
    for topic in ("track", "adaptation", "template", "overlay", "response_map", "response_heatmap"):
        assert counts[f"/tracker/{topic}"] > 0, topic


def test_demo_tells_why_the_node_ended(tmp_path):
    make_clip(tmp_path / "clip.mp4", frames=2)
    done = run_demo(
        tmp_path / "out", "--clip", str(tmp_path / "clip.mp4"), "--box", "20,30,24,24",
        "-p", "preset:=siamfoo",
    )  # fmt: skip
    assert done.returncode == 1
    assert "tracker_node ended too early" in done.stderr
    assert "siamfoo" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_without_box_for_another_clip_is_bad_usage(tmp_path):
    make_clip(tmp_path / "other.mp4", frames=2)
    done = run_demo(tmp_path / "out", "--clip", str(tmp_path / "other.mp4"))
    assert done.returncode == 2
    assert "--box" in done.stderr


def test_demo_names_a_clip_that_is_not_there(tmp_path):
    done = run_demo(tmp_path / "out", "--clip", "absent.mp4")
    assert done.returncode == 1
    assert "absent.mp4: no such file" in done.stderr


def test_demo_does_not_remove_what_is_no_bag(tmp_path):
    make_clip(tmp_path / "clip.mp4", frames=2)
    (tmp_path / "out" / "bag").mkdir(parents=True)
    (tmp_path / "out" / "bag" / "letter.txt").write_text("mine")
    done = run_demo(tmp_path / "out", "--clip", str(tmp_path / "clip.mp4"), "--box", "20,30,24,24")
    assert done.returncode == 1
    assert "is no bag" in done.stderr
    assert (tmp_path / "out" / "bag" / "letter.txt").exists()
