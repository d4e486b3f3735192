"""TrackingNet (Müller et al. 2018): 30,000 clips of YouTube-BoundingBoxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autrack_ros.training.sources.base import AnnotatedFolder, TrainingObject
from autrack_ros.training.sources.clips import (
    MAX_CLIPS,
    VIEWS_PER_OBJECT,
    clip_views,
    evenly_spaced,
    read_boxes,
)


class TrackingNet(AnnotatedFolder):
    """``TRAIN_0/anno/<name>.txt`` and ``TRAIN_0/frames/<name>/0.jpg``, for every ``TRAIN_*``.

    Boxes are left, top, width, height in 0-based pixels, one a line for every frame. The set names
    no classes here, so every clip is one of its own.

    Args:
        folder: of the set; it need not hold all of the twelve parts.
        name: of the source; by default the folder's.
        views_per_object: most frames used of a clip, evenly spaced.
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
        super().__init__(folder, name, objects, "TRAIN_0/anno/*.txt")


def _read_objects(folder: Path, views_per_object: int, max_clips: int) -> Iterator[TrainingObject]:
    for path in evenly_spaced(sorted(folder.glob("TRAIN_*/anno/*.txt")), max_clips):
        boxes = read_boxes(path)
        frames = path.parent.parent / "frames" / path.stem

        def picture(frame: int, frames: Path = frames) -> Path:
            return frames / f"{frame}.jpg"

        views = clip_views(boxes, np.ones(len(boxes), bool), picture, views_per_object)
        if views:
            yield TrainingObject(path.stem, path.stem, views, path.stem)
