"""The folder that an evaluation fills, sequence by sequence, and takes up again.

::

    run.json                what ran: format, model and its hash, settings, versions
    boxes/<sequence>.txt    x,y,w,h a line, frame 1 included, no digit lost
    frames/<sequence>.csv   overlap and centre errors of every frame, empty where not annotated;
                            score, state, and whether the target is present, absent or unknown
    metrics/<sequence>.json scores and the hashes of what they come from; written last
    summary.json            scores of every sequence, their means, means by attribute, long-term
                            numbers
    submission/             result files in the form of the benchmark's toolkit
    times/<sequence>.txt    seconds a frame; line 1 is the start, adaptation included
    speed.json              frames a second

Two runs of the same model with the same settings give the same files, but for ``times``,
``speed.json`` and the seconds that some toolkits want in ``submission``. Files appear whole or not
at all, so a run that was killed is taken up by running it again: a sequence is done if its metrics
are there and their hashes fit. Sequences whose ground truth has changed are done again; a folder
that another model or other settings have filled is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation import long_term, metrics
from autrack_ros.evaluation.boxfiles import box_lines, read_boxes
from autrack_ros.evaluation.datasets import FORMATS
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.presence import TrackState

METRICS = "metrics"
FRAME_COLUMNS = ("overlap", "center_error", "normalized_error", "score", "state", "target")
_REFUSED = "{file}: filled with {name} {old}, not {new}; choose another folder for the results"


@dataclass(frozen=True, slots=True)
class TrackedSequence:
    """What a tracker made of one sequence, N frames, frame 1 included.

    Attributes:
        boxes: N x 4, edge coordinates; the last one where the target is LOST.
        seconds: N; the first is that of the start.
        scores: N, of the tracker.
        states: N.
    """

    boxes: np.ndarray
    seconds: np.ndarray
    scores: np.ndarray
    states: Seq[TrackState]


@dataclass(frozen=True, slots=True)
class SequenceResult:
    """One sequence as a run left it.

    Attributes:
        boxes: N x 4, edge coordinates, frame 1 included.
        seconds: N; the first is that of the start.
        scores: by metric; None where the annotation is withheld.
        attributes: scores on the frames that have an attribute.
        reports: for the long-term metrics.
    """

    boxes: np.ndarray
    seconds: np.ndarray
    scores: metrics.Scores | None
    attributes: dict[str, metrics.Scores]
    reports: long_term.Reports


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """Files of one run.

    Attributes:
        path: the folder.
        settings: what ran, as JSON takes it; ``open_results`` says what it must hold.
    """

    path: Path
    settings: dict[str, Any]

    def is_done(self, sequence: Sequence) -> bool:
        """Whether the sequence is complete and comes from this ground truth and these settings."""
        try:
            told = json.loads(self._metrics(sequence).read_text(encoding="utf-8"))["sha256"]
            boxes = self._boxes(sequence).read_bytes()
            frames = self._frames(sequence).read_bytes()
        except (OSError, ValueError, LookupError, TypeError):  # missing or damaged
            return False
        return told == self._hashes(sequence, boxes, frames) and self._times(sequence).is_file()

    def save(self, sequence: Sequence, tracked: TrackedSequence) -> None:
        """Write all files of one sequence."""
        boxes, seconds = tracked.boxes, tracked.seconds
        text = box_lines(boxes, "")
        frames = frame_lines(tracked, sequence)
        scores = metrics.scores(boxes, sequence.truth) if sequence.scored else None
        known = FORMATS.get(self.settings["format"])  # bags are of none
        submit = known.submit if known else None
        submitted = (
            submit(self.settings["tracker"].replace(":", "."), sequence.name, boxes, seconds)
            if submit
            else {}
        )
        for name, content in submitted.items():
            write_whole(self.path / "submission" / name, content)
        write_whole(self._times(sequence), "".join(f"{value:.8f}\n" for value in seconds))
        write_whole(self._boxes(sequence), text)
        write_whole(self._frames(sequence), frames)
        told = {
            "sequence": sequence.name,
            "frames": len(boxes),
            "annotated": int(metrics.present(sequence.truth).sum()),
            "scores": scores,
            "attributes": metrics.attribute_scores(boxes, sequence.truth, sequence.attributes),
            "sha256": self._hashes(sequence, text.encode(), frames.encode()),
        }
        write_whole(self._metrics(sequence), as_json(told))

    def load(self, sequence: Sequence) -> SequenceResult:
        """What ``save`` wrote."""
        told = json.loads(self._metrics(sequence).read_text(encoding="utf-8"))
        return SequenceResult(
            read_boxes(self._boxes(sequence)),
            np.loadtxt(self._times(sequence), ndmin=1),
            told["scores"],
            told["attributes"],
            read_reports(self._frames(sequence)),
        )

    def save_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary of the run."""
        write_whole(self.path / "summary.json", as_json(summary))

    def save_speed(self, speed: Mapping[str, Any]) -> None:
        """Write what is known of the run's speed."""
        write_whole(self.path / "speed.json", as_json(speed))

    def _hashes(self, sequence: Sequence, boxes: bytes, frames: bytes) -> dict[str, Any]:
        return {
            "boxes": hashlib.sha256(boxes).hexdigest(),
            "frames": hashlib.sha256(frames).hexdigest(),
            "columns": list(FRAME_COLUMNS),  # fewer in folders of older versions
            "truth": sequence.truth_sha256,
            "model": self.settings["model_sha256"],
            "settings": hashlib.sha256(as_json(self.settings).encode()).hexdigest(),
        }

    def _boxes(self, sequence: Sequence) -> Path:
        return self.path / "boxes" / f"{sequence.name}.txt"

    def _frames(self, sequence: Sequence) -> Path:
        return self.path / "frames" / f"{sequence.name}.csv"

    def _times(self, sequence: Sequence) -> Path:
        return self.path / "times" / f"{sequence.name}.txt"

    def _metrics(self, sequence: Sequence) -> Path:
        return self.path / METRICS / f"{sequence.name}.json"


