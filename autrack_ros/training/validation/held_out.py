"""What is never trained on: films named in a list, and one family of cut-out objects in eight."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.sources.base import DataError, Source, TrainingObject

DEFORMING = ("person", "animal")
KINDS = (*DEFORMING, "face", "vehicle", "aircraft", "thing")
ONE_IN = 8  # families of cut-out objects


@dataclass(frozen=True, slots=True)
class Film:
    """A real film to validate on.

    Attributes:
        set: name of the source it is from.
        film: its clip id there; no track of it is trained on, nor a clip of that id elsewhere.
        target: the track that is followed.
        kind: of ``KINDS``.
        lookalikes: whether others of its kind are in the picture.
    """

    set: str
    film: str
    target: int | str
    kind: str
    lookalikes: bool

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(f"kind = {self.kind!r}: accepted is one of {', '.join(KINDS)}")
        if not isinstance(self.lookalikes, bool):
            raise ConfigurationError(f"lookalikes = {self.lookalikes!r}: must be true or false")

    @property
    def object_name(self) -> str:
        """What ``sources.boxes`` calls the target."""
        return f"{self.film}/{self.target}"

    @property
    def attributes(self) -> tuple[str, ...]:
        """The groups it is scored in."""
        deforming = ("people_and_animals",) if self.kind in DEFORMING else ()
        return (self.kind, *deforming, *(("lookalikes",) if self.lookalikes else ()))


def read_films(path: Path) -> tuple[Film, ...]:
    """Read a list of films: YAML, ``films`` with the attributes of ``Film`` each.

    Raises:
        ConfigurationError: no such file, no list, a film that is named twice, lacks a key, has an
            unknown one or a value outside its range; names the file and the film's number.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"list of films {path}: {error}") from error
    entries = content.get("films") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ConfigurationError(f"{path}: films = {entries!r}: must be a list, not empty")
    films: list[Film] = []
    for number, entry in enumerate(entries, 1):
        try:
            film = Film(**entry)
        except (TypeError, ConfigurationError) as error:
            raise ConfigurationError(f"{path}: film {number}: {error}") from error
        if film.object_name in {other.object_name for other in films}:
            raise ConfigurationError(f"{path}: film {number}: {film.object_name} is named twice")
        films.append(film)
    return tuple(films)


def find_films(
    sources: Iterable[Source], films: Iterable[Film]
) -> list[tuple[Film, TrainingObject]]:
    """The films whose sets are among the sources, in the order of the list, and their targets.

    Raises:
        DataError: a set lacks a film that is named, or it has one picture of the target.
    """
    by_name = {source.name: {thing.name: thing for thing in source.objects()} for source in sources}
    found = []
    for film in films:
        if film.set not in by_name:
            continue
        thing = by_name[film.set].get(film.object_name)
        if thing is None or len(thing.views) < 2:
            raise DataError(
                f"held-out film {film.object_name}: the set {film.set} has no clip with that track"
            )
        found.append((film, thing))
    return found


def held_out(source: str, thing: TrainingObject, films: Sequence[Film] = ()) -> bool:
    """Whether an object must not be trained on.

    Of clips the films named; of cut-outs one family in ``ONE_IN``; nothing else. The source does
    not matter, so that a thing that is in two of them is out of both.
    """
    if thing.clip is not None:
        return any(thing.clip == film.film for film in films)
    is_cutout = thing.views[0].box is None
    return is_cutout and zlib.crc32(family(thing).encode()) % ONE_IN == 0


def family(thing: TrainingObject) -> str:
    """What an object shares with those that look nearly the same.

    Of models their label ("oven"); of pictures, whose labels are broad, the first word of the file
    name: "cow.png" and "cow_white.png" are one family.
    """
    words = re.findall(r"[a-z]+", Path(thing.name).stem.lower())
    return words[0] if words and len(thing.views) == 1 else thing.label
