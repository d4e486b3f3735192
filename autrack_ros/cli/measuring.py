"""Measure a tracker on sequences, keep the results, and print them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autrack_ros.cli.chosen import ChosenTracker
from autrack_ros.cli.console import (
    err_console,
    long_term_table,
    numbers_table,
    progress_bar,
    write_json,
)

if TYPE_CHECKING:
    from autrack_ros.evaluation.benchmark import BenchmarkRun, Engine, TrackOne
    from autrack_ros.evaluation.datasets import Readers
    from autrack_ros.evaluation.results import ResultFolder, SequenceResult
    from autrack_ros.evaluation.runner import Answer, FollowsTarget


def measure(
    readers: Readers,
    chosen: ChosenTracker,
    settings: dict[str, Any],
    dataset: str,
    results_dir: Path | None,
    engine: Engine,
    json: str | None,
    track_one: TrackOne | None = None,
    finish: Callable[[ResultFolder, BenchmarkRun], None] = lambda results, run: None,
) -> None:
    """Track in every sequence that the results lack, save, print.

    Args:
        readers: of the sequences.
        chosen: the tracker.
        settings: see ``open_results``.
        dataset: its name in the JSON.
        results_dir: for the results; None keeps none.
        engine: where it is done.
        json: file of every number; - is stdout, None none.
        track_one: see ``run_benchmark``.
        finish: called when all is tracked.

    Raises:
        AutrackError: see ``run_benchmark``; at the end, if a sequence failed.
    """
    from tempfile import TemporaryDirectory

    from autrack_ros.evaluation.benchmark import run_benchmark, track_and_save
    from autrack_ros.evaluation.results import open_results
    from autrack_ros.tracking import AutrackError
    from autrack_ros.tracking.threads import thread_count

    if json not in (None, "-"):
        Path(str(json)).parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        path = results_dir or Path(stack.enter_context(TemporaryDirectory()))
        results = open_results(path, settings)
        progress = stack.enter_context(progress_bar())
        task = progress.add_task("tracking", total=None, note="")

        def report(done: int, total: int, note: str) -> None:
            progress.update(task, completed=done, total=total, note=note)

        make_tracker = partial(_load, chosen, thread_count())
        one = track_one or track_and_save
        run = run_benchmark(readers, make_tracker, results, engine, report, one)
        speeds = _speeds(run.results)
        results.save_speed(speeds)
        finish(results, run)
    if run.done_before:
        told = f"{path}: {run.done_before} of {len(readers)} sequences were done before"
        err_console.print(told, soft_wrap=True)
    _tell(run, speeds, {"dataset": dataset, **settings}, json)
    if run.failures:
        raise AutrackError(
            f"{len(run.failures)} of {len(readers)} sequences failed, the others count:\n"
            + "\n".join(run.failures.values())
        )


def _tell(
    run: BenchmarkRun, speeds: dict[str, Any], settings: dict[str, Any], json: str | None
) -> None:
    """Print the tables, write the JSON."""
    from autrack_ros.evaluation.results import summarize

    summary = summarize(run.results)
    if json != "-":
        _print_tables(run.results, summary, speeds)
    if json is not None:
        head = {**settings, "failed": run.failures}
        write_json(json, head | _rows(run.results, summary, speeds))


def _load(chosen: ChosenTracker, threads: int) -> FollowsTarget[Answer]:
    """The tracker, in whatever process this runs in."""
    set_threads(threads)
    return chosen.load()


def set_threads(count: int | None) -> None:
    """Let the network and OpenCV compute with so many threads; None: as many as there are cores."""
    import cv2

    from autrack_ros.tracking import threads

    count = count or threads.thread_count()
    threads.set_threads(count)
    cv2.setNumThreads(count)


def _speeds(results: dict[str, SequenceResult]) -> dict[str, Any]:
    """Of every sequence and of all frames together, the starts left out."""
    from autrack_ros.cli.track import speed

    updates = {name: result.seconds[1:].tolist() for name, result in results.items()}
    return {
        "mean": speed([value for seconds in updates.values() for value in seconds]),
        "sequences": {
            name: speed(seconds) | {"start_ms": round(1e3 * float(results[name].seconds[0]), 3)}
            for name, seconds in updates.items()
        },
    }


def _rows(
    results: dict[str, SequenceResult], summary: dict[str, Any], speeds: dict[str, Any]
) -> dict[str, Any]:
    return {
        "mean": {**(summary["mean"] or {}), **speeds["mean"]},
        "long_term": summary["long_term"],
        "attributes": summary["attributes"],
        "sequences": {
            name: {
                "frames": len(result.boxes),
                **(result.scores or {}),
                **speeds["sequences"][name],
            }
            for name, result in results.items()
        },
    }


def _print_tables(
    results: dict[str, SequenceResult], summary: dict[str, Any], speeds: dict[str, Any]
) -> None:
    from rich.console import Console

    from autrack_ros.evaluation.metrics import COLUMNS

    console = Console()
    of_sequences = numbers_table("sequence", "frames", *COLUMNS.values(), "fps")
    for name, result in results.items():
        of_sequences.add_row(
            name,
            str(len(result.boxes)),
            *_cells(result.scores),
            _fps(speeds["sequences"][name]),
        )
    of_sequences.add_section()
    frames = sum(len(result.boxes) for result in results.values())
    of_sequences.add_row("mean", str(frames), *_cells(summary["mean"]), _fps(speeds["mean"]))
    console.print(of_sequences)
    if summary["long_term"] is not None:
        console.print(long_term_table({"all": summary["long_term"]}))
    if summary["attributes"]:
        of_attributes = numbers_table("attribute", "sequences", *COLUMNS.values())
        for name, row in summary["attributes"].items():
            of_attributes.add_row(name, str(row["sequences"]), *_cells(row))
        console.print(of_attributes)
    if any(result.scores is None for result in results.values()):
        console.print("-: annotation withheld; submit the files to the benchmark's server")


def _cells(scores: dict[str, float] | None) -> list[str]:
    from autrack_ros.evaluation.metrics import COLUMNS

    return ["-" if scores is None else f"{scores[metric]:.4f}" for metric in COLUMNS]


def _fps(row: dict[str, Any]) -> str:
    return "-" if row["fps"] is None else f"{row['fps']:.1f}"
