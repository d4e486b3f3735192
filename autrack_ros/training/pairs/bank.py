"""All training objects as decoded crops of one size, ready to be composed into pairs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from autrack_ros.tracking.crops import mean_color
from autrack_ros.training.pairs.crops import StoredCrops, StoredWindow, stored_window
from autrack_ros.training.pairs.cutting import (
    CROP_CONTEXTS,
    CROP_SIZE,
    OUTLINE_POINTS,
    background_squares,
    cut_box,
    cut_cutout,
)
from autrack_ros.training.pairs.shards import read_shards, write_shards
from autrack_ros.training.sources.base import (
    MAX_ASPECT,
    MAX_PICTURE_SHARE,
    MIN_SIDE_PX,
    DataError,
    Source,
    TrainingObject,
)
from autrack_ros.training.sources.pictures import read_picture

__all__ = ["CROP_CONTEXTS", "CROP_SIZE", "OUTLINE_POINTS", "CropBank"]

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
MIN_BACKGROUND_PX = 128  # smaller pictures, enlarged, are but blur
INDEX = "index.json"

_TABLE = ("outline", "cutout", "mean_color", "object", "label", "source", "picture", "time")

HeldOut = Callable[[str, TrainingObject], bool]


def never(source: str, thing: TrainingObject) -> bool:
    """Holds nothing out."""
    return False


@dataclass(frozen=True, eq=False)
class CropBank:
    """N crops, each centred on one view of an object, and M backgrounds.

    A crop is a square of ``CROP_CONTEXTS`` context sides, S = ``CROP_SIZE`` pixels wide.

    Attributes:
        pixels: (S, S, 4) uint8 each, BGR and opacity; opacity is 0 outside the picture or cut-out.
        outline: (N, 32, 2) float32, x and y of points on the object's edge, crop pixels, in
            pixel-centre coordinates: pixel i reaches from i - 0.5 to i + 0.5, so the inclusive
            corners of the object's box are ``min + 0.5`` and ``max - 0.5`` of the outline. A
            cut-out: the point that reaches farthest, in 32 directions. A box: its inscribed ellipse
            at 32 angles, its four extremes among them.
        cutout: (N,) bool; the opacity is the object's own.
        mean_color: (N, 3) float32 BGR 0..255 of the whole picture; of a cut-out's opaque pixels.
        object: (N,) int64; crops of one object are its views.
        label: (N,) int64, into ``label_names``; the same word is the same label in every source.
        source: (N,) int64, into ``source_names``.
        picture: (N,) int64; crops of one picture follow each other and may show each other.
        time: (N,) int64; number of the view in its object.
        backgrounds: (M, S, S, 3) uint8 BGR, square parts of pictures without a target.
        source_names: of the sources.
        label_names: of the labels.
        skipped: pictures that could not be decoded.
    """

    pixels: StoredCrops
    outline: Tensor
    cutout: Tensor
    mean_color: Tensor
    object: Tensor
    label: Tensor
    source: Tensor
    picture: Tensor
    time: Tensor
    backgrounds: Tensor
    source_names: list[str]
    label_names: list[str]
    skipped: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> CropBank:
        """The same bank with every tensor on a device; ``pixels`` stay where they are."""
        tensors: dict[str, Any] = {
            column.name: value.to(device)
            for column in fields(self)
            if isinstance(value := getattr(self, column.name), Tensor)
        }
        return replace(self, **tensors)

    @classmethod
    def build(
        cls,
        sources: Sequence[Source],
        background_folders: Sequence[Path] = (),
        held_out: HeldOut = never,
    ) -> CropBank:
        """Decode every picture once and cut its objects out.

        What is too small, long or large to learn from is left out; pictures that cannot be decoded
        are too, and ``skipped`` lists them.

        Args:
            sources: of objects; their names are unique.
            background_folders: pictures at any depth below them; transparent or small ones are left
                out.
            held_out: by source name and object; what it holds out never enters the bank.

        Raises:
            DataError: a source has no usable object, all objects are held out, a folder has no
                usable background, a box lies outside its picture, or a cut-out has no transparency.
        """
        names = [source.name for source in sources]
        if len(set(names)) < len(names):
            raise DataError(f"training sets {names}: two have the same name")
        cutter = _Cutter()
        for source in sources:
            cutter.add(source, held_out)
        if cutter.is_empty:
            raise DataError(f"training sets {names}: every object is held out for validation")
        squares = [s for folder in background_folders for s in cutter.backgrounds(folder)]
        return cls(
            **cutter.columns(),
            backgrounds=_stacked(squares),
            source_names=names,
            label_names=list(cutter.labels),
            skipped=cutter.skipped,
        )

    def save(self, folder: Path) -> None:
        """Write the bank as files of at most 60 MB (``shards``); JPEG changes its pixels a little.

        Args:
            folder: made if missing; a bank in it is replaced. The index is written last, so an
                interrupted save is not taken for a bank.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).unlink(missing_ok=True)
        table = {name: getattr(self, name) for name in _TABLE}
        table |= {
            "bounds": torch.from_numpy(self.pixels.bounds),
            "fill": torch.from_numpy(self.pixels.fill),
        }
        windows = (window.pixels for window in self.pixels.windows())
        index = {
            "crop_contexts": CROP_CONTEXTS,
            "crop_size": CROP_SIZE,
            "crops": len(self),
            "crop_files": write_shards(folder, "crops", windows, table),
            "background_files": write_shards(folder, "backgrounds", self.backgrounds.numpy(), {}),
            "source_names": self.source_names,
            "label_names": self.label_names,
            "skipped": self.skipped,
        }
        (folder / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CropBank:
        """Read what ``save`` wrote.

        Raises:
            DataError: a file is missing or damaged, or the crops are of another size.
        """
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            size, contexts = index["crop_size"], index["crop_contexts"]
            if (size, contexts) != (CROP_SIZE, CROP_CONTEXTS):
                raise DataError(
                    f"{folder / INDEX}: crops of {size} pixels and {contexts} contexts; make the "
                    f"bank again, with {CROP_SIZE} and {CROP_CONTEXTS}"
                )
            pictures, table = read_shards(folder, index["crop_files"])
            if len(pictures) != index["crops"]:
                raise DataError(
                    f"{folder / INDEX}: {len(pictures)} pictures in the files, not {index['crops']}"
                )
            places = zip(pictures, table["bounds"].tolist(), table["fill"].tolist(), strict=True)
            backgrounds, _ = read_shards(folder, index["background_files"])
            return cls(
                pixels=StoredCrops(size, [StoredWindow(*place) for place in places]),
                **{name: table[name] for name in _TABLE},
                backgrounds=_stacked(backgrounds),
                source_names=index["source_names"],
                label_names=index["label_names"],
                skipped=index["skipped"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            shown = f"{type(error).__name__}: {error}"
            raise DataError(f"{folder / INDEX}: not the index of a crop bank ({shown})") from error


def _stacked(squares: Sequence[np.ndarray]) -> Tensor:
    """(M, S, S, 3) uint8."""
    backgrounds = torch.empty((len(squares), CROP_SIZE, CROP_SIZE, 3), dtype=torch.uint8)
    for row, square in zip(backgrounds.numpy(), squares, strict=True):
        row[:] = square
    return backgrounds


class _Cutter:
    """Cuts the objects of sources and keeps the columns of the bank."""

    def __init__(self) -> None:
        self.labels: dict[str, int] = {}
        self.skipped: list[str] = []
        self._windows: list[StoredWindow] = []
        self._rows: list[dict[str, Any]] = []
        self._objects = self._sources = self._pictures = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was cut."""
        return not self._rows

    def add(self, source: Source, held_out: HeldOut) -> None:
        """Cut all objects of a source, picture by picture."""
        where = f"training set {source.name}"
        views: dict[Path, list[tuple[int, int, TrainingObject]]] = defaultdict(list)
        objects = list(source.objects())
        things = [thing for thing in objects if not held_out(source.name, thing)]
        for number, thing in enumerate(things, self._objects):
            for time, view in enumerate(thing.views):
                views[view.picture].append((number, time, thing))
        rows_before, skipped_before = len(self._rows), len(self.skipped)
        for path, seen in views.items():
            picture = read_picture(path)
            if picture is None:
                self.skipped.append(str(path))
                continue
            self._add_picture(picture, seen, f"{where}: {path}")
        for_validation_alone = bool(objects) and not things
        if len(self._rows) == rows_before and not for_validation_alone:
            raise DataError(
                f"{where}: none of {len(things)} objects can be used; "
                f"{len(self.skipped) - skipped_before} pictures could not be decoded, and objects "
                f"under {MIN_SIDE_PX:g} px, longer than {MAX_ASPECT:g}:1 or over "
                f"{MAX_PICTURE_SHARE} of their picture are left out"
            )
        self._objects += len(things)
        self._sources += 1

    def _add_picture(
        self, picture: np.ndarray, seen: list[tuple[int, int, TrainingObject]], where: str
    ) -> None:
        color = mean_color(picture[..., :3])
        opaque = cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2BGRA)
        for number, time, thing in seen:
            box = thing.views[time].box
            out = np.empty((CROP_SIZE, CROP_SIZE, 4), np.uint8)
            if box is not None:
                outline = cut_box(opaque, box, out, where)
            else:
                outline, color = cut_cutout(picture, out, where)
            if outline is None:
                continue
            self._windows.append(stored_window(out, cutout=box is None))
            self._rows.append(
                {
                    "outline": outline,
                    "cutout": box is None,
                    "mean_color": color,
                    "object": number,
                    "label": self.labels.setdefault(thing.label, len(self.labels)),
                    "source": self._sources,
                    "picture": self._pictures,
                    "time": time,
                }
            )
        self._pictures += 1

    def columns(self) -> dict[str, Any]:
        """The crops and their table; objects and pictures without a crop are not numbered."""
        table = {name: np.array([row[name] for row in self._rows]) for name in _TABLE}
        for name in ("object", "picture"):
            table[name] = np.unique(table[name], return_inverse=True)[1]
        for name in ("outline", "mean_color"):
            table[name] = table[name].astype(np.float32)
        tensors = {name: torch.from_numpy(column) for name, column in table.items()}
        return {"pixels": StoredCrops(CROP_SIZE, self._windows), **tensors}

    def backgrounds(self, folder: Path) -> Iterator[np.ndarray]:
        """Square parts of the pictures below a folder."""
        found = False
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in PICTURE_SUFFIXES:
                continue
            picture = read_picture(path)
            if picture is None:
                self.skipped.append(str(path))
                continue
            transparent = picture.shape[2] == 4 and picture[..., 3].min() < 255
            if transparent or min(picture.shape[:2]) < MIN_BACKGROUND_PX:
                continue
            found = True
            yield from background_squares(picture[..., :3])
        if not found:
            raise DataError(
                f"backgrounds: no picture without transparency of {MIN_BACKGROUND_PX} px or more "
                f"in {folder}"
            )
