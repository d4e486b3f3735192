"""What every source of training objects gives: objects in all their views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import AutrackError


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
    """A data set: a name and its objects, in the same order every time."""

    name: str

    def objects(self) -> Iterator[TrainingObject]:
        """Read the annotations (not the pictures).

        Raises:
            DataError: the set is empty, or an annotation is unreadable.
        """
        ...