def open_results(path: Path, settings: dict[str, Any]) -> ResultFolder:
    """A new folder for the results of a run, or one that the same run has begun to fill.

    Args:
        path: of the folder.
        settings: all that the boxes depend on, as JSON takes it. ``format`` (a name in
            ``FORMATS``, or another, of which nothing is submitted), ``tracker`` (its name in
            submissions) and ``model_sha256`` (None for a tracker without a model, by name for one
            of several files) must be in it.

    Raises:
        ConfigurationError: the folder was filled with other settings.
    """
    file = path / "run.json"
    if file.is_file():
        old = json.loads(file.read_text(encoding="utf-8"))
        for name in {**settings, **old}:
            if old.get(name) != settings.get(name):
                raise ConfigurationError(
                    _REFUSED.format(file=file, name=name, old=old.get(name), new=settings.get(name))
                )
    else:
        write_whole(file, as_json(settings))
    return ResultFolder(path, settings)


def summarize(results: Mapping[str, SequenceResult]) -> dict[str, Any]:
    """Scores of every sequence, their means, and by attribute the means and sequences counted.

    ``long_term`` is that of ``long_term.summary``, over the sequences that are scored; None of
    none.
    """
    scored = {name: row.reports for name, row in results.items() if row.scores is not None}
    return {
        "mean": metrics.mean_scores(_scored(result.scores for result in results.values())),
        "long_term": long_term.summary(scored) if scored else None,
        "attributes": _by_attribute([result.attributes for result in results.values()]),
        "sequences": {name: result.scores for name, result in results.items()},
    }


def frame_lines(tracked: TrackedSequence, sequence: Sequence) -> str:
    """Text of a file of frames."""
    boxes, truth, annotated = tracked.boxes, sequence.truth, sequence.annotated
    target = np.where(metrics.present(truth), "present", "absent")
    if annotated is not None:
        target = np.where(annotated, target, "unknown")
    columns = (
        metrics.ious(boxes, truth),
        metrics.center_errors(boxes, truth),
        metrics.normalized_errors(boxes, truth),
        tracked.scores,
    )
    rows = (
        ",".join("" if np.isnan(value) else repr(float(value)) for value in row)
        + f",{state.value},{there}"
        for *row, state, there in zip(*columns, tracked.states, target, strict=True)
    )
    return "\n".join((",".join(FRAME_COLUMNS), *rows)) + "\n"


def read_frames(path: Path) -> tuple[np.ndarray, list[str], list[str]]:
    """What ``frame_lines`` wrote: N x 4 numbers, NaN where there is none; N states, N targets."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[:1] != [",".join(FRAME_COLUMNS)]:
        raise SourceError(f"{path}: not of this version; give the command of the evaluation again")
    rows = [line.split(",") for line in lines[1:]]
    values = [[float(cell) if cell else np.nan for cell in row[:-2]] for row in rows]
    return np.array(values), [row[-2] for row in rows], [row[-1] for row in rows]


def read_reports(path: Path) -> long_term.Reports:
    """The reports of a file of frames of a sequence that is scored."""
    values, states, targets = read_frames(path)
    known = np.array(targets) != "unknown"
    return long_term.Reports(values[:, 0], values[:, 3], np.array(states), known)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there complete or not at all, whenever the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: what a killed run left is replaced when the sequence is done again.
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(unfinished, path)


def as_json(value: Mapping[str, Any]) -> str:
    """Text of a JSON file."""
    return json.dumps(value, indent=2) + "\n"


def _by_attribute(rows: list[dict[str, metrics.Scores]]) -> dict[str, dict[str, Any]]:
    names = sorted({name for row in rows for name in row})
    having = {name: [row[name] for row in rows if name in row] for name in names}
    return {
        name: {"sequences": len(scores), **(metrics.mean_scores(scores) or {})}
        for name, scores in having.items()
    }


def _scored(rows: Iterable[metrics.Scores | None]) -> list[metrics.Scores]:
    return [row for row in rows if row is not None]
