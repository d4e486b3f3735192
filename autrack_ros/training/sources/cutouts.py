"""Objects cut out of their background: PNG files with transparency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autrack_ros.training.sources.base import AnnotatedFolder, TrainingObject, View
from autrack_ros.training.sources.pictures import read_picture

MIN_PICTURE_PX = 96
MIN_COARSE_COLORS = 600  # of 32768; drawings and symbols have fewer


class Cutouts(AnnotatedFolder):
    """All PNG files below a folder; the label is the name of the folder above the object.

    A folder whose PNG files are all called ``view_*.png`` is one object seen from several sides.
    Every other PNG file is an object of its own, if it looks like a photograph: 96 pixels or more,
    with a transparent part and many colours.

    Raises:
        DataError: the folder is missing or holds no such picture.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        expected = (
            "photographed cut-outs, PNG with transparency (`python -m autrack_ros.training.fetch` "
            "brings those of the package tuxpaint-stamps-default)"
        )
        super().__init__(folder, name, _read_objects(folder), expected)


def _read_objects(folder: Path) -> Iterator[TrainingObject]:
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.png")):
        by_folder[path.parent].append(path)
    for parent, paths in by_folder.items():
        if all(path.name.startswith("view_") for path in paths):
            name = parent.relative_to(folder).as_posix()
            yield TrainingObject(name, parent.parent.name, [View(path, None) for path in paths])
            continue
        for path in paths:
            if _is_photograph(path):
                name = path.relative_to(folder).as_posix()
                yield TrainingObject(name, parent.name, [View(path, None)])


def _is_photograph(path: Path) -> bool:
    image = read_picture(path)
    if image is None:
        return True  # whoever wants its pixels counts it as broken
    if image.shape[2] != 4:
        return False
    opaque = image[..., 3] > 127
    if min(image.shape[:2]) < MIN_PICTURE_PX or not 0.1 < opaque.mean() < 0.98:
        return False
    coarse_colors = np.unique((image[opaque][:, :3] >> 3).astype(np.int32) @ (1, 32, 1024))
    return len(coarse_colors) >= MIN_COARSE_COLORS
