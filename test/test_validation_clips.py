from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from autrack_ros.tracking import PRESETS
from autrack_ros.tracking.adaptation import AdaptationSettings
from autrack_ros.tracking.boxes import Box, iou
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.networks import NETWORKS
from autrack_ros.training import validation
from autrack_ros.training.sources.base import DataError, TrainingObject, View
from autrack_ros.training.sources.boxes import Boxes
from autrack_ros.training.validation import (
    HELD_OUT_CLIPS,
    HIDDEN,
    Clip,
    ValidationSet,
    clip_sheet,
    held_out,
    make_clips,
    real_clips,
)

VOS_SHORT = Path(__file__).parents[2] / "shared/data/train_boxes/vos_short"
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
    monkeypatch.setattr(validation, "SHUTTER", 0.0)
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


# --- what is held out


def test_families_of_cutouts_are_held_out_together():
    def stamp(name: str) -> TrainingObject:
        return TrainingObject(name, "animals", [View(Path(name), None)])

    words = [f"{first}{second}" for first in "bcdfghklmn" for second in ("ow", "at", "it", "ub")]
    out = [word for word in words if held_out("stamps", stamp(f"animals/{word}.png"))]
    assert 1 <= len(out) <= 10
    for word in words:
        same = {
            held_out("stamps", stamp(f"{word}{ending}"))
            for ending in (".png", "_white.png", "2.png")
        }
        assert len(same) == 1


def test_models_of_a_label_are_held_out_together():
    def model(label: str, name: str) -> TrainingObject:
        views = [View(Path(f"{name}/view_{number}.png"), None) for number in range(3)]
        return TrainingObject(f"{label}/{name}", label, views)

    for label in ("chair", "oven", "bed", "lamp", "car", "plane"):
        assert len({held_out("models", model(label, name)) for name in ("a", "b", "c")}) == 1


def test_of_real_objects_only_the_named_clips_are_held_out():
    box = Box(0, 0, 20, 20)
    for clip, expected in ((HELD_OUT_CLIPS[0], True), ("davis_blackswan", False), (None, False)):
        thing = TrainingObject("any/0", "any", [View(Path("a.jpg"), box)] * 2, clip)
        assert held_out("vos_short", thing) is expected


@pytest.mark.skipif(not VOS_SHORT.is_dir(), reason="needs ../shared/data/train_boxes/vos_short")
def test_the_held_out_real_clips_are_whole():
    clips = real_clips(
        thing for thing in Boxes(VOS_SHORT).objects() if held_out("vos_short", thing)
    )
    assert [len(clip.files) for clip in clips] == [49, 43, 32]
    for clip in clips:
        height, width = next(clip.frames).shape[:2]
        assert not clip.made
        assert (clip.visible == 1).all()
        assert (clip.truth[:, :2] > -2).all()
        assert (clip.truth[:, :2] + clip.truth[:, 2:] < (width + 2, height + 2)).all()


def test_a_missing_frame_of_a_real_clip_is_named(tmp_path):
    views = [View(tmp_path / "00001.jpg", Box(0, 0, 9, 9))] * 2
    with pytest.raises(DataError, match=r"00001\.jpg"):
        real_clips([TrainingObject("clip/0", "thing", views, "clip")])


# --- evaluation


@pytest.fixture(scope="module")
def short_set(clips: list[Clip]) -> ValidationSet:
    """Clip 0 as it is, and its first 10 frames as if they were filmed."""
    made = clips[1]
    real = Clip("filmed", False, made.files[:10], made.truth[:10], made.visible[:10])
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
    assert set(result.attribute_auc) == set(made.clip.attributes)
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
    result = validation._track_clip(Oracle(clip), clip)  # type: ignore[arg-type]
    assert result.auc == pytest.approx(20 / 21)  # no overlap is above the last threshold, 1
    assert (result.overlaps == 1).sum() == (clip.visible[1:] >= HIDDEN).sum()
    assert (result.overlaps == 0).sum() == (clip.visible[1:] < HIDDEN).sum() > 0


def test_the_template_is_updated_only_where_that_is_asked_for(clips, monkeypatch):
    used = []

    class Recorder(Oracle):
        def __init__(self, engine: object, adaptation: object):
            super().__init__(clips[0])
            used.append(adaptation)

    monkeypatch.setattr(validation, "Tracker", Recorder)
    monkeypatch.setattr(validation, "TrackingEngine", lambda *args, **kwargs: None)
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
