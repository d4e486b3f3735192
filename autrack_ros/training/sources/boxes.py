"""Pictures with boxes: a folder with ``annotations.jsonl`` and ``images/``."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from autrack_ros.tracking.boxes import Box
from autrack_ros.training.sources.base import AnnotatedFolder, DataError, TrainingObject, View

Line = tuple[str, str | None, list[tuple[Box, str, object]]]  # file, clip, (box, label, track)


class Boxes(AnnotatedFolder):
    """One JSON a line: ``file``, ``seq`` (clip id or null) and ``objs``.

    ``objs`` are lists [x, y, width, height, label, track id or null], 0-based pixels. What has the
    same track id in a clip is one object; what has none is an object of its own.

    Raises:
        DataError: the set is missing or empty, or a line is no such JSON.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        expected = "annotations.jsonl with an object"
        super().__init__(folder, name, _read_objects(folder), expected)


def _read_objects(folder: Path) -> Iterator[TrainingObject]:
    labels: dict[tuple[str, object], str] = {}
    tracks: dict[tuple[str, object], list[View]] = defaultdict(list)
    for file, clip, things in _read_lines(folder):
        for number, (box, label, track) in enumerate(things):
            view = View(folder / file, box)
            if clip is None or track is None:
                yield TrainingObject(f"{file}#{number}", label, [view], clip)
            else:
                labels.setdefault((clip, track), label)
                tracks[clip, track].append(view)
    for (clip, track), views in tracks.items():
        yield TrainingObject(f"{clip}/{track}", labels[clip, track], views, clip)


def _read_lines(folder: Path) -> Iterator[Line]:
    annotations = folder / "annotations.jsonl"
    if not annotations.is_file():
        raise DataError(f"training set {folder.name}: {annotations} does not exist")
    with annotations.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield _parse_line(line)
            except (ValueError, KeyError, TypeError, IndexError) as error:
                shown = f"{type(error).__name__}: {error}"
                raise DataError(f"{annotations}:{number}: not an annotation line ({shown})") from (
                    error
                )


def _parse_line(line: str) -> Line:
    record = json.loads(line)
    things = [
        (_checked(Box(*map(float, values[:4]))), str(values[4]), values[5])
        for values in record["objs"]
    ]
    return str(record["file"]), record["seq"], things


def _checked(box: Box) -> Box:
    if not (all(map(math.isfinite, box)) and box.w > 0 and box.h > 0):
        raise ValueError(f"box {tuple(box)}: finite numbers, width and height above 0 are wanted")
    return box
