from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.crops import CropGeometry, context_side, crop
from autrack_ros.training.pairs import shards
from autrack_ros.training.pairs.bank import CROP_CONTEXTS, CROP_SIZE, CropBank
from autrack_ros.training.pairs.cutting import background_squares, crop_geometry
from autrack_ros.training.sources import DataError, TrainingObject, View


@dataclass
class Things:
    """A source of given objects."""

    name: str
    things: Sequence[TrainingObject]

    def objects(self) -> Iterator[TrainingObject]:
        return iter(self.things)


def one(picture: Path, box: Box | None, name: str = "thing", label: str = "red") -> TrainingObject:
    return TrainingObject(name, label, [View(picture, box)])


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours."""
    coarse = np.random.default_rng(seed).integers(0, 120, (height // 8, width // 8, 3))
    return cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def write_blocks(path: Path, boxes: Sequence[Box], ground: np.ndarray | None = None) -> Path:
    """A picture, 200x160 unless given, with white blocks at whole-pixel boxes."""
    image = noise(160, 200) if ground is None else ground
    for box in boxes:
        x, y, w, h = map(int, box)
        image[y : y + h, x : x + w] = 255
    cv2.imwrite(str(path), image)
    return path


def edges(mask: np.ndarray) -> np.ndarray:
    """Edges of what is set, pixel-centre coordinates: left, top, right, bottom."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) - 0.5


def outline_edges(bank: CropBank, index: int) -> np.ndarray:
    outline = bank.outline[index].numpy()
    return np.concatenate([outline.min(axis=0), outline.max(axis=0)])


