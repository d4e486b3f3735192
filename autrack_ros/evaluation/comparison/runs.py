"""Runs as ``autrack evaluate --results-dir`` has left them, and what of them can be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.evaluation.long_term import Reports
from autrack_ros.evaluation.metrics import Scores
from autrack_ros.evaluation.results import read_frames, read_reports
from autrack_ros.tracking.errors import ConfigurationError

_NAMED = 8  # sequences that an error names at most


@dataclass(frozen=True, slots=True)
class StoredSequence:
    """One sequence of a run.

    Attributes:
        boxes: N x 4, edge coordinates, frame 1 included.
        overlaps: N, 0..1; NaN where the target is absent.
        center_errors: N, pixels; NaN where the target is absent.
        scores: by metric.
        attributes: scores on the frames that have an attribute.
        reports: for the long-term metrics.
        truth_sha256: of what they come from besides the boxes.
    """

    boxes: np.ndarray
    overlaps: np.ndarray
    center_errors: np.ndarray
    scores: Scores
    attributes: dict[str, Scores]
    reports: Reports
    truth_sha256: str


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One result folder.

    Attributes:
        name: unique among the runs that are compared.
        settings: what ran (run.json).
        sequences: that are complete and scored, by name.
        fps: frames a second; None where the folder does not tell.
    """

    name: str
    settings: dict[str, Any]
    sequences: dict[str, StoredSequence]
    fps: float | None


def load_runs(folders: Sequence[Path]) -> list[StoredRun]:
    """Runs, named after their folders; by the whole path where two have the same name.

    Raises:
        SourceError: not a result folder, a damaged one, or one without a scored sequence.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    return [_load_run(name, folder) for name, folder in zip(names, folders, strict=True)]


def common_sequences(runs: Sequence[StoredRun], common: bool) -> tuple[list[str], list[str]]:
    """Names of the sequences to compare, and of those left out.

    Args:
        runs: of one format.
        common: leave out what not all of them have with the same truth, instead of an error.

    Raises:
        ConfigurationError: formats differ; sequences or their truth do and ``common`` is false; no
            sequence is left.
    """
    formats = {run.name: run.settings["format"] for run in runs}
    if len(set(formats.values())) > 1:
        told = ", ".join(f"{name} is of {format_name}" for name, format_name in formats.items())
        raise ConfigurationError(f"runs of different formats cannot be compared: {told}")
    names = sorted({name for run in runs for name in run.sequences})
    shared = [name for name in names if all(name in run.sequences for run in runs)]
    alike = [name for name in shared if len({r.sequences[name].truth_sha256 for r in runs}) == 1]
    left_out = [name for name in names if name not in alike]
    if left_out and not common:
        problems = [
            f"{run.name} lacks {_listed([name for name in names if name not in run.sequences])}"
            for run in runs
            if len(run.sequences) < len(names)
        ]
        if len(alike) < len(shared):
            other = _listed([name for name in shared if name not in alike])
            problems.append(f"the ground truth differs of {other}")
        raise ConfigurationError(
            f"the runs are not of the same sequences: {'; '.join(problems)} "
            "(--common compares the others)"
        )
    if not alike:
        raise ConfigurationError("the runs have no sequence with the same truth in common")
    return alike, left_out


def _load_run(name: str, folder: Path) -> StoredRun:
    file = folder / "run.json"
    if not file.is_file():
        raise SourceError(
            f"{folder} holds no run.json; accepted: a folder that 'autrack evaluate --results-dir' "
            "has filled"
        )
    settings = _read_json(file)
    if "format" not in settings:
        raise SourceError(f"{file}: names no format")
    sequences = {}
    for metrics_file in sorted((folder / "metrics").glob("*.json")):
        told = _read_json(metrics_file)
        if told.get("scores") is not None:
            sequences[metrics_file.stem] = _load_sequence(folder, metrics_file, told)
    if not sequences:
        raise SourceError(f"{folder}: no sequence is complete and scored")
    speed = folder / "speed.json"
    fps = _read_json(speed)["mean"]["fps"] if speed.is_file() else None
    return StoredRun(name, settings, sequences, fps)


def _load_sequence(folder: Path, metrics_file: Path, told: dict[str, Any]) -> StoredSequence:
    hashes = told.get("sha256", {})
    files = {
        "boxes": folder / "boxes" / f"{metrics_file.stem}.txt",
        "frames": folder / "frames" / f"{metrics_file.stem}.csv",
    }
    for kind, file in files.items():
        content = file.read_bytes() if file.is_file() else None
        if content is None or hashlib.sha256(content).hexdigest() != hashes.get(kind):
            raise SourceError(
                f"{file}: {'missing' if content is None else 'damaged'}; "
                "give the command of the evaluation again, which makes it anew"
            )
    overlaps, center_errors, *_ = read_frames(files["frames"])[0].T
    return StoredSequence(
        read_boxes(files["boxes"]),
        overlaps,
        center_errors,
        told["scores"],
        told["attributes"],
        read_reports(files["frames"]),
        hashes["truth"],
    )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{file}: no readable JSON ({error})") from error


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
