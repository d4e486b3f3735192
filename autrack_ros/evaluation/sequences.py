"""Annotated sequences on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.frames import Frames, SourceError, list_images, open_frames
from autrack_ros.evaluation.metrics import present
from autrack_ros.tracking.boxes import Box


@dataclass(frozen=True, slots=True)
class Sequence:
    """One annotated sequence: its frames and a box a frame.

    ``truth`` is N x 4, edge coordinates, pixels; NaN or no area where the target is absent.
    """

    name: str
    frames: Frames
    truth: np.ndarray

    @property
    def first_box(self) -> Box:
        """The box on frame 1, which the tracker starts from."""
        return Box(*self.truth[0].tolist())


def read_folder(dataset: str | Path) -> list[Sequence]:
    """Sequences of a dataset folder, by name: ``<name>/img/`` and ``<name>/groundtruth.txt``.

    Raises:
        SourceError: the folder is missing or holds no sequence; the numbers of images and boxes of
            a sequence differ; its first frame has no box.
    """
    root = Path(dataset)
    if not root.is_dir():
        raise SourceError(f"{root}: no such dataset folder")
    folders = sorted(file.parent for file in root.glob("*/groundtruth.txt"))
    if not folders:
        raise SourceError(
            f"{root} holds no sequence; expected <name>/img/ and <name>/groundtruth.txt"
        )
    return [_read_sequence(folder) for folder in folders]


def _read_sequence(folder: Path) -> Sequence:
    images = folder / "img"
    if not images.is_dir():
        raise SourceError(f"{images}: no such folder of images")
    truth = read_boxes(folder / "groundtruth.txt")
    count = len(list_images(images))
    if count != len(truth):
        raise SourceError(f"{folder}: {count} images, but {len(truth)} boxes in groundtruth.txt")
    if not present(truth)[0]:
        raise SourceError(f"{folder}: frame 1 has no box to start from")
    return Sequence(folder.name, open_frames(images), truth)
