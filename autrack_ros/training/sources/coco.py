"""COCO (Lin et al. 2014): pictures with the boxes of 80 classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from autrack_ros.tracking.boxes import Box
from autrack_ros.training.sources.base import (
    AnnotatedFolder,
    DataError,
    TrainingObject,
    View,
    is_trainable,
    require_overlap,
)
from autrack_ros.training.sources.clips import evenly_spaced

MAX_OBJECTS = 20_000  # 8 GB in memory


class Coco(AnnotatedFolder):
    """``annotations/instances_*2017.json`` with ``train2017/`` or ``images/train2017/``.

    A split whose pictures are not there is left out, and so are crowds and objects too small to
    learn from. Boxes are left, top, width, height in edge coordinates.

    Args:
        folder: of the set.
        name: of the source; by default the folder's.
        max_objects: most objects used, evenly spaced.

    Raises:
        DataError: the set is missing or empty, or an annotation file is unreadable.
    """

    def __init__(
        self, folder: Path, name: str | None = None, max_objects: int = MAX_OBJECTS
    ) -> None:
        expected = "annotations/instances_train2017.json and train2017/"
        objects = evenly_spaced(list(_read_objects(folder)), max_objects)
        super().__init__(folder, name, objects, expected)


def _read_objects(folder: Path) -> Iterator[TrainingObject]:
    for path in sorted(folder.glob("annotations/instances_*2017.json")):
        split = path.stem.removeprefix("instances_")
        pictures = next(
            (place for place in (folder / split, folder / "images" / split) if place.is_dir()), None
        )
        if pictures is None:
            continue
        try:
            yield from _read_split(json.loads(path.read_text("utf-8")), split, pictures)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: not instance annotations of COCO ({type(error).__name__}: {error})"
            ) from error


def _read_split(content: dict, split: str, pictures: Path) -> Iterator[TrainingObject]:
    images = {image["id"]: image for image in content["images"]}
    labels = {category["id"]: str(category["name"]) for category in content["categories"]}
    # By picture, so that evenly spaced objects are from as many pictures as possible.
    for annotation in sorted(content["annotations"], key=lambda entry: entry["image_id"]):
        image = images[annotation["image_id"]]
        x, y, w, h = map(float, annotation["bbox"])
        box, size = Box(x, y, w, h), (int(image["width"]), int(image["height"]))
        require_overlap(box, *size, f"training set COCO {split}, annotation {annotation['id']}")
        if annotation["iscrowd"] or not is_trainable(box, *size):
            continue
        yield TrainingObject(
            f"{split}/{annotation['id']}",
            labels[annotation["category_id"]],
            [View(pictures / image["file_name"], box)],
        )
