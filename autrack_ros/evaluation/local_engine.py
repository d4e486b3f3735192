"""Sequences on the machine of the command, in this process or in several."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_ulonglong
from dataclasses import dataclass
from functools import partial
from typing import Any

from autrack_ros.evaluation.benchmark import Advance, Job, Workers, read_one
from autrack_ros.evaluation.child import end_with_parent
from autrack_ros.evaluation.datasets import Readers
from autrack_ros.evaluation.runner import Answer, FollowsTarget
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking import AutrackError

REPORT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """On the machine of the command; see ``Engine``.

    Attributes:
        jobs: number of processes, at least 1; with 1 it is this one.
    """

    jobs: int = 1

    @contextmanager
    def workers(self, at_most: int) -> Iterator[Workers]:
        """They read and track, one sequence each at a time.

        Raises:
            AutrackError: a process was ended from outside.
        """
        jobs = min(self.jobs, at_most)
        if jobs <= 1:
            yield _ThisProcess()
            return
        # A fresh interpreter each: a fork would copy the locks of torch's and OpenVINO's threads.
        context = multiprocessing.get_context("spawn")
        frames = context.Value(c_ulonglong)
        with ProcessPoolExecutor(jobs, context, _Worker.start, (frames,)) as pool:
            try:
                yield _Processes(pool, frames)
            except BrokenProcessPool as error:
                raise AutrackError(
                    f"a process was ended from outside, perhaps because {jobs} at a time take too "
                    "much memory; what was done is kept"
                ) from error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


class _ThisProcess:
    def read(self, readers: Readers) -> list[Sequence | AutrackError]:
        return [read_one(read) for read in readers.values()]

    def track(self, sequences: list[Sequence], job: Job, advance: Advance) -> dict[str, str]:
        tracker = job.make_tracker()
        failures = {}
        frames = itertools.count(1)

        def step(finished: int) -> None:
            advance(next(frames), finished)

        for finished, sequence in enumerate(sequences):
            error = job.track_one(tracker, sequence, job.results, partial(step, finished))
            if error is not None:
                failures[sequence.name] = error
        return failures


@dataclass(frozen=True, slots=True)
class _Processes:
    pool: ProcessPoolExecutor
    frames: Any  # shared number of those that are tracked

    def read(self, readers: Readers) -> list[Sequence | AutrackError]:
        return list(self.pool.map(read_one, readers.values()))

    def track(self, sequences: list[Sequence], job: Job, advance: Advance) -> dict[str, str]:
        longest_first = sorted(sequences, key=lambda sequence: -len(sequence.truth))
        pending = {self.pool.submit(_Worker.track, job, each): each for each in longest_first}
        errors: dict[str, str | None] = {}
        while pending:
            done, _ = wait(pending, REPORT_SECONDS, FIRST_COMPLETED)
            for future in done:
                errors[pending.pop(future).name] = future.result()
            advance(self.frames.value, len(errors))
        failed = {sequence.name: errors[sequence.name] for sequence in sequences}
        return {name: error for name, error in failed.items() if error is not None}


class _Worker:
    """What a process of the pool keeps from one sequence to the next."""

    frames: Any
    tracker: FollowsTarget[Answer] | None = None

    @classmethod
    def start(cls, frames: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
        end_with_parent()
        cls.frames = frames

    @classmethod
    def track(cls, job: Job, sequence: Sequence) -> str | None:
        if cls.tracker is None:  # made here, and not at the start, its errors reach the parent
            cls.tracker = job.make_tracker()
        return job.track_one(cls.tracker, sequence, job.results, cls.advance)

    @classmethod
    def advance(cls) -> None:
        with cls.frames.get_lock():
            cls.frames.value += 1
