"""Sequences as tasks of a Ray cluster; their files come back to the one who asked.

A worker reads the frames itself, under the paths that they have here, and writes nothing that
stays: what its sequence gave is sent back and written here. Ray does the task of a lost worker
again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import ray

from autrack_ros.evaluation.benchmark import Advance, Job, MakeTracker, TrackOne, read_one
from autrack_ros.evaluation.datasets import Readers
from autrack_ros.evaluation.results import METRICS, ResultFolder, as_json, write_whole
from autrack_ros.evaluation.runner import Answer, FollowsTarget
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking.errors import AutrackError, ConfigurationError

_RETRIES = 3  # of a sequence whose worker was lost
_ANSWER_S = 10.0


class Outcome(NamedTuple):
    """What became of a sequence."""

    files: dict[str, bytes]  # by path in the folder of results
    error: str | None


class RayEngine:
    """Runs sequences on a cluster, as many at a time as it has room for; see ``Engine``.

    Args:
        describe: as the settings of the results have it: whether a worker has the same tracker.
        threads: processor cores that a sequence takes.
        gpus: that it takes.
        address: of the cluster; None: that of RAY_ADDRESS, else one is started here.
    """

    def __init__(
        self,
        describe: Callable[[], dict[str, Any]],
        threads: int,
        gpus: int = 0,
        address: str | None = None,
    ) -> None:
        self._describe, self._threads, self._gpus = describe, threads, gpus
        self._address = address

    @contextmanager
    def workers(self, at_most: int) -> Iterator[RayEngine]:
        """See ``Engine``; those of the cluster are asked for when there is something to track."""
        yield self

    def read(self, readers: Readers) -> list[Sequence | AutrackError]:
        """Read here, where the results are that say what is done."""
        return [read_one(read) for read in readers.values()]

    def track(self, sequences: list[Sequence], job: Job, advance: Advance) -> dict[str, str]:
        """Track and save; what went wrong, by sequence.

        Raises:
            AutrackError: there is no such cluster, a worker has another tracker or cannot make it,
                or a sequence loses its worker again and again.
        """
        make_tracker, results, track_one = job
        settings, folder = results.settings, os.getcwd()
        with _connected(self._address):
            self._require_room()
            shared = ray.put(_Job(make_tracker, self._describe, settings, track_one, folder))
            longest_first = sorted(sequences, key=lambda sequence: -len(sequence.truth))
            do = ray.remote(num_cpus=self._threads, num_gpus=self._gpus, max_retries=_RETRIES)(
                _track
            )
            pending = {do.remote(shared, sequence): sequence for sequence in longest_first}
            errors: dict[str, str | None] = {}
            frames = 0
            while pending:
                (done, *_), _ = ray.wait(list(pending))
                sequence = pending.pop(done)
                outcome = _result(done, sequence)
                _write(results, outcome)
                errors[sequence.name] = outcome.error
                frames += len(sequence.truth)
                advance(frames, len(errors))
        failed = {sequence.name: errors[sequence.name] for sequence in sequences}
        return {name: error for name, error in failed.items() if error is not None}

    def _require_room(self) -> None:
        """Ray waits for ever for a machine that is large enough."""
        wanted = {"CPU": self._threads, "GPU": self._gpus}
        rooms = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(room.get(k, 0) >= count for k, count in wanted.items()) for room in rooms):
            most = {k: max(room.get(k, 0) for room in rooms) for k in wanted}
            raise ConfigurationError(
                f"a sequence takes {self._threads} cores and {self._gpus} GPUs; no machine of the "
                f"cluster has more than {most['CPU']:g} and {most['GPU']:g}: give --threads"
            )


class _Job(NamedTuple):
    """What all tasks of a run have in common."""

    make_tracker: MakeTracker
    describe: Callable[[], dict[str, Any]]
    settings: dict[str, Any]
    track_one: TrackOne
    folder: str  # that the paths of the sequences are of


class _Worker:
    """What a process keeps from one sequence to the next."""

    job: str = ""
    tracker: FollowsTarget[Answer] | None = None


def _track(job: _Job, sequence: Sequence) -> Outcome:
    """Track in a sequence, in a process of the cluster."""
    tracker = _tracker(job)
    with TemporaryDirectory(prefix="autrack_") as scratch:
        own = ResultFolder(Path(scratch), job.settings)
        error = job.track_one(tracker, sequence, own, lambda: None)
        files = {
            path.relative_to(scratch).as_posix(): path.read_bytes()
            for path in sorted(Path(scratch).rglob("*"))
            if path.is_file()
        }
    return Outcome(files, error)


def _tracker(job: _Job) -> FollowsTarget[Answer]:
    try:
        os.chdir(job.folder)
    except OSError as error:
        raise ConfigurationError(
            f"a worker has no folder {job.folder}, from which the command was given"
        ) from error
    known = as_json(job.settings)
    if _Worker.tracker is None or _Worker.job != known:
        tracker = job.make_tracker()
        _require_same(job.describe(), job.settings)
        _Worker.tracker, _Worker.job = tracker, known
    return _Worker.tracker


def _require_same(here: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, value in here.items():
        if as_json({name: value}) != as_json({name: wanted.get(name)}):
            raise ConfigurationError(
                f"a worker has {name} {value}, not {wanted.get(name)}: the files would depend on "
                "where a sequence is tracked"
            )


def _result(done: Any, sequence: Sequence) -> Outcome:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, AutrackError):
            raise cause from error
        words = str(cause).strip().rpartition("\n")[2]
        raise AutrackError(
            f"{sequence.name}: a worker failed; is this package there, in this version? {words}"
        ) from error
    except ray.exceptions.RayError as error:
        words = str(error).strip().partition("\n")[0]
        raise AutrackError(
            f"{sequence.name}: its worker was lost {_RETRIES + 1} times, perhaps because it takes "
            f"too much memory; what was done is kept: {words}"
        ) from error


def _write(results: ResultFolder, outcome: Outcome) -> None:
    """The metrics come last: they say that the sequence is complete."""
    for name in sorted(outcome.files, key=lambda name: (name.startswith(METRICS), name)):
        write_whole(results.path / name, outcome.files[name])


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Be a driver of the cluster; one that is started here leaves nothing behind."""
    quiet = {"log_to_driver": False, "configure_logging": False}
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    with TemporaryDirectory(prefix="ray_") as scratch:
        if address is None:
            ray.init(include_dashboard=False, _temp_dir=scratch, **quiet)
        else:
            try:
                _require_answer(address)
                ray.init(address=address, **quiet)
            except (OSError, ValueError, RuntimeError) as error:
                raise ConfigurationError(f"no Ray cluster at {address}: {error}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise OSError or ValueError where nobody listens: Ray would try for minutes."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if separator:
        socket.create_connection((host, int(port)), _ANSWER_S).close()
