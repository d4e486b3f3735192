"""The benchmarks' folders: where each keeps its images, boxes, absent frames and attributes.

A reader takes the dataset's folder and gives its sequences by name, each to be read when called, so
that one damaged sequence does not keep the others from being evaluated. All boxes are converted to
edge coordinates (tracking/boxes.py): the benchmarks made with MATLAB count pixels from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from autrack_ros.evaluation import submissions
from autrack_ros.evaluation.attributes import box_attributes
from autrack_ros.evaluation.boxfiles import read_boxes, read_marks, read_regions
from autrack_ros.evaluation.frames import SourceError, list_images, read_image
from autrack_ros.evaluation.sequences import Sequence, make_sequence
from autrack_ros.tracking.errors import ConfigurationError

Readers = dict[str, Callable[[], Sequence]]

# Of OTB's toolkit, in the order of anno/att/<sequence>.txt.
OTB_ATTRIBUTES = (
    "illumination variation", "out-of-plane rotation", "scale variation", "occlusion",
    "deformation", "motion blur", "fast motion", "in-plane rotation", "out of view",
    "background clutter", "low resolution",
)  # fmt: skip
# Of UAV123's toolkit, in the order of anno/UAV123/att/<sequence>.txt.
UAV123_ATTRIBUTES = (
    "scale variation", "aspect ratio change", "low resolution", "fast motion", "full occlusion",
    "partial occlusion", "out of view", "background clutter", "illumination variation",
    "viewpoint change", "camera motion", "similar object",
)  # fmt: skip
# Of LaSOT's toolkit, in the order of annos/att/<sequence>.txt.
LASOT_ATTRIBUTES = (
    "illumination variation", "partial occlusion", "deformation", "motion blur", "camera motion",
    "rotation", "background clutter", "viewpoint change", "scale variation", "full occlusion",
    "fast motion", "out of view", "low resolution", "aspect ratio change",
)  # fmt: skip

# Frames of an OTB sequence that are annotated, where its folder holds more: from, up to.
OTB_FRAMES = {
    "david": (300, 770),
    "diving": (1, 215),
    "football1": (1, 74),
    "freeman3": (1, 460),
    "freeman4": (1, 283),
}
# Frames that LaSOT's toolkit counts, where there are more images.
LASOT_FRAMES = {"monkey-17": 2260}
# First frames of the UAV123 sequences that are later parts of a video; <name>_1 starts at 1.
UAV123_STARTS = {
    "bird1_2": 775, "bird1_3": 1573, "car1_2": 751, "car1_3": 1627, "car6_2": 487, "car6_3": 1807,
    "car6_4": 2953, "car6_5": 3925, "car8_2": 1357, "car16_2": 415, "group1_2": 1333,
    "group1_3": 2515, "group1_4": 3925, "group2_2": 907, "group2_3": 1771, "group3_2": 1567,
    "group3_3": 2827, "group3_4": 4369, "person2_2": 1189, "person4_2": 1501, "person5_2": 877,
    "person7_2": 1249, "person8_2": 1075, "person12_2": 601, "person14_2": 847,
    "person14_3": 1813, "person17_2": 1501, "person19_2": 1243, "person19_3": 2791,
    "truck4_2": 577, "uav1_2": 1555, "uav1_3": 2473,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatasetFormat:
    """How one benchmark keeps its sequences and takes results.

    Attributes:
        layout: what the folder holds, for the user.
        read: the sequences of a folder; raises ``SourceError`` if there is none.
        submit: result files as its toolkit or server reads them; None where there is neither.
    """

    layout: str
    read: Callable[[Path], Readers]
    submit: Callable[[str, str, np.ndarray, np.ndarray], dict[str, str]] | None = None


def read_dataset(folder: str | Path, format_name: str = "folder") -> Readers:
    """Readers of a dataset's sequences by name, in the dataset's order.

    A reader raises ``SourceError`` if its sequence is damaged, naming file and line.

    Raises:
        ConfigurationError: no such format.
        SourceError: the folder is missing or holds no sequence of this format.
    """
    if format_name not in FORMATS:
        raise ConfigurationError(f"format {format_name!r}: accepted is one of {', '.join(FORMATS)}")
    chosen, root = FORMATS[format_name], Path(folder)
    if not root.is_dir():
        raise SourceError(f"{root}: no such dataset folder")
    readers = chosen.read(root)
    if not readers:
        raise SourceError(f"{root} holds no sequence; format {format_name} is {chosen.layout}")
    return readers


def read_all(folder: str | Path, format_name: str = "folder") -> list[Sequence]:
    """All sequences of a dataset; it raises what ``read_dataset`` and its readers raise."""
    return [read() for read in read_dataset(folder, format_name).values()]


def _list_folder(root: Path) -> Readers:
    return {
        folder.name: partial(_read_folder, folder)
        for folder in _annotated_folders(root, "*/groundtruth.txt")
    }


def _read_folder(folder: Path) -> Sequence:
    truth_file = folder / "groundtruth.txt"
    images, truth = _images(folder, "img"), read_boxes(truth_file)
    height, width = read_image(images[0]).shape[:2]
    return make_sequence(
        folder.name, images, truth, truth_file, box_attributes(truth, (width, height))
    )


def _list_otb(root: Path) -> Readers:
    readers: Readers = {}
    for folder in _annotated_folders(root, "*/groundtruth_rect*.txt"):
        # Human4 has an empty file for a target that was never annotated.
        files = [file for file in sorted(folder.glob("groundtruth_rect*.txt")) if _has_text(file)]
        for number, file in enumerate(files, start=1):
            name = folder.name if len(files) == 1 else f"{folder.name}.{number}"
            readers[name] = partial(_read_otb, root, name, file)
    return readers


def _read_otb(root: Path, name: str, truth_file: Path) -> Sequence:
    images = list_images(_existing(truth_file.parent / "img"))
    if name.lower() in OTB_FRAMES:
        first, last = OTB_FRAMES[name.lower()]
        images = images[first - 1 : last]
    truth = _from_one(read_boxes(truth_file))
    attributes = _sequence_attributes(root / "anno" / "att", name, OTB_ATTRIBUTES, len(truth))
    return make_sequence(name, images, truth, truth_file, attributes)


def _list_got10k(root: Path) -> Readers:
    return {folder.name: partial(_read_got10k, folder) for folder in _listed_folders(root)}


def _read_got10k(folder: Path) -> Sequence:
    truth_file = folder / "groundtruth.txt"
    images = list_images(_existing(folder))
    truth, count = _from_one(read_boxes(truth_file)), len(images)
    # The test set has no marks, and no boxes after frame 1.
    marks = {
        label: read_marks(file, count)
        for label in ("absence", "cover", "cut_by_image")
        if (file := folder / f"{label}.label").is_file()
    }
    attributes = {}
    if "absence" in marks:
        truth[marks["absence"] != 0] = np.nan
    if "cover" in marks:  # eighths of the target that can be seen
        truth[marks["cover"] == 0] = np.nan
        attributes["occlusion"] = marks["cover"] < 8
    if "cut_by_image" in marks:
        attributes["cut by image"] = marks["cut_by_image"] != 0
    return make_sequence(folder.name, images, truth, truth_file, attributes, withheld=True)


def _list_lasot(root: Path) -> Readers:
    folders = _annotated_folders(root, "*/*/groundtruth.txt")
    folders += _annotated_folders(root, "*/groundtruth.txt")
    chosen = root / "testing_set.txt"
    if chosen.is_file():
        names = set(chosen.read_text(encoding="utf-8").split())
        folders = [folder for folder in folders if folder.name in names]
    return {folder.name: partial(_read_lasot, root, folder) for folder in folders}


def _read_lasot(root: Path, folder: Path) -> Sequence:
    truth_file = folder / "groundtruth.txt"
    truth = _from_one(read_boxes(truth_file))
    for label in ("full_occlusion", "out_of_view"):
        truth[read_marks(folder / f"{label}.txt", len(truth)) != 0] = np.nan
    images = list_images(_existing(folder / "img"))
    last = LASOT_FRAMES.get(folder.name)
    truth, images = truth[:last], images[:last]
    attributes = _sequence_attributes(
        root / "annos" / "att", folder.name, LASOT_ATTRIBUTES, len(truth)
    )
    return make_sequence(folder.name, images, truth, truth_file, attributes)


def _list_uav123(root: Path) -> Readers:
    files = sorted((root / "anno" / "UAV123").glob("*.txt"))
    return {file.stem: partial(_read_uav123, root, file) for file in files}


def _read_uav123(root: Path, truth_file: Path) -> Sequence:
    name = truth_file.stem
    truth = _from_one(read_boxes(truth_file))
    videos = root / "data_seq" / "UAV123"
    folder = videos / name
    if not folder.is_dir():  # a part of a video: car1_2 of car1
        folder = videos / name.rpartition("_")[0]
    start = UAV123_STARTS.get(name, 1) - 1
    images = list_images(_existing(folder))[start : start + len(truth)]
    attributes = _sequence_attributes(
        truth_file.parent / "att", name, UAV123_ATTRIBUTES, len(truth)
    )
    return make_sequence(name, images, truth, truth_file, attributes)


def _list_trackingnet(root: Path) -> Readers:
    part = root / "TEST" if (root / "TEST").is_dir() else root
    files = sorted((part / "anno").glob("*.txt"))
    return {file.stem: partial(_read_trackingnet, part, file) for file in files}


def _read_trackingnet(part: Path, truth_file: Path) -> Sequence:
    name = truth_file.stem
    images = list_images(_existing(part / "frames" / name))
    return make_sequence(name, images, read_boxes(truth_file), truth_file, withheld=True)


def _list_vot(root: Path) -> Readers:
    workspace = root / "sequences"  # the toolkit's workspace keeps them one folder down
    root = workspace if workspace.is_dir() else root
    return {folder.name: partial(_read_vot, folder) for folder in _listed_folders(root)}


def _read_vot(folder: Path) -> Sequence:
    truth_file = folder / "groundtruth.txt"
    images = _images(folder, "color")
    attributes = {}
    for file in sorted((*folder.glob("*.tag"), *folder.glob("*.label"))):
        words = file.read_text(encoding="utf-8").split()
        if len(words) > len(images) or not set(words) <= {"0", "1"}:
            raise SourceError(f"{file}: {len(words)} marks; at most {len(images)}, each 0 or 1")
        on = np.zeros(len(images), bool)  # what is left out at the end is 0
        on[: len(words)] = np.array(words) == "1"
        attributes[file.stem.replace("_", " ")] = on
    return make_sequence(folder.name, images, read_regions(truth_file), truth_file, attributes)


def _annotated_folders(root: Path, pattern: str) -> list[Path]:
    return sorted({file.parent for file in root.glob(pattern)})


def _listed_folders(root: Path) -> list[Path]:
    """Folders that list.txt names, in its order; without it, all with a groundtruth.txt."""
    listed = root / "list.txt"
    if not listed.is_file():
        return _annotated_folders(root, "*/groundtruth.txt")
    return [root / name for name in listed.read_text(encoding="utf-8").split()]


def _images(folder: Path, name: str) -> list[Path]:
    """Images of a sub-folder, or of the folder itself where there is no such sub-folder."""
    inner = folder / name
    return list_images(inner if inner.is_dir() else _existing(folder))


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder of images")
    return folder


def _has_text(file: Path) -> bool:
    return bool(file.read_bytes().strip())


def _from_one(boxes: np.ndarray) -> np.ndarray:
    """Boxes whose first pixel is 1, in edge coordinates."""
    return boxes - np.array([1, 1, 0, 0])


def _sequence_attributes(
    folder: Path, sequence: str, names: tuple[str, ...], frames: int
) -> Mapping[str, np.ndarray]:
    """Attributes that a toolkit gives a whole sequence; none where its files are not there."""
    file = folder / f"{sequence}.txt"
    if not file.is_file():
        return {}
    marks = read_marks(file, len(names))
    return {name: np.ones(frames, bool) for name, on in zip(names, marks, strict=True) if on}


FORMATS = {
    "folder": DatasetFormat(
        "<sequence>/groundtruth.txt with x,y,w,h a line, pixels from 0, and the images in "
        "<sequence>/img or <sequence>",
        _list_folder,
    ),
    "otb": DatasetFormat(
        "<sequence>/img and <sequence>/groundtruth_rect*.txt; attributes in anno/att",
        _list_otb,
        submissions.otb,
    ),
    "got10k": DatasetFormat(
        "one split: list.txt, <sequence>/*.jpg and <sequence>/groundtruth.txt",
        _list_got10k,
        submissions.got10k,
    ),
    "lasot": DatasetFormat(
        "<category>/<sequence>/img and groundtruth.txt, full_occlusion.txt, out_of_view.txt; only "
        "the sequences of testing_set.txt if it is there; attributes in annos/att",
        _list_lasot,
        submissions.lasot,
    ),
    "uav123": DatasetFormat(
        "data_seq/UAV123/<video> and anno/UAV123/<sequence>.txt; attributes in anno/UAV123/att",
        _list_uav123,
        submissions.otb,
    ),
    "trackingnet": DatasetFormat(
        "frames/<sequence> and anno/<sequence>.txt, or TEST/ with these",
        _list_trackingnet,
        submissions.trackingnet,
    ),
    "vot": DatasetFormat(
        "list.txt, <sequence>/color or <sequence> with images, and <sequence>/groundtruth.txt "
        "with rectangles or polygons",
        _list_vot,
        submissions.vot,
    ),
}
