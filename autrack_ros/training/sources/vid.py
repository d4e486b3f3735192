"""ImageNet VID (ILSVRC 2015): 3,862 training clips of 30 classes, every object tracked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from autrack_ros.tracking.boxes import Box
from autrack_ros.training.sources.base import AnnotatedFolder, DataError, TrainingObject, View
from autrack_ros.training.sources.clips import MAX_CLIPS, VIEWS_PER_OBJECT, evenly_spaced

ANNOTATIONS = Path("Annotations/VID/train")
PICTURES = Path("Data/VID/train")


class ImageNetVid(AnnotatedFolder):
    """``Annotations/VID/train/<part>/<clip>/000000.xml``, ``Data/VID/train/<part>/<clip>/``.

    Boxes are read as edges in 0-based pixels; objects marked occluded in a frame are left out
    there. The label is the WordNet id.

    Args:
        folder: of the set (``ILSVRC2015``).
        name: of the source; by default the folder's.
        views_per_object: frames read of a clip, evenly spaced; an object has a view in those in
            which it is seen.
        max_clips: most clips used, evenly spaced.

    Raises:
        DataError: the set is missing or empty, or an annotation is unreadable.
    """

    def __init__(
        self,
        folder: Path,
        name: str | None = None,
        views_per_object: int = VIEWS_PER_OBJECT,
        max_clips: int = MAX_CLIPS,
    ) -> None:
        objects = _read_objects(folder, views_per_object, max_clips)
        super().__init__(folder, name, objects, f"{ANNOTATIONS}/<part>/<clip>/*.xml")


def _read_objects(folder: Path, views_per_object: int, max_clips: int) -> Iterator[TrainingObject]:
    clips = sorted(path for path in (folder / ANNOTATIONS).glob("*/*") if path.is_dir())
    for clip in evenly_spaced(clips, max_clips):
        pictures = folder / PICTURES / clip.relative_to(folder / ANNOTATIONS)
        labels: dict[str, str] = {}
        views: dict[str, list[View]] = defaultdict(list)
        # A clip has 290 files on average: reading but a few of them takes minutes less.
        for path in evenly_spaced(sorted(clip.glob("*.xml")), views_per_object):
            for track, label, box in _visible_objects(path):
                labels.setdefault(track, label)
                views[track].append(View(pictures / f"{path.stem}.JPEG", box))
        for track, label in labels.items():
            yield TrainingObject(f"{clip.name}/{track}", label, views[track], clip.name)


def _visible_objects(path: Path) -> Iterator[tuple[str, str, Box]]:
    try:
        for element in ElementTree.parse(path).iter("object"):
            track, label = _text(element, "trackid"), _text(element, "name")
            left, top, right, bottom = (
                float(_text(element, f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")
            )
            if _text(element, "occluded") == "0":
                yield track, label, Box(left, top, right - left, bottom - top)
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{path}: not an annotation of ImageNet VID ({error})") from error


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"<object> lacks <{path}>")
    return text
