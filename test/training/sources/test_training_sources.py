"""Each data set in its real layout, small and with made pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from autrack_ros.tracking.boxes import Box
from autrack_ros.training.sources import SOURCE_KINDS, DataError, TrainingObject
from autrack_ros.training.sources.base import is_trainable
from autrack_ros.training.sources.boxes import Boxes
from autrack_ros.training.sources.clips import evenly_spaced
from autrack_ros.training.sources.coco import Coco
from autrack_ros.training.sources.cutouts import Cutouts
from autrack_ros.training.sources.got10k import Got10k
from autrack_ros.training.sources.lasot import Lasot
from autrack_ros.training.sources.pictures import read_picture
from autrack_ros.training.sources.trackingnet import TrackingNet
from autrack_ros.training.sources.vid import ImageNetVid

TRAIN_BOXES = Path(__file__).parents[4] / "shared/data/train_boxes"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def by_name(source: object) -> dict[str, TrainingObject]:
    things = list(source.objects())  # type: ignore[attr-defined]
    assert len({thing.name for thing in things}) == len(things)
    return {thing.name: thing for thing in things}


def frames(thing: TrainingObject) -> list[str]:
    return [view.picture.name for view in thing.views]


# --- what all share


@pytest.mark.parametrize("kind", SOURCE_KINDS)
def test_a_missing_set_is_named_with_its_folder(kind, tmp_path):
    with pytest.raises(DataError, match=r"training set somewhere: .*somewhere does not exist"):
        SOURCE_KINDS[kind](tmp_path / "somewhere")


@pytest.mark.parametrize("kind", sorted(set(SOURCE_KINDS) - {"boxes"}))
def test_an_empty_set_says_what_is_expected(kind, tmp_path):
    with pytest.raises(DataError, match=r"training set mine: no object in .*; expected .+"):
        SOURCE_KINDS[kind](tmp_path, "mine")


def test_evenly_spaced_items_begin_with_the_first_and_end_with_the_last():
    assert evenly_spaced(range(100), 4) == [0, 33, 66, 99]
    assert evenly_spaced([1, 2, 3], 8) == [1, 2, 3]
    assert evenly_spaced([], 8) == []


def test_what_can_be_learnt_from_depends_on_the_part_inside_the_picture():
    assert is_trainable(Box(10, 10, 8, 8), 100, 100)
    assert not is_trainable(Box(10, 10, 7.9, 20), 100, 100)
    assert not is_trainable(Box(95, 10, 20, 20), 100, 100)  # 5 px of it are inside
    assert not is_trainable(Box(0, 0, 97, 97), 100, 100)
    assert is_trainable(Box(10, 10, 60, 10), 100, 100)
    assert not is_trainable(Box(10, 10, 61, 10), 100, 100)
    assert not is_trainable(Box(-50, 10, 20, 20), 100, 100)


def test_pictures_of_every_depth_become_colours_of_eight_bits(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) << 8)
    cv2.imwrite(str(tmp_path / "float.tiff"), grey.astype(np.float32))
    for name in ("grey.png", "deep.png"):
        np.testing.assert_array_equal(read_picture(tmp_path / name), np.dstack([grey] * 3))
    transparent = np.random.default_rng(0).integers(0, 256, (6, 8, 4)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "transparent.png"), transparent)
    np.testing.assert_array_equal(read_picture(tmp_path / "transparent.png"), transparent)
    (tmp_path / "empty.png").touch()
    for name in ("float.tiff", "empty.png", "missing.png", "."):
        assert read_picture(tmp_path / name) is None


# --- boxes


def write_lines(folder: Path, *lines: object) -> Path:
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    write(folder / "annotations.jsonl", "\n".join(text) + "\n")
    return folder


def line(file: str, objs: list, seq: str | None = None) -> dict:
    return {"file": file, "w": 200, "h": 160, "seq": seq, "objs": objs}


def test_boxes_with_a_track_in_a_clip_are_one_object_in_order_of_time(tmp_path):
    folder = write_lines(
        tmp_path / "blocks",
        line("images/0.jpg", [[1, 2, 30, 40, "red", 7], [50, 2, 30, 40, "blue", None]], "drive"),
        line("images/1.jpg", [[3.5, 2, 30, 40, "red", 7]], "drive"),
        line("images/2.jpg", [[5, 6, 30, 40, "red", 7], [5, 60, 30, 40, "red", 7]]),
        line("images/3.jpg", [[9, 2, 30, 40, "red", 7]], "other"),
    )
    source = Boxes(folder)
    things = by_name(source)
    assert source.name == "blocks"
    assert set(things) == {
        "images/0.jpg#1",
        "images/2.jpg#0",
        "images/2.jpg#1",
        "drive/7",
        "other/7",
    }
    track = things["drive/7"]
    assert (track.label, track.clip, frames(track)) == ("red", "drive", ["0.jpg", "1.jpg"])
    assert [view.box for view in track.views] == [Box(1, 2, 30, 40), Box(3.5, 2, 30, 40)]
    assert track.views[0].picture == folder / "images/0.jpg"
    loner = things["images/0.jpg#1"]
    assert (loner.label, loner.clip, len(loner.views)) == ("blue", "drive", 1)
    assert things["images/2.jpg#0"].clip is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"file": "a.jpg", "seq": null}', "KeyError: 'objs'"),
        ('{"file": "a.jpg", "seq": null, "objs": [[1, 2, 3]]}', "TypeError"),
        ('{"file": "a.jpg", "seq": null, "objs": [[1, 2, "x", 4, "red", null]]}', "ValueError"),
        ('{"file": "a.jpg", "seq": null, "objs": [[1, 2, 3, 4, "red"]]}', "IndexError"),
        ('{"file": "a.jpg", "seq": null, "objs": [[1, 2, 0, 4, "red", null]]}', "above 0"),
        ('{"file": "a.jpg", "seq": null, "objs": [[1, NaN, 9, 4, "red", null]]}', "finite"),
    ],
)
def test_a_bad_line_of_a_box_set_is_named_by_file_and_number(tmp_path, bad, message):
    folder = write_lines(tmp_path / "set", line("a.jpg", [[1, 2, 30, 40, "red", None]]), bad)
    with pytest.raises(DataError, match=rf"annotations\.jsonl:2: not an annotation.*{message}"):
        Boxes(folder)


def test_a_box_set_without_annotations_or_objects_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"annotations\.jsonl does not exist"):
        Boxes(tmp_path)
    with pytest.raises(DataError, match="no object in"):
        Boxes(write_lines(tmp_path / "set", line("a.jpg", [])))


@pytest.mark.skipif(not TRAIN_BOXES.is_dir(), reason="../shared/data/train_boxes is absent")
def test_the_real_box_sets_hold_what_their_description_says():
    row = re.compile(r"\| (\w+) \| (\d+)(?: of \d+)? \| (\d+) \|")  # set, pictures, boxes
    text = (TRAIN_BOXES / "README.md").read_text()
    described = {name: (int(pictures), int(boxes)) for name, pictures, boxes in row.findall(text)}
    assert {"clips", "pseudo", "stills", "things"} <= described.keys()
    evaluation = {path.name.lower() for path in (TRAIN_BOXES.parent / "dev_sequences").iterdir()}
    held = {}
    for folder in (path.parent for path in TRAIN_BOXES.glob("*/annotations.jsonl")):
        things = list(Boxes(folder).objects())
        views = [view for thing in things for view in thing.views]
        held[folder.name] = len({view.picture for view in views}), len(views)
        assert all(view.picture.is_file() for view in views)
        films = {re.split(r"[/_]", thing.clip)[-1].lower() for thing in things if thing.clip}
        assert not films & evaluation
    assert held == described


# --- cut-outs


def photograph(side: int = 120, seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).integers(0, 256, (side, side, 4)).astype(np.uint8)
    image[..., 3] = 0
    cv2.circle(image, (side // 2, side // 2), side // 3, (0, 0, 0, 255), -1)
    image[..., :3] = np.random.default_rng(seed).integers(0, 256, (side, side, 3))
    return image


def write_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def test_photographs_are_objects_and_a_folder_of_views_is_one(tmp_path):
    write_png(tmp_path / "animals/birds/duck.png", photograph())
    write_png(tmp_path / "animals/birds/view_of_a_lake.png", photograph())
    for number in range(3):
        write_png(tmp_path / f"models/chairs/stool/view_{number:02d}.png", photograph(40))
    things = by_name(Cutouts(tmp_path, "stamps"))
    assert {(name, thing.label) for name, thing in things.items()} == {
        ("animals/birds/duck.png", "birds"),
        ("animals/birds/view_of_a_lake.png", "birds"),
        ("models/chairs/stool", "chairs"),
    }
    assert frames(things["models/chairs/stool"]) == ["view_00.png", "view_01.png", "view_02.png"]
    assert all(view.box is None for thing in things.values() for view in thing.views)


def test_drawings_small_and_opaque_pictures_are_no_photographed_cutouts(tmp_path):
    drawing = photograph()
    drawing[..., :3] = 200
    opaque = photograph()
    opaque[..., 3] = 255
    for name, image in {"drawing": drawing, "small": photograph(95), "opaque": opaque}.items():
        write_png(tmp_path / f"{name}.png", image)
    write_png(tmp_path / "colours.png", photograph()[..., :3])
    with pytest.raises(DataError, match=r"autrack_ros\.training\.fetch"):
        Cutouts(tmp_path)


def test_a_broken_cutout_is_left_for_the_bank_to_count(tmp_path):
    write(tmp_path / "broken.png", "no picture")
    assert list(by_name(Cutouts(tmp_path))) == ["broken.png"]


# --- GOT-10k


def write_got10k(root: Path, boxes: list[str], absent: str) -> Path:
    clip = root / "GOT-10k_Train_000001"
    write(clip / "groundtruth.txt", "\n".join(boxes) + "\n")
    write(clip / "absence.label", absent)
    write(clip / "meta_info.ini", "[METAINFO]\nurl: https://x\nobject_class: polar bear\n")
    return clip


GOT10K_BOXES = ["11.0000,21.0000,30.0000,40.0000"] * 3 + ["12,22,30,40", "0,0,0,0", "-1,-1,-1,-1"]


def test_got10k_boxes_count_from_one_and_absent_frames_are_left_out(tmp_path):
    write_got10k(tmp_path / "train", GOT10K_BOXES, "0\n1\n0\n0\n0\n0\n")
    (thing,) = by_name(Got10k(tmp_path)).values()
    assert (thing.name, thing.label) == ("GOT-10k_Train_000001", "polar bear")
    assert thing.clip == "GOT-10k_Train_000001"
    assert frames(thing) == ["00000001.jpg", "00000003.jpg", "00000004.jpg"]
    assert thing.views[0].box == Box(10, 20, 30, 40)
    assert thing.views[0].picture.parent == tmp_path / "train/GOT-10k_Train_000001"


def test_got10k_is_read_from_the_folder_of_clips_without_those_known_to_be_wrong(tmp_path):
    clip = write_got10k(tmp_path, GOT10K_BOXES, "0\n" * 6)
    (clip / "meta_info.ini").unlink()
    clip.rename(tmp_path / "GOT-10k_Train_008628")
    write_got10k(tmp_path, GOT10K_BOXES, "0\n" * 6)
    (tmp_path / "GOT-10k_Train_000001/meta_info.ini").unlink()
    (thing,) = by_name(Got10k(tmp_path)).values()
    assert thing.label == thing.name == "GOT-10k_Train_000001"


def test_a_long_clip_gives_evenly_spaced_views_of_its_visible_frames(tmp_path):
    write_got10k(tmp_path, ["11,21,30,40"] * 100, "1\n" * 10 + "0\n" * 90)
    (thing,) = by_name(Got10k(tmp_path, views_per_object=4)).values()
    assert frames(thing) == ["00000011.jpg", "00000041.jpg", "00000070.jpg", "00000100.jpg"]


def test_at_most_so_many_clips_are_used(tmp_path):
    for number in range(9):
        clip = write_got10k(tmp_path, ["11,21,30,40"], "0")
        clip.rename(tmp_path / f"GOT-10k_Train_{number + 100:06d}")
    names = [thing.name[-3:] for thing in Got10k(tmp_path, max_clips=3).objects()]
    assert names == ["100", "104", "108"]


@pytest.mark.parametrize(
    ("boxes", "absent", "message"),
    [
        (["1,2,3,4", "1,2,3"], "0\n0", r"groundtruth\.txt:2: '1,2,3' is not a box"),
        (["1,2,3,four"], "0", r"groundtruth\.txt:1: '1,2,3,four' is not a box"),
        (["1,2,3,4"], "0\n0", r"absence\.label: 2 marks; 1 are expected, each 0 or 1"),
        (["1,2,3,4"], "2", r"absence\.label: 1 marks; 1 are expected, each 0 or 1"),
    ],
)
def test_a_bad_annotation_of_a_clip_is_named(tmp_path, boxes, absent, message):
    write_got10k(tmp_path, boxes, absent)
    with pytest.raises(DataError, match=message):
        Got10k(tmp_path)


def test_an_annotation_file_that_is_empty_missing_or_not_text_is_named(tmp_path):
    clip = write_got10k(tmp_path, ["1,2,3,4"], "0")
    (clip / "absence.label").unlink()
    with pytest.raises(DataError, match=r"absence\.label: not readable"):
        Got10k(tmp_path)
    (clip / "groundtruth.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"groundtruth\.txt: not readable"):
        Got10k(tmp_path)
    (clip / "groundtruth.txt").write_text("")
    with pytest.raises(DataError, match=r"groundtruth\.txt: no box"):
        Got10k(tmp_path)


# --- LaSOT


def write_lasot(root: Path, name: str, occluded: str, out_of_view: str) -> None:
    clip = root / name.split("-")[0] / name
    write(clip / "groundtruth.txt", "367,101,41,16\n368,102,41,16\n369,103,41,16\n370,104,41,16\n")
    write(clip / "full_occlusion.txt", occluded)
    write(clip / "out_of_view.txt", out_of_view)


def test_lasot_boxes_count_from_one_and_hidden_frames_are_left_out(tmp_path):
    write_lasot(tmp_path, "airplane-1", "0,1,0,0", "0,0,1,0\n")
    (thing,) = by_name(Lasot(tmp_path)).values()
    assert (thing.name, thing.label, thing.clip) == ("airplane-1", "airplane", "airplane-1")
    assert [view.picture for view in thing.views] == [
        tmp_path / "airplane/airplane-1/img/00000001.jpg",
        tmp_path / "airplane/airplane-1/img/00000004.jpg",
    ]
    assert thing.views[0].box == Box(366, 100, 41, 16)


def test_clips_of_the_testing_set_of_lasot_are_not_trained_on(tmp_path):
    write_lasot(tmp_path, "airplane-1", "0,0,0,0", "0,0,0,0")
    write_lasot(tmp_path, "bear-2", "0,0,0,0", "0,0,0,0")
    write(tmp_path / "testing_set.txt", "airplane-1\nzebra-3\n")
    assert list(by_name(Lasot(tmp_path))) == ["bear-2"]


def test_a_bad_mark_of_lasot_is_named(tmp_path):
    write_lasot(tmp_path, "airplane-1", "0,0,0", "0,0,0,0")
    with pytest.raises(DataError, match=r"full_occlusion\.txt: 3 marks; 4 are expected"):
        Lasot(tmp_path)


# --- TrackingNet


def test_trackingnet_frames_count_from_nought(tmp_path):
    write(tmp_path / "TRAIN_0/anno/0-6LB4FqxoE_0.txt", "10.5,20,30,40\n11,21,30,40\n")
    write(tmp_path / "TRAIN_3/anno/abc_1.txt", "1,2,30,40\n")
    things = by_name(TrackingNet(tmp_path))
    assert list(things) == ["0-6LB4FqxoE_0", "abc_1"]
    thing = things["0-6LB4FqxoE_0"]
    assert [view.picture for view in thing.views] == [
        tmp_path / "TRAIN_0/frames/0-6LB4FqxoE_0/0.jpg",
        tmp_path / "TRAIN_0/frames/0-6LB4FqxoE_0/1.jpg",
    ]
    assert thing.views[0].box == Box(10.5, 20, 30, 40)
    assert thing.label == thing.clip == "0-6LB4FqxoE_0"


# --- ImageNet VID


def vid_object(track: int, box: tuple[int, int, int, int], occluded: int = 0) -> str:
    left, top, right, bottom = box
    return (
        f"<object><trackid>{track}</trackid><name>n0204900{track}</name><bndbox>"
        f"<xmax>{right}</xmax><xmin>{left}</xmin><ymax>{bottom}</ymax><ymin>{top}</ymin></bndbox>"
        f"<occluded>{occluded}</occluded><generated>0</generated></object>"
    )


def write_vid(root: Path, frame: int, *objects: str) -> Path:
    part = "Annotations/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000"
    return write(root / part / f"{frame:06d}.xml", f"<annotation>{''.join(objects)}</annotation>")


def test_imagenet_vid_gives_every_track_its_frames_without_the_occluded_ones(tmp_path):
    first, second = (10, 20, 40, 60), (100, 20, 140, 60)
    write_vid(tmp_path, 0, vid_object(0, first), vid_object(1, second))
    write_vid(tmp_path, 1, vid_object(0, first, occluded=1))
    write_vid(tmp_path, 2)
    write_vid(tmp_path, 3, vid_object(1, second), vid_object(0, (11, 21, 41, 61)))
    things = by_name(ImageNetVid(tmp_path))
    assert set(things) == {"ILSVRC2015_train_00001000/0", "ILSVRC2015_train_00001000/1"}
    thing = things["ILSVRC2015_train_00001000/0"]
    assert (thing.label, thing.clip) == ("n02049000", "ILSVRC2015_train_00001000")
    assert frames(thing) == ["000000.JPEG", "000003.JPEG"]
    assert [view.box for view in thing.views] == [Box(10, 20, 30, 40), Box(11, 21, 30, 40)]
    assert thing.views[0].picture.is_relative_to(
        tmp_path / "Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000"
    )


def test_of_a_long_vid_clip_only_some_frames_are_read(tmp_path):
    for frame in range(50):
        write_vid(tmp_path, frame, vid_object(0, (10, 20, 40, 60)))
    write_vid(tmp_path, 25).write_text("never read")
    (thing,) = by_name(ImageNetVid(tmp_path, views_per_object=3)).values()
    assert frames(thing) == ["000000.JPEG", "000024.JPEG", "000049.JPEG"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation><object>", "no element found: line 1"),
        ("<annotation><object><trackid>0</trackid></object></annotation>", "lacks <name>"),
        (vid_object(0, (1, 2, 3, 4)).replace(">3<", ">x<"), "could not convert"),
    ],
)
def test_a_bad_annotation_of_imagenet_vid_is_named(tmp_path, content, message):
    write_vid(tmp_path, 0).write_text(content)
    with pytest.raises(DataError, match=rf"000000\.xml: not an annotation.*{message}"):
        ImageNetVid(tmp_path)


# --- COCO


def coco_content() -> dict:
    return {
        "images": [{"id": 5, "file_name": "000000000005.jpg", "width": 200, "height": 160}],
        "categories": [{"id": 18, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 18, "bbox": [10.5, 20, 30, 40], "iscrowd": 0},
            {"id": 2, "image_id": 5, "category_id": 18, "bbox": [10.5, 20, 30, 40], "iscrowd": 1},
            {"id": 3, "image_id": 5, "category_id": 18, "bbox": [10.5, 20, 3, 4], "iscrowd": 0},
        ],
    }


def write_coco(root: Path, content: object, split: str = "train2017") -> Path:
    (root / split).mkdir(parents=True, exist_ok=True)
    return write(root / f"annotations/instances_{split}.json", json.dumps(content))


def test_coco_objects_without_crowds_and_tiny_ones(tmp_path):
    write_coco(tmp_path, coco_content())
    (thing,) = by_name(Coco(tmp_path)).values()
    assert (thing.name, thing.label, thing.clip) == ("train2017/1", "dog", None)
    assert thing.views[0].box == Box(10.5, 20, 30, 40)
    assert thing.views[0].picture == tmp_path / "train2017/000000000005.jpg"


def test_a_split_of_coco_is_read_where_its_pictures_are(tmp_path):
    write_coco(tmp_path, coco_content())
    write_coco(tmp_path, coco_content(), "val2017")
    (tmp_path / "train2017").rmdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "val2017").rename(tmp_path / "images/val2017")
    (thing,) = by_name(Coco(tmp_path)).values()
    assert thing.views[0].picture == tmp_path / "images/val2017/000000000005.jpg"


def test_at_most_so_many_objects_of_coco_are_used(tmp_path):
    content = coco_content()
    content["annotations"] = [content["annotations"][0] | {"id": number} for number in range(10)]
    write_coco(tmp_path, content)
    assert list(by_name(Coco(tmp_path, max_objects=2))) == ["train2017/0", "train2017/9"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("images"), "KeyError: 'images'"),
        (lambda content: content["annotations"][0].pop("bbox"), "KeyError: 'bbox'"),
        (lambda content: content["annotations"][0].update(image_id=6), "KeyError: 6"),
        (lambda content: content["annotations"][0].update(bbox=[1, 2, 3]), "ValueError"),
        (lambda content: content["annotations"][0].update(bbox=[1, 2, 3, None]), "TypeError"),
    ],
)
def test_a_bad_annotation_file_of_coco_is_named(tmp_path, change, message):
    content = coco_content()
    change(content)
    write_coco(tmp_path, content)
    with pytest.raises(DataError, match=rf"instances_train2017\.json: not instance.*{message}"):
        Coco(tmp_path)


def test_a_coco_box_outside_its_picture_is_an_error(tmp_path):
    content = coco_content()
    content["annotations"][0]["bbox"] = [200, 20, 30, 40]
    write_coco(tmp_path, content)
    with pytest.raises(DataError, match=r"annotation 1: box x=200 .* outside the 200x160 picture"):
        Coco(tmp_path)
