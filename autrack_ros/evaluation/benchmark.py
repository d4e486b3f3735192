"""Run a tracker over the sequences of a dataset, in one process or several."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from ctypes import c_ulonglong
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from autrack_ros.evaluation.child import end_with_parent
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
REPORT_SECONDS = 0.2


class Engine(Protocol):
    """Where sequences are tracked in."""

    def run(
        self,
        sequences: list[Sequence],
        make_tracker: MakeTracker,
        results: ResultFolder,
        advance: Advance,
        track_one: TrackOne,
    ) -> dict[str, str]:
        """Track in all and save each; what went wrong, by sequence."""


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
    sequences, failures = _read(readers)
    missing = [sequence for sequence in sequences if not results.is_done(sequence)]
    total = sum(len(sequence.truth) for sequence in missing)

    def advance(frames: int, finished: int) -> None:
        report(frames, total, f"{finished} of {len(missing)} sequences")

    if missing:
        one = track_one or track_and_save
        failures |= engine.run(missing, make_tracker, results, advance, one)
    complete = {each.name: each for each in sequences if each.name not in failures}
    loaded = {name: results.load(sequence) for name, sequence in complete.items()}
    results.save_summary({**summarize(loaded), "failed": failures})
    return BenchmarkRun(complete, loaded, failures, len(sequences) - len(missing))


def _read(readers: Readers) -> tuple[list[Sequence], dict[str, str]]:
    sequences, failures = [], {}
    for name, read in readers.items():
        try:
            sequences.append(read())
        except AutrackError as error:
            failures[name] = f"{name}: {error}"
    return sequences, failures


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """On the machine of the command.

    Attributes:
        jobs: number of processes, at least 1; with 1 it is this one.
    """

    jobs: int = 1

    def run(
        self,
        sequences: list[Sequence],
        make_tracker: MakeTracker,
        results: ResultFolder,
        advance: Advance,
        track_one: TrackOne,
    ) -> dict[str, str]:
        """See ``Engine``."""
        jobs = min(self.jobs, len(sequences))
        if jobs > 1:
            return _run_in_processes(sequences, make_tracker, results, jobs, advance, track_one)
        return _run_here(sequences, make_tracker, results, advance, track_one)


def _run_here(
    sequences: list[Sequence],
    make_tracker: MakeTracker,
    results: ResultFolder,
    advance: Advance,
    track_one: TrackOne,
) -> dict[str, str]:
    tracker = make_tracker()
    failures = {}
    frames = itertools.count(1)

    def step(finished: int) -> None:
        advance(next(frames), finished)

    for finished, sequence in enumerate(sequences):
        error = track_one(tracker, sequence, results, partial(step, finished))
        if error is not None:
            failures[sequence.name] = error
    return failures


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


def _run_in_processes(
    sequences: list[Sequence],
    make_tracker: MakeTracker,
    results: ResultFolder,
    jobs: int,
    advance: Advance,
    track_one: TrackOne,
) -> dict[str, str]:
    # A fresh interpreter each: a fork would copy the locks of torch's and OpenVINO's threads.
    context = multiprocessing.get_context("spawn")
    counter = context.Value(c_ulonglong)
    longest_first = sorted(sequences, key=lambda sequence: -len(sequence.truth))
    with ProcessPoolExecutor(
        jobs, context, _Worker.start, (make_tracker, results, counter, track_one)
    ) as pool:
        pending = {pool.submit(_Worker.run, sequence): sequence for sequence in longest_first}
        errors: dict[str, str | None] = {}
        try:
            while pending:
                done, _ = wait(pending, REPORT_SECONDS, FIRST_COMPLETED)
                for future in done:
                    errors[pending.pop(future).name] = future.result()
                advance(counter.value, len(errors))
        except BrokenProcessPool as error:
            raise AutrackError(
                f"a process was ended from outside, perhaps because {jobs} at a time take too much "
                "memory; what was done is kept"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    failed = {sequence.name: errors[sequence.name] for sequence in sequences}
    return {name: error for name, error in failed.items() if error is not None}


class _Worker:
    """What a process of the pool keeps from one sequence to the next."""

    make_tracker: MakeTracker
    results: ResultFolder
    counter: Any
    track_one: TrackOne
    tracker: FollowsTarget[Answer] | None = None

    @classmethod
    def start(
        cls, make_tracker: MakeTracker, results: ResultFolder, counter: Any, track_one: TrackOne
    ) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
        end_with_parent()
        cls.make_tracker, cls.results, cls.counter = make_tracker, results, counter
        cls.track_one = staticmethod(track_one)

    @classmethod
    def run(cls, sequence: Sequence) -> str | None:
        if cls.tracker is None:  # made here, and not at the start, its errors reach the parent
            cls.tracker = cls.make_tracker()
        return cls.track_one(cls.tracker, sequence, cls.results, cls.advance)

    @classmethod
    def advance(cls) -> None:
        with cls.counter.get_lock():
            cls.counter.value += 1
