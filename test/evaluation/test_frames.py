from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from autrack_ros.evaluation.boxfiles import read_boxes, write_boxes
from autrack_ros.evaluation.frames import SourceError, open_frames
from autrack_ros.evaluation.video import VideoFile


def write_image(path: Path, level: int) -> None:
    cv2.imwrite(str(path), np.full((16, 24, 3), level, np.uint8))


def write_video(path: Path, levels: list[int], fps: float = 20.0) -> None:
    with VideoFile(path, fps) as video:
        for level in levels:
            video.write(np.full((48, 64, 3), level, np.uint8))


def test_folder_is_read_in_natural_order(tmp_path):
    for number in (1, 2, 10):
        write_image(tmp_path / f"f{number}.png", number)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._f3.png").write_bytes(b"resource fork")
    frames = open_frames(tmp_path)
    assert [int(frame[0, 0, 0]) for frame in frames] == [1, 2, 10]
    assert (frames.length, frames.fps) == (3, None)


def test_frames_are_bgr_contiguous_and_can_be_read_twice(tmp_path):
    image = np.zeros((16, 24, 3), np.uint8)
    image[..., 0] = 200  # blue
    cv2.imwrite(str(tmp_path / "a.png"), image)
    frames = open_frames(tmp_path)
    for _ in range(2):
        (frame,) = frames
        np.testing.assert_array_equal(frame, image)
        assert frame.flags.c_contiguous


def test_grey_and_transparent_images_come_as_bgr(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 5), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 5, 4), 90, np.uint8))
    assert [frame.shape for frame in open_frames(tmp_path)] == [(4, 5, 3)] * 2


def test_video_knows_its_length_and_rate(tmp_path):
    write_video(tmp_path / "clip.mp4", [0, 120, 240])
    frames = open_frames(tmp_path / "clip.mp4")
    assert frames.length == 3
    assert frames.fps == pytest.approx(20)
    assert [round(float(frame.mean()) / 120) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize("broken", [b"", b"\x89PNG cut off"])
def test_broken_image_in_a_folder_is_named(tmp_path, broken):
    write_image(tmp_path / "1.png", 0)
    (tmp_path / "2.png").write_bytes(broken)
    frames = iter(open_frames(tmp_path))
    next(frames)
    with pytest.raises(SourceError, match=r"2\.png"):
        next(frames)


def test_unusable_sources_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"absent.*no such file.*camera"):
        open_frames("absent")
    with pytest.raises(SourceError, match="holds no image"):
        open_frames(tmp_path)
    (tmp_path / "clip.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"clip\.mp4 is no video"):
        open_frames(tmp_path / "clip.mp4")
    write_image(tmp_path / "1.png", 0)
    with pytest.raises(SourceError, match="one image"):
        open_frames(tmp_path / "1.png")


def test_absent_camera_is_an_error():
    with pytest.raises(SourceError, match="camera 97 cannot be opened"):
        open_frames("97")


def test_video_refuses_a_change_of_size(tmp_path):
    with VideoFile(tmp_path / "v.mp4", 10) as video:
        video.write(np.zeros((32, 32, 3), np.uint8))
        with pytest.raises(SourceError, match=r"\(40, 32\)"):
            video.write(np.zeros((32, 40, 3), np.uint8))


def test_boxes_survive_a_round_trip(tmp_path):
    boxes = np.array([[1, 2.5, 3.1234, 4], [np.nan] * 4])
    write_boxes(tmp_path / "b.txt", boxes)
    text = (tmp_path / "b.txt").read_text()
    assert text == "1.000,2.500,3.123,4.000\nnan,nan,nan,nan\n"
    np.testing.assert_allclose(read_boxes(tmp_path / "b.txt"), boxes, atol=5e-4)


@pytest.mark.parametrize("text", ["1 2 3 4", "1\t2\t3\t4\r\n", "1, 2, 3, 4\n\n"])
def test_box_files_of_other_tools_are_read(tmp_path, text):
    (tmp_path / "b.txt").write_text(text)
    np.testing.assert_array_equal(read_boxes(tmp_path / "b.txt"), [[1, 2, 3, 4]])


@pytest.mark.parametrize(
    ("text", "named"), [("1,2,3,4\n1,2,3", "line 2"), ("a,b,c,d", "line 1"), ("\n", "no box")]
)
def test_bad_box_file_is_named(tmp_path, text, named):
    (tmp_path / "b.txt").write_text(text)
    with pytest.raises(SourceError, match=named):
        read_boxes(tmp_path / "b.txt")
