"""Where training objects come from: pictures with boxes, and cut-outs with transparency."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.training.sources.base import DataError

MIN_SIDE_PX = 8.0
MAX_ASPECT = 6.0
MAX_PICTURE_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class PictureObject:
    """One annotated object: the index of its picture and its box there (edge coordinates)."""

    picture: int
    box: Box
    label: str


class BoxSet:
    """A folder with ``annotations.jsonl`` and ``images/``, decoded and held in memory.

    One JSON a line: ``file, w, h, seq`` (clip id or null) and ``objs`` = [x, y, w, h, label, track
    id or null], 0-based pixels. Objects under 8 px, longer than 6:1 or over 0.9 of their picture
    are left out.

    Attributes:
        pictures: HxWx3 uint8 BGR.
        objects: the usable objects.
        skipped: file names of pictures that could not be decoded.

    Raises:
        DataError: the set is missing or empty, a line is no such JSON, or a box leaves its picture.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.pictures: list[np.ndarray] = []
        self.objects: list[PictureObject] = []
        self.skipped: list[str] = []
        self._tracks: dict[tuple[str, object], list[int]] = defaultdict(list)
        self._track_of: dict[int, tuple[str, object]] = {}
        self._in_picture: dict[int, list[int]] = defaultdict(list)
        self._labels: dict[str, list[int]] = defaultdict(list)
        annotations = folder / "annotations.jsonl"
        if not annotations.is_file():
            raise DataError(f"training set {folder.name}: {annotations} does not exist")
        with annotations.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                self._read_line(folder, f"{annotations}:{number}", line)
        if not self.objects:
            raise DataError(f"training set {folder.name}: no usable object in {annotations}")

    def _read_line(self, folder: Path, where: str, line: str) -> None:
        try:
            record = json.loads(line)
            file, clip = record["file"], record["seq"]
            objects = [
                (Box(*map(float, values[:4])), str(values[4]), values[5])
                for values in record["objs"]
            ]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError(f"{where}: not an annotation line ({error})") from error
        picture = cv2.imread(str(folder / file), cv2.IMREAD_COLOR)
        if picture is None:
            self.skipped.append(file)
            return
        height, width = picture.shape[:2]
        index = len(self.pictures)
        self.pictures.append(picture)
        for box, label, track in objects:
            inside = box.x >= -1 and box.y >= -1
            inside &= box.x + box.w <= width + 1 and box.y + box.h <= height + 1
            if not (inside and box.w > 0 and box.h > 0):
                raise DataError(
                    f"{where}: box {tuple(box)} is not inside the {width}x{height} picture {file}"
                )
            if min(box.w, box.h) < MIN_SIDE_PX or box.area > MAX_PICTURE_SHARE * width * height:
                continue
            if max(box.w / box.h, box.h / box.w) > MAX_ASPECT:
                continue
            number = len(self.objects)
            self.objects.append(PictureObject(index, box, label))
            self._in_picture[index].append(number)
            self._labels[label].append(number)
            if clip is not None and track is not None:
                self._track_of[number] = (clip, track)
                self._tracks[clip, track].append(number)

    def same_track(self, index: int) -> list[int]:
        """The same object in all frames of its clip; without a track only itself."""
        return self._tracks[self._track_of[index]] if index in self._track_of else [index]

    def same_label(self, index: int) -> list[int]:
        """Objects of the same label, in any picture (itself included)."""
        return self._labels[self.objects[index].label]

    def same_picture(self, index: int) -> list[int]:
        """Objects of the same picture (itself included)."""
        return self._in_picture[self.objects[index].picture]


@dataclass(frozen=True, slots=True)
class Cutout:
    """An object cut out of its background.

    Attributes:
        image: HxWx4 uint8, BGR and opacity.
        outline: Nx2 float64, convex hull of the opaque pixels, pixel-centre coordinates.
    """

    image: np.ndarray
    outline: np.ndarray

    @classmethod
    def from_image(cls, image: np.ndarray) -> Cutout | None:
        """The cut-out in an HxWx4 picture, or None where nothing is opaque."""
        rows, columns = np.nonzero(image[..., 3] > 127)
        if len(rows) < 16:
            return None
        points = np.stack([columns, rows], axis=1).astype(np.int32)
        return cls(image, cv2.convexHull(points)[:, 0].astype(np.float64))


def load_cutouts(folder: Path, min_side: int = 96, max_side: int = 256) -> list[Cutout]:
    """Photographed cut-outs below a folder: PNG files with transparency and many colours.

    Drawings (few colours), symbols and pictures smaller than ``min_side`` are left out; larger ones
    are reduced to ``max_side`` pixels.

    Raises:
        DataError: the folder is missing or holds no such picture.
    """
    cutouts = []
    for path in sorted(folder.rglob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None or image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
            continue
        opaque = image[..., 3] > 127
        if min(image.shape[:2]) < min_side or not 0.1 < opaque.mean() < 0.98:
            continue
        coarse_colors = np.unique((image[opaque][:, :3] >> 3).astype(np.int32) @ (1, 32, 1024))
        if len(coarse_colors) < 600:
            continue
        scale = max_side / max(image.shape[:2])
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cutout = Cutout.from_image(image)
        if cutout is not None:
            cutouts.append(cutout)
    if not cutouts:
        raise DataError(
            f"cut-outs: no photographed PNG cut-out in {folder}; `python -m "
            "autrack_ros.training.fetch` brings those of the package tuxpaint-stamps-default"
        )
    return cutouts


def soft_cutout(picture: np.ndarray, box: Box) -> Cutout | None:
    """The inside of a box, cut out with a soft super-elliptic edge; None if too small."""
    height, width = picture.shape[:2]
    left, top = max(int(box.x), 0), max(int(box.y), 0)
    right = min(math.ceil(box.x + box.w), width)
    bottom = min(math.ceil(box.y + box.h), height)
    if right - left < MIN_SIDE_PX or bottom - top < MIN_SIDE_PX:
        return None
    columns = np.linspace(-1, 1, right - left)
    rows = np.linspace(-1, 1, bottom - top)
    radius = (columns[None] ** 4 + rows[:, None] ** 4) ** 0.25
    opacity = np.clip((1 - radius) / 0.1, 0, 1) * 255
    image = np.dstack([picture[top:bottom, left:right], opacity.astype(np.uint8)])
    return Cutout.from_image(image)
