"""Every tracker over the same sequences, each kept in a folder as soon as it is done."""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import openvino
import torch

import autrack_ros.tracking
from autrack_ros.evaluation import metrics, presence_tracker
from autrack_ros.evaluation.benchmark import MakeTracker, Report, run_benchmark
from autrack_ros.evaluation.datasets import Readers, read_dataset
from autrack_ros.evaluation.frames import image_frames
from autrack_ros.evaluation.local_engine import LocalEngine
from autrack_ros.evaluation.peers import networks, vit, windows
from autrack_ros.evaluation.results import SequenceResult, as_json, open_results
from autrack_ros.evaluation.runner import Answer
from autrack_ros.evaluation.sequences import Sequence as AnnotatedSequence
from autrack_ros.tracking import AutrackError, Box, ConfigurationError
from autrack_ros.tracking.errors import CheckpointError
from autrack_ros.tracking.presets import find_preset
from autrack_ros.training.sources.boxes import Boxes
from autrack_ros.training.validation.held_out import find_films, read_films
from benchmarks.peers import PEERS, Peer, geometry, ours

# Of the development sequences; the others are a bag, a boat and a car.
PEOPLE_AND_ANIMALS = (
    *("Crossing", "DragonBaby", "bmx-trees", "camel", "dance-twirl", "dog", "group1_1", "jumping"),
    *("monkeydog", "parkour", "pedestrian1", "person12_1", "worm"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the tables.

    Attributes:
        name: of the row.
        make: makes the tracker.
        settings: all that its boxes depend on.
    """

    name: str
    make: MakeTracker
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tracker made of a sequence: N x 4 boxes, and see ``evaluation.metrics``."""

    auc: float
    astray: float
    ends_astray: bool
    boxes: np.ndarray = field(compare=False)


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Sequences that are scored together.

    Attributes:
        name: of the set.
        readers: of its sequences.
        groups: of each sequence, by its name.
    """

    name: str
    readers: Readers
    groups: Mapping[str, Sequence[str]]


class _Following:
    """A peer in the form that a run takes."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def initialize(self, image: np.ndarray, box: Box) -> None:
        self._peer.init(image, box)

    def update(self, image: np.ndarray) -> Answer:
        return Answer(Box(*map(float, self._peer.update(image))), 1.0)


def make_peer(name: str, folder: Path, threads: int) -> _Following:
    """A peer on a processor; ``name`` is one of ``PEERS``.

    Raises:
        ConfigurationError: a file is missing or is another network.
    """
    try:
        return _Following(PEERS[name](folder, threads))
    except CheckpointError as error:
        raise ConfigurationError(f"{name}: {error}") from error


def peer_entries(folder: Path, threads: int) -> list[Entry]:
    """The peers, whose files are in a folder.

    Raises:
        ConfigurationError: a file is missing.
    """
    entries = []
    for name, kind in PEERS.items():
        files = [folder / file for file in kind.files]
        files += [file.with_suffix(".bin") for file in files if file.suffix == ".xml"]
        code = [
            Path(inspect.getfile(module)) for module in (kind, geometry, networks, windows, vit)
        ]
        settings = entry_settings(name, files, threads, code)
        make = functools.partial(make_peer, name, folder, threads)
        entries.append(Entry(name, make, settings))
    return entries


def our_entries(preset: str, weights: Path | None, threads: int) -> list[Entry]:
    """Our tracker in its three ways.

    Raises:
        AutrackError: no such preset or weights.
    """
    file = weights or find_preset(preset).require_shipped_weights()
    code = our_code(ours)
    entries = []
    for way in ours.WAYS:
        settings = entry_settings(preset + way, [file], threads, code)
        make = functools.partial(ours.make_ours, preset, weights, way, threads)
        entries.append(Entry(preset + way, make, settings))
    return entries


def our_code(*modules: ModuleType) -> list[Path]:
    """The files of our tracker, as it is scored, and of the modules that make it."""
    code = sorted(Path(autrack_ros.tracking.__file__).parent.rglob("*.py"))
    return [*code, *(Path(inspect.getfile(module)) for module in (*modules, presence_tracker))]


def dev_sequences(folder: Path) -> SequenceSet:
    """The annotated sequences of a folder, those of ``PEOPLE_AND_ANIMALS`` as a group."""
    readers = read_dataset(folder)
    groups = {
        name: ("people_and_animals",) if name in PEOPLE_AND_ANIMALS else () for name in readers
    }
    return SequenceSet(folder.name, readers, groups)


def held_out_films(films: Path, boxes: Path) -> SequenceSet:
    """The films of a list, whose sets are folders below ``boxes``.

    Raises:
        AutrackError: the list or a set is missing or damaged.
    """
    listed = read_films(films)
    sources = [Boxes(boxes / name) for name in sorted({film.set for film in listed})]
    readers: Readers = {}
    for film, thing in find_films(sources, listed):
        images = [view.picture for view in thing.views]
        truth = np.array([view.box for view in thing.views], float)
        readers[film.object_name] = functools.partial(_film, film.object_name, images, truth)
    return SequenceSet("held-out films", readers, {f.object_name: f.attributes for f in listed})


def _film(name: str, images: list[Path], truth: np.ndarray) -> AnnotatedSequence:
    return AnnotatedSequence(name, image_frames(name, images), truth)


def run(
    entry: Entry, sequences: SequenceSet, cache: Path, jobs: int, report: Report
) -> dict[str, Outcome]:
    """Track what the cache does not hold yet, and score all, by the sequence's name.

    Raises:
        AutrackError: a tracker cannot be made, or a sequence fails.
    """
    results = track_all(entry, sequences, cache, jobs, report)
    return {
        name: _outcome(results[name].boxes, read().truth)
        for name, read in sequences.readers.items()
    }


def track_all(
    entry: Entry, sequences: SequenceSet, cache: Path, jobs: int, report: Report
) -> dict[str, SequenceResult]:
    """Track what the cache does not hold yet; all results, by the sequence's name.

    Raises:
        AutrackError: a tracker cannot be made, or a sequence fails.
    """
    digest = hashlib.sha256(as_json(entry.settings).encode()).hexdigest()[:8]
    folder = cache / f"{_file_name(entry.name)}-{digest}" / _file_name(sequences.name)
    results = open_results(folder, dict(entry.settings))
    done = run_benchmark(sequences.readers, entry.make, results, LocalEngine(jobs), report)
    if done.failures:
        raise AutrackError("; ".join(done.failures.values()))
    return done.results


def _outcome(boxes: np.ndarray, truth: np.ndarray) -> Outcome:
    overlaps = metrics.ious(boxes, truth)
    return Outcome(
        metrics.success_auc(overlaps),
        metrics.astray(overlaps),
        metrics.ends_astray(overlaps),
        boxes,
    )


def entry_settings(
    name: str, files: Sequence[Path], threads: int, code: Sequence[Path]
) -> dict[str, Any]:
    """What an entry's boxes depend on; the code is part of it, so that a change of it is seen.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    return {
        "format": "folder",
        "tracker": name,
        "model_sha256": {file.name: _sha256(file) for file in files},
        "code_sha256": {file.name: _sha256(file) for file in code},
        "threads": threads,
        "versions": {
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "openvino": openvino.__version__,
            "torch": torch.__version__,
        },
    }


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error


def _file_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower())
