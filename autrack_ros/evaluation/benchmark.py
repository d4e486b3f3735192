"""Run a tracker over the sequences of a dataset; ``local_engine`` and ``ray_engine`` say where."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from autrack_ros.evaluation.datasets import Readers
from autrack_ros.evaluation.results import (
    ResultFolder,
    SequenceResult,
    TrackedSequence,
    summarize,
)
from autrack_ros.evaluation.runner import Answer, FollowsTarget, track
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking import AutrackError, Box
from autrack_ros.tracking.presence import TrackState

MakeTracker = Callable[[], FollowsTarget[Answer]]
Report = Callable[[int, int, str], None]  # frames done, frames in all, a note
Advance = Callable[[int, int], None]  # frames done, sequences done
# Tracks in a sequence, saves, calls the last after every frame; what went wrong, or None.
TrackOne = Callable[
    [FollowsTarget[Answer], Sequence, ResultFolder, Callable[[], None]], "str | None"
]


class Job(NamedTuple):
    """What is done in every sequence; can be pickled where there are several processes."""

    make_tracker: MakeTracker  # called once in every process
    results: ResultFolder
    track_one: TrackOne


class Workers(Protocol):
    """What reads sequences and tracks in them."""

    def read(self, readers: Readers) -> list[Sequence | AutrackError]:
        """The sequences in the order of their readers, or why one cannot be read."""

    def track(self, sequences: list[Sequence], job: Job, advance: Advance) -> dict[str, str]:
        """Track in all and save each; what went wrong, by sequence."""


class Engine(Protocol):
    """Where sequences are tracked in."""

    def workers(self, at_most: int) -> AbstractContextManager[Workers]:
        """They are there until the end of the context; more than ``at_most`` have nothing to do."""


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """What a run left.

    Attributes:
        sequences: that are complete, by name.
        results: of these, by name.
        failures: what went wrong with each of the others, by name.
        done_before: how many were complete when it began.
    """

    sequences: dict[str, Sequence]
    results: dict[str, SequenceResult]
    failures: dict[str, str]
    done_before: int


def run_benchmark(
    readers: Readers,
    make_tracker: MakeTracker,
    results: ResultFolder,
    engine: Engine,
    report: Report = lambda done, total, note: None,
    track_one: TrackOne | None = None,
) -> BenchmarkRun:
    """Track and save every sequence that the folder does not hold yet, and write the summary.

    A sequence that fails leaves no file and stops no other. Boxes do not depend on the engine, as
    long as ``make_tracker`` gives every process the same number of threads: that number changes how
    sums are rounded.

    Args:
        readers: of the sequences, see ``read_dataset``.
        make_tracker: called once in every process; can be pickled if there are several.
        results: gets the files.
        engine: where it is done.
        report: told now and then how far it is.
        track_one: can be pickled; by default ``track_and_save``.

    Raises:
        AutrackError: the tracker cannot be made, or a process was ended from outside.
    """
    with engine.workers(len(readers)) as workers:
        read = dict(zip(readers, workers.read(readers), strict=True))
        sequences = [each for each in read.values() if not isinstance(each, AutrackError)]
        failures = {
            name: f"{name}: {each}" for name, each in read.items() if isinstance(each, AutrackError)
        }
        missing = [sequence for sequence in sequences if not results.is_done(sequence)]
        total = sum(len(sequence.truth) for sequence in missing)

        def advance(frames: int, finished: int) -> None:
            report(frames, total, f"{finished} of {len(missing)} sequences")

        if missing:
            job = Job(make_tracker, results, track_one or track_and_save)
            failures |= workers.track(missing, job, advance)
    complete = {each.name: each for each in sequences if each.name not in failures}
    loaded = {name: results.load(sequence) for name, sequence in complete.items()}
    results.save_summary({**summarize(loaded), "failed": failures})
    return BenchmarkRun(complete, loaded, failures, len(sequences) - len(missing))


def read_one(read: Callable[[], Sequence]) -> Sequence | AutrackError:
    """A sequence, or why it cannot be read."""
    try:
        return read()
    except AutrackError as error:
        return error


def track_and_save(
    tracker: FollowsTarget[Answer],
    sequence: Sequence,
    results: ResultFolder,
    advance: Callable[[], None],
) -> str | None:
    """Track in the sequence's frames; what went wrong, or None."""
    frames: list[tuple[Box, float, float, TrackState]] = []
    try:
        for frame in track(tracker, sequence.frames, sequence.first_box):
            state = TrackState.TRACKING if frame.result is None else frame.result.state
            frames.append((frame.box, frame.seconds, frame.score, state))
            advance()
    except AutrackError as error:
        return f"{sequence.name}, frame {len(frames) + 1}: {error}"
    boxes, seconds, scores, states = zip(*frames, strict=True)
    results.save(
        sequence,
        TrackedSequence(np.array(boxes, float), np.array(seconds), np.array(scores), states),
    )
    return None