def write_cutout(path: Path, size: int = 140, outside: tuple[int, int, int] = (0, 0, 0)) -> Path:
    """A turned ellipse of one colour, opaque, before a colour that must not be seen."""
    image = np.full((size, size, 4), (*outside, 0), np.uint8)
    axes = (size * 3 // 7, size // 4)
    cv2.ellipse(image, (size // 2, size // 2), axes, 30, 0, 360, (40, 120, 200, 255), -1)
    cv2.imwrite(str(path), image)
    return path


# --- crops


def test_a_crop_is_the_window_that_a_tracker_would_cut_about_the_box(tmp_path):
    box = Box(61.3, 50.2, 33.1, 47.7)
    path = write_blocks(tmp_path / "a.png", [Box(61, 50, 33, 48)])
    bank = CropBank.build([Things("blocks", [one(path, box)])])
    side = CROP_CONTEXTS * context_side(box.w, box.h)
    picture = cv2.imread(str(path))
    expected = crop(picture, CropGeometry.square(box.pixel_center, side, CROP_SIZE), (0, 0, 0))
    inside = bank.pixels[0][..., 3] == 255
    assert 0.3 < inside.mean() < 0.9
    inner = cv2.erode(inside.view(np.uint8), np.ones((5, 5))) > 0
    np.testing.assert_array_equal(bank.pixels[0][..., :3][inner], expected[inner])


@pytest.mark.parametrize("size", [(160, 200), (900, 1200), (2000, 2400)])
def test_the_outline_of_a_box_bounds_what_is_in_it_however_large_the_picture(tmp_path, size):
    box = Box(size[1] * 2 // 5, size[0] // 3, size[0] // 4, size[0] // 3)
    path = write_blocks(tmp_path / "a.png", [box], np.zeros((*size, 3), np.uint8))
    bank = CropBank.build([Things("blocks", [one(path, box)])])
    assert bank.outline.shape == (1, 32, 2)
    assert not bank.cutout[0]
    thing = crop_geometry(box).to_crop(box)
    exact = [thing.x, thing.y, thing.x + thing.w, thing.y + thing.h]
    np.testing.assert_allclose(outline_edges(bank, 0) + 0.5, exact, atol=1e-4)
    assert thing.center == pytest.approx((CROP_SIZE / 2, CROP_SIZE / 2))
    white = bank.pixels[0][..., 0] / 255.0
    np.testing.assert_allclose(edges(white >= 0.5), outline_edges(bank, 0), atol=0.6)
    # Light is conserved, so the sums tell size and place to a hundredth of a pixel.
    columns, rows = white.sum(axis=0), white.sum(axis=1)
    assert white.sum() == pytest.approx(thing.area, rel=0.01)
    for sums in (columns, rows):
        middle = (sums * np.arange(CROP_SIZE)).sum() / sums.sum()
        assert middle == pytest.approx((CROP_SIZE - 1) / 2, abs=0.05)


def test_a_large_picture_is_averaged_not_sampled(tmp_path):
    image = np.zeros((2000, 2000, 3), np.uint8)
    image[::2] = 255
    cv2.imwrite(str(tmp_path / "a.png"), image)
    bank = CropBank.build([Things("lines", [one(tmp_path / "a.png", Box(700, 700, 600, 600))])])
    middle = bank.pixels[0][110:210, 110:210, :3].astype(float)
    assert middle.mean() == pytest.approx(127.5, abs=2)
    assert middle.std() < 25


@pytest.mark.parametrize("size", [(160, 200), (2000, 2400)])
def test_beyond_the_picture_opacity_is_nought_and_its_edge_goes_on(tmp_path, size):
    box = Box(0, 0, size[1] // 4, size[0] // 4)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((*size, 3), (50, 100, 150), np.uint8))
    bank = CropBank.build([Things("blocks", [one(path, box)])])
    opacity = bank.pixels[0][..., 3]
    assert set(np.unique(opacity)) == {0, 255}
    frame = crop_geometry(box).to_crop(Box(0, 0, size[1], size[0]))
    np.testing.assert_allclose(
        edges(opacity == 255) + 0.5, [frame.x, frame.y, CROP_SIZE, CROP_SIZE], atol=0.55
    )
    assert (bank.pixels[0][..., :3] == [50, 100, 150]).all()
    np.testing.assert_allclose(bank.mean_color[0], [50, 100, 150])


def test_a_box_that_leaves_its_picture_is_that_of_the_part_inside(tmp_path):
    path = write_blocks(tmp_path / "a.png", [Box(160, 40, 40, 40)])
    whole = CropBank.build([Things("a", [one(path, Box(160, 40, 70, 40))])])
    part = CropBank.build([Things("a", [one(path, Box(160, 40, 40, 40))])])
    assert torch.equal(whole.outline, part.outline)
    np.testing.assert_array_equal(whole.pixels[0], part.pixels[0])


# --- cut-outs


@pytest.mark.parametrize("size", [50, 140, 1500])
def test_the_outline_of_a_cutout_bounds_its_opaque_pixels(tmp_path, size):
    bank = CropBank.build([Things("a", [one(write_cutout(tmp_path / "a.png", size), None)])])
    assert bank.cutout[0]
    opaque = bank.pixels[0][..., 3] > 127
    np.testing.assert_allclose(edges(opaque), outline_edges(bank, 0), atol=0.55)
    # And in every other direction: its support is that of the pixels' own hull.
    angles = np.arange(32) * 2 * math.pi / 32
    directions = np.stack([np.cos(angles), np.sin(angles)])
    points = np.argwhere(opaque)[:, ::-1]
    reach = (points @ directions).max(axis=0) + np.abs(directions).sum(axis=0) / 2
    drawn = (bank.outline[0].numpy() @ directions).max(axis=0)
    np.testing.assert_allclose(drawn, reach, atol=0.8)


@pytest.mark.parametrize("size", [50, 1500])
def test_what_is_transparent_does_not_bleed_into_a_cutout(tmp_path, size):
    path = write_cutout(tmp_path / "a.png", size, outside=(255, 0, 255))
    bank = CropBank.build([Things("a", [one(path, None)])])
    colors, opacity = bank.pixels[0][..., :3].astype(float), bank.pixels[0][..., 3]
    assert np.abs(colors[opacity > 0] - [40, 120, 200]).max() <= 2
    assert np.abs(colors[opacity == 0] - [40, 120, 200]).max() <= 1
    np.testing.assert_allclose(bank.mean_color[0], [40, 120, 200], atol=0.01)


def test_a_cutout_without_transparency_is_an_error(tmp_path):
    path = write_blocks(tmp_path / "a.png", [])
    with pytest.raises(DataError, match=r"set stamps: .*a\.png: a cut-out without transparency"):
        CropBank.build([Things("stamps", [one(path, None)])])


# --- the bank


@pytest.fixture
def clip(tmp_path) -> Things:
    """Three pictures: a tracked block in all, another in the first."""
    boxes = [Box(40 + 10 * frame, 50, 30, 40) for frame in range(3)]
    other = Box(130, 80, 40, 30)
    paths = [
        write_blocks(tmp_path / f"{frame}.png", [box, other]) for frame, box in enumerate(boxes)
    ]
    views = [View(path, box) for path, box in zip(paths, boxes, strict=True)]
    return Things(
        "clip", [TrainingObject("a", "car", views, "drive"), one(paths[0], other, "b", "bus")]
    )


def test_the_table_says_which_crops_belong_together(clip, tmp_path):
    stamp = one(write_cutout(tmp_path / "stamp.png"), None, "a", "bus")
    bank = CropBank.build([clip, Things("stamps", [stamp])])
    rows = zip(
        bank.source.tolist(),
        bank.object.tolist(),
        (bank.label_names[label] for label in bank.label),
        bank.picture.tolist(),
        bank.time.tolist(),
        bank.cutout.tolist(),
        strict=True,
    )
    assert list(rows) == [
        (0, 0, "car", 0, 0, False),
        (0, 1, "bus", 0, 0, False),
        (0, 0, "car", 1, 1, False),
        (0, 0, "car", 2, 2, False),
        (1, 2, "bus", 3, 0, True),
    ]
    assert bank.source_names == ["clip", "stamps"]
    assert len(bank) == 5
    assert bank.pixels[0].dtype == np.uint8
    assert bank.outline.dtype == bank.mean_color.dtype == torch.float32
    assert bank.backgrounds.shape == (0, CROP_SIZE, CROP_SIZE, 3)
    assert bank.skipped == []
    moved = bank.to("meta")
    assert moved.outline.device.type == moved.time.device.type == "meta"
    assert moved.label_names == bank.label_names


def test_what_cannot_be_learnt_from_takes_no_row_and_no_number(clip, tmp_path):
    path = clip.things[1].views[0].picture
    bad = [Box(5, 5, 7, 30), Box(5, 5, 90, 10), Box(0, 0, 199, 159)]
    things = [one(path, box, f"bad{number}") for number, box in enumerate(bad)]
    empty = np.zeros((40, 40, 4), np.uint8)
    cv2.imwrite(str(tmp_path / "empty.png"), empty)
    things.append(one(tmp_path / "empty.png", None, "empty"))
    bank = CropBank.build([Things("clip", [*things, *clip.things])])
    assert len(bank) == 4
    assert sorted(set(bank.object.tolist())) == [0, 1]
    assert sorted(set(bank.picture.tolist())) == [0, 1, 2]
    assert bank.label_names == ["car", "bus"]


def test_what_is_held_out_never_enters(clip):
    bank = CropBank.build([clip], held_out=lambda name, thing: (name, thing.clip) == ("clip", None))
    assert bank.label_names == ["car"]
    assert len(bank) == 3
    with pytest.raises(DataError, match=r"\['clip'\]: every object is held out for validation"):
        CropBank.build([clip], held_out=lambda name, thing: True)


def test_a_set_may_be_for_validation_alone(clip):
    others = Things("others", clip.things)
    bank = CropBank.build([others, clip], held_out=lambda name, thing: name == "others")
    assert bank.source_names == ["others", "clip"]
    assert set(bank.source.tolist()) == {1}
    with pytest.raises(DataError, match="empty: none of 0 objects can be used"):
        CropBank.build([Things("empty", []), clip])


def test_a_broken_and_a_missing_picture_are_skipped_and_listed(clip):
    first, second, third = (view.picture for view in clip.things[0].views)
    second.write_bytes(b"no picture")
    third.unlink()
    bank = CropBank.build([clip])
    assert bank.skipped == [str(second), str(third)]
    assert bank.time.tolist() == [0, 0]
    first.unlink()
    with pytest.raises(DataError, match=r"clip: none of 2 objects .* 3 pictures could not be"):
        CropBank.build([clip])


def test_a_box_outside_its_picture_is_an_error_with_file_and_numbers(clip):
    path = clip.things[0].views[0].picture
    things = [*clip.things, one(path, Box(200, 10, 40, 30), "c")]
    message = r"set clip: .*0\.png: box x=200 y=10 w=40 h=30 lies outside the 200x160 picture"
    with pytest.raises(DataError, match=message):
        CropBank.build([Things("clip", things)])


def test_two_sources_of_one_name_are_an_error(clip):
    with pytest.raises(DataError, match=r"\['clip', 'clip'\]: two have the same name"):
        CropBank.build([clip, clip])


# --- backgrounds


def test_backgrounds_are_squares_that_cover_the_picture(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 700).astype(np.uint8)[None, :, None], (400, 1, 3))
    squares = list(background_squares(ramp))
    assert len(squares) == 2
    assert all(square.shape == (CROP_SIZE, CROP_SIZE, 3) for square in squares)
    assert squares[0].min() == 0
    assert squares[-1].max() >= 253
    large = list(background_squares(np.zeros((800, 1000, 3), np.uint8)))
    assert len(large) == 2 + 2 * 3


def test_backgrounds_of_folders_are_read_and_broken_ones_listed(clip, tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    cv2.imwrite(str(folder / "deep/a.JPG"), noise(200, 200))
    cv2.imwrite(str(folder / "small.png"), noise(120, 300))
    write_cutout(folder / "cutout.png", 300)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "README.txt").touch()
    bank = CropBank.build([clip], [folder])
    assert bank.backgrounds.shape == (1, CROP_SIZE, CROP_SIZE, 3)
    assert bank.skipped == [str(folder / "broken.jpg")]
    (folder / "deep/a.JPG").unlink()
    with pytest.raises(DataError, match=r"backgrounds: no picture .* in .*photos"):
        CropBank.build([clip], [folder])


# --- on disk


@pytest.fixture
def bank(clip, tmp_path) -> CropBank:
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), noise(200, 500))
    stamp = one(write_cutout(tmp_path / "stamp.png"), None, "a", "bus")
    built = CropBank.build([clip, Things("stamps", [stamp])], [folder])
    return replace(built, skipped=["somewhere/broken.jpg"])


def test_a_saved_bank_is_read_back(bank, tmp_path):
    bank.save(tmp_path / "bank")
    again = CropBank.load(tmp_path / "bank")
    for name in (
        *("outline", "cutout", "mean_color", "object", "label"),
        *("source", "picture", "time"),
    ):
        assert torch.equal(getattr(again, name), getattr(bank, name)), name
    before, after = (np.stack(list(kept.pixels)) for kept in (bank, again))
    np.testing.assert_array_equal(after[..., 3], before[..., 3])
    seen = before[..., 3] == 255
    assert np.abs(after[seen].astype(float) - before[seen]).mean() < 2.5
    assert (again.backgrounds.float() - bank.backgrounds.float()).abs().mean() < 2.5
    for name in ("source_names", "label_names", "skipped"):
        assert getattr(again, name) == getattr(bank, name)


def test_no_shard_is_larger_than_it_may_be(bank, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 150_000)
    bank.save(tmp_path / "bank")
    files = sorted((tmp_path / "bank").glob("crops-*.safetensors"))
    assert len(files) > 1
    assert all(file.stat().st_size <= 150_000 for file in files)
    assert torch.equal(CropBank.load(tmp_path / "bank").outline, bank.outline)


def test_an_interrupted_save_is_not_taken_for_a_bank(bank, tmp_path, monkeypatch):
    bank.save(tmp_path / "bank")

    def fail(*arguments: object) -> list[str]:
        raise OSError("disk full")

    monkeypatch.setattr("autrack_ros.training.pairs.bank.write_shards", fail)
    with pytest.raises(OSError, match="disk full"):
        bank.save(tmp_path / "bank")
    with pytest.raises(DataError, match=r"index\.json"):
        CropBank.load(tmp_path / "bank")


def test_a_damaged_bank_is_refused_by_the_name_of_the_file(bank, tmp_path):
    folder = tmp_path / "bank"
    bank.save(folder)
    shard = folder / "crops-00000.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"crops-00000\.safetensors: damaged or missing"):
        CropBank.load(folder)
    shard.unlink()
    with pytest.raises(DataError, match=r"crops-00000\.safetensors: damaged or missing"):
        CropBank.load(folder)
    shard.write_bytes(content)
    index = json.loads((folder / "index.json").read_text())
    index["crops"] += 1
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="5 pictures in the files, not 6"):
        CropBank.load(folder)
    index["crop_contexts"] = 2
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="2 contexts; make the bank again"):
        CropBank.load(folder)
    (folder / "index.json").write_text("[]")
    with pytest.raises(DataError, match=r"index\.json: not the index of a crop bank"):
        CropBank.load(folder)


def test_a_picture_that_is_no_jpeg_is_refused_by_the_name_of_its_shard(bank, tmp_path):
    from safetensors.torch import load_file, save_file

    bank.save(tmp_path / "bank")
    shard = tmp_path / "bank/crops-00000.safetensors"
    content = {name: tensor.clone() for name, tensor in load_file(shard).items()}
    content["jpeg"][:] = 0
    save_file(content, shard)
    with pytest.raises(DataError, match=r"crops-00000\.safetensors: damaged"):
        CropBank.load(tmp_path / "bank")
