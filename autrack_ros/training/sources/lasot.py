"""LaSOT (Fan et al. 2019): 1,400 long clips of 70 classes, one object each."""

from __future__ import annotations

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


class Lasot(AnnotatedFolder):
    """``airplane/airplane-1/`` with ``groundtruth.txt``, two files of marks and ``img/``.

    Boxes are left, top, width, height in 1-based pixels; frames marked fully occluded or out of
    view are left out, and so are the clips that ``testing_set.txt`` in the folder lists. The label
    is the category, ``airplane``.

    Args:
        folder: of the set.
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
        super().__init__(folder, name, objects, "clips such as airplane/airplane-1")


def _read_objects(folder: Path, views_per_object: int, max_clips: int) -> Iterator[TrainingObject]:
    test_list = folder / "testing_set.txt"
    test_clips = set(test_list.read_text("utf-8").split()) if test_list.is_file() else set()
    clips = sorted(path.parent for path in folder.glob("*/*/groundtruth.txt"))
    usable = [clip for clip in clips if clip.name not in test_clips]
    for clip in evenly_spaced(usable, max_clips):
        boxes = read_boxes(clip / "groundtruth.txt")
        hidden = read_flags(clip / "full_occlusion.txt", len(boxes))
        hidden |= read_flags(clip / "out_of_view.txt", len(boxes))
        boxes[:, :2] -= 1

        def picture(frame: int, clip: Path = clip) -> Path:
            return clip / "img" / f"{frame + 1:08d}.jpg"

        views = clip_views(boxes, ~hidden, picture, views_per_object)
        if views:
            yield TrainingObject(clip.name, clip.parent.name, views, clip.name)
