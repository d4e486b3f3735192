"""GOT-10k (Huang et al. 2021): 10,000 clips of 563 classes, one object each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from autrack_ros.training.sources.base import AnnotatedFolder, TrainingObject
from autrack_ros.training.sources.clips import (
    MAX_CLIPS,
    VIEWS_PER_OBJECT,
    clip_views,
    evenly_spaced,
    read_boxes,
    read_flags,
)

# Their boxes belong to pictures of another size (known to users of the set; never corrected).
WRONG_CLIPS = frozenset(f"GOT-10k_Train_{number:06d}" for number in (8628, 8630, 9058, 9059))


class Got10k(AnnotatedFolder):
    """``train/GOT-10k_Train_000001/`` with ``groundtruth.txt``, ``absence.label`` and pictures.

    Boxes are left, top, width, height in 1-based pixels (got-10k/toolkit, issue 6); frames marked
    absent are left out. The label is the ``object_class`` of ``meta_info.ini``; a clip without
    that file is a class of its own.

    Args:
        folder: of the set, or the folder that holds the clips.
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
        super().__init__(folder, name, objects, "clips such as train/GOT-10k_Train_000001")


def _read_objects(folder: Path, views_per_object: int, max_clips: int) -> Iterator[TrainingObject]:
    root = folder / "train" if (folder / "train").is_dir() else folder
    clips = sorted(path.parent for path in root.glob("*/groundtruth.txt"))
    usable = [clip for clip in clips if clip.name not in WRONG_CLIPS]
    for clip in evenly_spaced(usable, max_clips):
        boxes = read_boxes(clip / "groundtruth.txt")
        visible = ~read_flags(clip / "absence.label", len(boxes))
        boxes[:, :2] -= 1

        def picture(frame: int, clip: Path = clip) -> Path:
            return clip / f"{frame + 1:08d}.jpg"

        views = clip_views(boxes, visible, picture, views_per_object)
        if views:
            yield TrainingObject(clip.name, _label(clip), views, clip.name)


def _label(clip: Path) -> str:
    description = clip / "meta_info.ini"
    if description.is_file():
        found = re.search(r"^object_class:\s*(.+?)\s*$", description.read_text("utf-8"), re.M)
        if found:
            return found[1]
    return clip.name
