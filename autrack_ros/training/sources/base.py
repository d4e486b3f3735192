"""What every source of training objects gives: objects in all their views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import AutrackError

MIN_SIDE_PX = 8.0
MAX_ASPECT = 6.0
MAX_PICTURE_SHARE = 0.9


class DataError(AutrackError):
    """Training data that is missing or unusable; names the file and what is expected."""


@dataclass(frozen=True, slots=True)
class View:
    """One appearance of an object.

    Attributes:
        picture: file; HxWx3 colours, or HxWx4 with opacity where it is a cut-out.
        box: the object, edge coordinates; None where the opaque pixels of a cut-out are the object.
    """

    picture: Path
    box: Box | None


@dataclass(frozen=True, slots=True)
class TrainingObject:
    """The same thing in all its views.

    Attributes:
        name: unique in its source.
        label: its class; objects of one label look alike.
        views: at least one.
        clip: the video it is from, then its views are in order of time.
    """

    name: str
    label: str
    views: Sequence[View]
    clip: str | None = None


class Source(Protocol):
    """A data set: a name, unique among those used together, and its objects in a fixed order."""

    name: str

    def objects(self) -> Iterator[TrainingObject]:
        """The objects that the set annotates; pictures are not looked at."""
        ...


class AnnotatedFolder:
    """A source whose annotations are read when it is made, so that errors come before the work.

    Args:
        folder: of the set.
        name: of the source; by default the folder's.
        objects: reads them; used after the folder was found to exist.
        expected: what the folder should hold, for the error message.

    Raises:
        DataError: the folder does not exist or holds no object.
    """

    def __init__(
        self, folder: Path, name: str | None, objects: Iterable[TrainingObject], expected: str
    ) -> None:
        self.name = name or folder.absolute().name
        if not folder.is_dir():
            raise DataError(f"training set {self.name}: the folder {folder} does not exist")
        self._objects = list(objects)
        if not self._objects:
            raise DataError(f"training set {self.name}: no object in {folder}; expected {expected}")

    def objects(self) -> Iterator[TrainingObject]:
        """The objects, always in the same order."""
        return iter(self._objects)


def require_overlap(box: Box, width: int, height: int, where: str) -> None:
    """Check that an annotation is about its picture.

    Raises:
        DataError: the box lies wholly outside the width x height picture; begins with ``where``.
    """
    if box.x >= width or box.y >= height or box.x + box.w <= 0 or box.y + box.h <= 0:
        shown = f"box x={box.x:g} y={box.y:g} w={box.w:g} h={box.h:g}"
        raise DataError(f"{where}: {shown} lies outside the {width}x{height} picture")


def is_trainable(box: Box, width: int, height: int) -> bool:
    """Whether the part of an object inside its width x height picture can be learnt from.

    It cannot where it is not ``is_compact`` or takes over 0.9 of the picture.
    """
    inside = box.clipped(width, height)
    return is_compact(inside) and inside.area <= MAX_PICTURE_SHARE * width * height


def is_compact(box: Box) -> bool:
    """Whether an object is at least 8 px wide and high and at most six times longer than wide."""
    shorter, longer = sorted((box.w, box.h))
    return shorter >= MIN_SIDE_PX and longer <= MAX_ASPECT * shorter
