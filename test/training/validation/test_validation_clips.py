from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from autrack_ros.networks import NETWORKS
from autrack_ros.tracking import PRESETS
from autrack_ros.tracking.adaptation import AdaptationSettings
from autrack_ros.tracking.boxes import Box, iou
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.sources.base import DataError, Source, TrainingObject, View
from autrack_ros.training.validation import measuring, scene
from autrack_ros.training.validation.clips import HIDDEN, Clip, film_clips
from autrack_ros.training.validation.held_out import Film
from autrack_ros.training.validation.made_clips import make_clips
from autrack_ros.training.validation.measuring import GroupScore, ValidationSet
from autrack_ros.training.validation.sheet import clip_sheet

GREEN, RED, BLUE = (40, 250, 40), (30, 30, 220), (220, 60, 30)


def write_cutout(path: Path, color: tuple[int, int, int], turned: float = 0) -> View:
    """An ellipse that is narrower the farther it is turned, 0..1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((120, 160, 4), np.uint8)
    cv2.ellipse(image, (80, 60), (round(70 - 20 * turned), 50), 0, 0, 360, (*color, 255), -1)
    cv2.imwrite(str(path), image)
    return View(path, None)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[TrainingObject], list[Path]]:
    """A green object in five views, red and blue ones, and a dark background."""
    folder = tmp_path_factory.mktemp("stage")
    views = [write_cutout(folder / f"ball/view_{i:02d}.png", GREEN, turned=i / 4) for i in range(5)]
    objects = [TrainingObject("ball", "ball", views)]
    for name, color in (("red", RED), ("blue", BLUE)):
        objects.append(
            TrainingObject(f"{name}.png", name, [write_cutout(folder / f"{name}.png", color)])
        )
    background = folder / "dark.png"
    cv2.imwrite(str(background), np.full((300, 420, 3), 12, np.uint8))
    return objects, [background]


@pytest.fixture(scope="module")
def clips(stage: tuple[list[TrainingObject], list[Path]]) -> list[Clip]:
    return make_clips(*stage, count=6, seed=3)


def brightest(image: np.ndarray, channel: int) -> tuple[float, ...]:
    """Box of what one channel shows clearly more of than the others do."""
    others = np.delete(image.astype(int), channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(image[..., channel] > others + 40)
    return Box.from_corners(columns.min(), rows.min(), columns.max(), rows.max())


def channel_of(clip: Clip) -> int:
    return {"ball": 1, "red": 2, "blue": 0}[clip.name.split("_")[-1]]


def test_a_clip_is_a_video_with_a_box_and_a_visible_share_a_frame(clips):
    for clip in clips:
        frames = list(clip.frames)
        assert len(frames) == len(clip.truth) == len(clip.visible) == 60
        assert all(frame.shape == (240, 320, 3) and frame.dtype == np.uint8 for frame in frames)
        assert (clip.truth[:, 2:] > 5).all()
        assert (clip.visible >= 0).all()
        assert (clip.visible <= 1).all()
        assert clip.visible[0] > 0.95


def test_truth_is_where_the_pixels_of_the_object_are(clips):
    """Wherever the whole object is to be seen, and no look-alike of its colour."""
    checked = 0
    for clip in clips:
        if "look_alike" in clip.attributes:
            continue
        for image, box, visible in zip(clip.frames, clip.truth, clip.visible, strict=True):
            if visible > 0.999:
                assert iou(brightest(image, channel_of(clip)), Box(*box)) > 0.75
                checked += 1
    assert checked > 60


def test_truth_without_motion_blur_is_exact(stage, monkeypatch):
    monkeypatch.setattr(scene, "SHUTTER", 0.0)
    overlaps = [
        iou(brightest(image, channel_of(clip)), Box(*box))
        for clip in make_clips(*stage, count=6, seed=5)
        if "look_alike" not in clip.attributes
        for image, box, visible in zip(clip.frames, clip.truth, clip.visible, strict=True)
        if visible > 0.999
    ]
    assert len(overlaps) > 60
    assert np.median(overlaps) > 0.9


def test_a_covered_target_is_flagged_and_not_to_be_seen(clips):
    full = [clip for clip in clips if "full_occlusion" in clip.attributes]
    assert len(full) == 2
    for clip in full:
        hidden = np.flatnonzero(clip.visible < HIDDEN)
        assert len(hidden) >= 4
        x, y, w, h = clip.truth[hidden].T
        inside = (x + w / 2 > 0) & (x + w / 2 < 320) & (y + h / 2 > 0) & (y + h / 2 < 240)
        assert inside.any()
        if "look_alike" not in clip.attributes:
            channel = channel_of(clip)
            for image, visible in zip(clip.frames, clip.visible, strict=True):
                others = np.delete(image.astype(int), channel, axis=2).max(axis=2)
                assert visible > 0 or (image[..., channel] > others + 40).sum() < 20


def test_a_target_out_of_view_is_flagged_and_its_box_is_outside(clips):
    gone = [clip for clip in clips if "out_of_view" in clip.attributes]
    assert len(gone) == 2
    for clip in gone:
        hidden = np.flatnonzero(clip.visible == 0)
        assert len(hidden) >= 4
        x, y, w, h = clip.truth[hidden].T
        assert ((x + w <= 1) | (y + h <= 1) | (x >= 319) | (y >= 239)).all()
        assert clip.visible[-5:].max() > 0.5, "it comes back"


def test_a_partly_covered_target_stays_partly_visible(clips):
    part = [clip for clip in clips if "partial_occlusion" in clip.attributes]
    assert len(part) == 2
    for clip in part:
        assert HIDDEN < clip.visible.min() < 0.9


def test_clips_are_a_function_of_the_seed_and_their_number(stage, clips):
    again = make_clips(*stage, count=2, seed=3)
    for one, other in zip(again, clips, strict=False):
        assert one.name == other.name
        assert list(one.files) == list(other.files)
        assert np.array_equal(one.truth, other.truth)
        assert one.attributes == other.attributes
    different = make_clips(*stage, count=1, seed=4)
    assert different[0].files[0] != clips[0].files[0]


def test_clips_need_objects_backgrounds_and_frames(stage, tmp_path):
    objects, backgrounds = stage
    with pytest.raises(DataError, match="2 families of usable cut-outs"):
        make_clips(objects[:2], backgrounds, 1, 0)
    with pytest.raises(DataError, match="0 backgrounds"):
        make_clips(objects, [], 1, 0)
    with pytest.raises(DataError, match=r"missing\.jpg"):
        make_clips(objects, [tmp_path / "missing.jpg"], 1, 0)
    with pytest.raises(ConfigurationError, match="at least 40"):
        make_clips(objects, backgrounds, 1, 0, frames=20)


def test_a_picture_without_transparency_is_no_cutout(stage):
    objects, backgrounds = stage
    opaque = TrainingObject("dark.png", "dark", [View(backgrounds[0], None)])
    with pytest.raises(DataError, match=r"dark\.png is no cut-out"):
        make_clips([*objects, opaque], backgrounds, 1, 0)


def test_the_sheet_shows_every_clip_in_a_row(clips):
    sheet = clip_sheet(clips[1:3], columns=20)
    assert sheet.shape == (480, 6400, 3)
    assert (sheet == (0, 255, 0)).all(axis=2).any()
    assert (sheet == (0, 0, 255)).all(axis=2).any()


# --- films


def film(folder: Path, frames: int = 3) -> tuple[Source, Film]:
    """A set with one film of a grey picture, and its entry in a list of films."""
    path = folder / "grey.png"
    cv2.imwrite(str(path), np.full((40, 60, 3), 90, np.uint8))
    views = [View(path, Box(5 + number, 6, 20, 10)) for number in range(frames)]
    things = [TrainingObject(f"street/{track}", "car", views, "street") for track in (0, 1)]

    class Street:
        name = "films"

        def objects(self) -> Iterator[TrainingObject]:
            return iter(things)

    return Street(), Film("films", "street", 1, "vehicle", True)


def test_a_film_is_a_clip_of_the_track_that_is_named(tmp_path):
    source, entry = film(tmp_path)
    (clip,) = film_clips([source], [entry])
    assert clip.name == "street/1"
    assert not clip.made
    assert clip.attributes == ("vehicle", "lookalikes")
    assert clip.truth.tolist() == [[5, 6, 20, 10], [6, 6, 20, 10], [7, 6, 20, 10]]
    assert (clip.visible == 1).all()
    assert [image.shape for image in clip.frames] == [(40, 60, 3)] * 3


def test_a_film_of_a_set_that_is_not_among_the_sources_is_left_out(tmp_path):
    source, entry = film(tmp_path)
    other = replace(entry, set="elsewhere")
    assert [clip.name for clip in film_clips([source], [other, entry])] == ["street/1"]


@pytest.mark.parametrize("change", [{"film": "road"}, {"target": 2}])
def test_a_film_that_its_set_lacks_is_an_error(tmp_path, change):
    source, entry = film(tmp_path)
    missing = replace(entry, **change)
    with pytest.raises(DataError, match=f"held-out film {missing.object_name}: the set films"):
        film_clips([source], [missing])


def test_a_missing_frame_of_a_film_is_named(tmp_path):
    source, entry = film(tmp_path)
    (tmp_path / "grey.png").unlink()
    with pytest.raises(DataError, match=r"grey\.png"):
        film_clips([source], [entry])


# --- evaluation


@pytest.fixture(scope="module")
def short_set(clips: list[Clip]) -> ValidationSet:
    """Clip 0 as it is, and its first 10 frames as if they were filmed."""
    made = clips[1]
    head = slice(10)
    real = Clip(
        "filmed", False, made.files[head], made.truth[head], made.visible[head], ("person",)
    )
    return ValidationSet([made, real])


def test_evaluation_tells_real_clips_from_made_ones(short_set):
    torch.manual_seed(0)
    preset = PRESETS["autrack_lite0"]
    network = NETWORKS[preset.network]()
    result = short_set.evaluate(network, preset)
    made, real = result.clips
    assert result.made_auc == pytest.approx(made.auc)
    assert result.real_auc == pytest.approx(real.auc)
    assert result.auc == pytest.approx((made.auc + real.auc) / 2)
    groups = result.by_attribute
    assert set(groups) == {"made", "film", "person", *made.clip.attributes}
    assert groups["person"] == groups["film"] == GroupScore.of([real])
    assert groups[made.clip.attributes[0]] == groups["made"] == GroupScore.of([made])
    assert [len(scores) for scores, _ in result.samples] == [59, 9]
    for scores, overlaps in result.samples:
        assert ((scores >= 0) & (scores <= 1)).all()
        assert ((overlaps >= 0) & (overlaps <= 1)).all()
    hidden = made.clip.visible[1:] < HIDDEN
    assert (made.overlaps[hidden] == 0).all()
    assert network.training, "the network is left as it was"


class Oracle:
    """Answers with the truth, whatever it is shown."""

    def __init__(self, clip: Clip) -> None:
        self.boxes = iter(clip.truth[1:])

    def initialize(self, image: np.ndarray, box: Box) -> None:
        pass

    def update(self, image: np.ndarray) -> object:
        class Result:
            box = Box(*next(self.boxes).tolist())
            score = 0.9

        return Result


def test_hidden_frames_do_not_count_for_the_auc_but_as_not_tracked_right(clips):
    clip = next(clip for clip in clips if "full_occlusion" in clip.attributes)
    result = measuring._track_clip(Oracle(clip), clip)  # type: ignore[arg-type]
    assert result.auc == pytest.approx(20 / 21)  # no overlap is above the last threshold, 1
    assert (result.overlaps == 1).sum() == (clip.visible[1:] >= HIDDEN).sum()
    assert (result.overlaps == 0).sum() == (clip.visible[1:] < HIDDEN).sum() > 0


def test_a_tracker_that_leaves_the_target_ends_astray(clips):
    clip = next(clip for clip in clips if clip.visible.min() > HIDDEN)
    lost = Oracle(clip)
    lost.boxes = iter([*clip.truth[1:30], *(clip.truth[30:] + np.array([500, 0, 0, 0]))])
    result = measuring._track_clip(lost, clip)  # type: ignore[arg-type]
    assert result.astray == pytest.approx(30 / 59)
    assert result.ends_astray
    group = GroupScore.of([result, measuring._track_clip(Oracle(clip), clip)])  # type: ignore[arg-type]
    assert (group.clips, group.astray, group.ends_astray) == (2, pytest.approx(15 / 59), 0.5)


def test_the_template_is_updated_only_where_that_is_asked_for(clips, monkeypatch):
    used = []

    class Recorder(Oracle):
        def __init__(self, engine: object, adaptation: object):
            super().__init__(clips[0])
            used.append(adaptation)

    monkeypatch.setattr(measuring, "Tracker", Recorder)
    monkeypatch.setattr(measuring, "TrackingEngine", lambda *args, **kwargs: None)
    monkeypatch.setattr(measuring, "runtime_of", lambda *args: None)
    few = ValidationSet(clips[:1])
    preset = PRESETS["autrack_lite0"]
    few.evaluate(torch.nn.Identity(), preset)  # type: ignore[arg-type]
    few.evaluate(torch.nn.Identity(), preset, AdaptationSettings())  # type: ignore[arg-type]
    assert [settings.enabled for settings in used] == [False, True]


def test_a_set_without_clips_is_an_error():
    with pytest.raises(DataError, match="no clip"):
        ValidationSet([])


def test_a_broken_frame_is_named():
    clip = Clip("broken", True, [b"no picture"], np.ones((1, 4)), np.ones(1))
    with pytest.raises(DataError, match="clip broken: frame 1"):
        list(clip.frames)
