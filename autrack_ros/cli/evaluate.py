"""``autrack evaluate``: measure a tracker on annotated sequences."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autrack_ros.cli.chosen import (
    DEFAULT_TIMEOUT_S,
    OURS,
    BackboneOption,
    ChosenTracker,
    NeckheadOption,
    NetOption,
    TimeoutOption,
    TrackerOption,
    chosen_tracker,
)
from autrack_ros.cli.console import (
    err_console,
    long_term_table,
    numbers_table,
    progress_bar,
    write_json,
)
from autrack_ros.cli.options import RecoverOption, TrackerOptions, with_tracker_options

if TYPE_CHECKING:
    from autrack_ros.evaluation.datasets import Readers
    from autrack_ros.evaluation.results import SequenceResult
    from autrack_ros.evaluation.runner import Answer, FollowsTarget


@with_tracker_options
def evaluate(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET_DIR", help="Folder of annotated sequences.", show_default=False
        ),
    ],
    options: TrackerOptions,
    recover: RecoverOption = True,
    format: Annotated[
        str,
        typer.Option(
            help="What the folder holds: folder (<sequence>/img/ and <sequence>/groundtruth.txt, "
            "x,y,w,h a line), otb, got10k, lasot, uav123, trackingnet or vot."
        ),
    ] = "folder",
    sequences: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Only these sequences.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write every number here; - is stdout.")
    ] = None,
    results_dir: Annotated[
        Path | None,
        typer.Option(
            help="Keep boxes, metrics and files to submit here; a run that was interrupted goes on."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Sequences tracked at a time, each by a process.")
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="torch's choice",
            help="Processor threads of each job. Boxes depend on them a little, not on --jobs.",
        ),
    ] = None,
    tracker: TrackerOption = OURS,
    backbone: BackboneOption = None,
    neckhead: NeckheadOption = None,
    net: NetOption = None,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_S,
) -> None:
    """Measure a tracker on annotated sequences: one pass each, started once, never reset.

    Our tracker is followed as in the node: it may call its target LOST, and looks for it. Then the
    last box counts, in the metrics below; --no-recover is the bare tracker.

    Frames without the target (marked by the dataset, or NaN or empty boxes) do not count. Means are
    over sequences; by attribute they are over those frames of each sequence that have it.

    AUC: mean over 21 thresholds 0, 0.05, ... 1 of the part of frames with a larger overlap (OTB's
    success). P@20px: part of frames with a centre error of at most 20 pixels. NP@0.2: the same with
    an error of at most 0.2 box sides; NP-AUC: mean of that part over thresholds 0, 0.01, ... 0.5.
    These count frame 1. AO: mean overlap; SR50 and SR75: part of frames with an overlap above 0.5
    and 0.75. These do not count frame 1 (GOT-10k). fps: of update alone.

    Gone and found: F, precision and recall are VOT-LT's, where LOST is no report; then absent and
    present frames called LOST; how often a target came back, and the frames until it was found; and
    frames with a box that does not overlap the target, in so many stretches.

    [bold]Examples[/bold]

    autrack evaluate sequences/ --json out.json

    autrack evaluate OTB100/ --format otb --results-dir results/ --jobs 4 --threads 1

    autrack evaluate sequences/ --sequences dog,camel --no-adapt

    autrack evaluate sequences/ --tracker csrt --results-dir results/csrt --threads 1

    autrack evaluate sequences/ --tracker my_module:MyTracker --results-dir results/mine
    """
    from tempfile import TemporaryDirectory

    import torch

    from autrack_ros.evaluation.benchmark import run_benchmark
    from autrack_ros.evaluation.datasets import read_dataset
    from autrack_ros.evaluation.results import open_results, summarize
    from autrack_ros.tracking import AutrackError

    models = {"backbone": backbone, "neckhead": neckhead, "net": net}
    chosen = chosen_tracker(tracker, options, recover, models, timeout)
    _set_threads(threads or torch.get_num_threads())
    readers = _chosen(read_dataset(dataset, format), sequences, dataset)
    settings = {"format": format, "tracker": chosen.name, **chosen.describe()}
    if json not in (None, "-"):
        Path(str(json)).parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        path = results_dir or Path(stack.enter_context(TemporaryDirectory()))
        results = open_results(path, settings)
        progress = stack.enter_context(progress_bar())
        task = progress.add_task("tracking", total=None, note="")

        def report(done: int, total: int, note: str) -> None:
            progress.update(task, completed=done, total=total, note=note)

        make_tracker = partial(_load, chosen, torch.get_num_threads())
        run = run_benchmark(readers, make_tracker, results, jobs, report)
        speeds = _speeds(run.results)
        results.save_speed(speeds)
    if run.done_before:
        told = f"{path}: {run.done_before} of {len(readers)} sequences were done before"
        err_console.print(told, soft_wrap=True)
    summary = summarize(run.results)
    if json != "-":
        _print_tables(run.results, summary, speeds)
    if json is not None:
        head = {"dataset": str(dataset), **settings, "failed": run.failures}
        write_json(json, head | _rows(run.results, summary, speeds))
    if run.failures:
        raise AutrackError(
            f"{len(run.failures)} of {len(readers)} sequences failed, the others count:\n"
            + "\n".join(run.failures.values())
        )


def _chosen(readers: Readers, names: str | None, dataset: Path) -> Readers:
    if names is None:
        return readers
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in readers]
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(unknown)} not in {dataset}; accepted: {', '.join(readers)}",
            param_hint="'--sequences'",
        )
    return {name: readers[name] for name in wanted}


def _load(chosen: ChosenTracker, threads: int) -> FollowsTarget[Answer]:
    """The tracker, in whatever process this runs in."""
    _set_threads(threads)
    return chosen.load()


def _set_threads(count: int) -> None:
    import cv2
    import torch

    torch.set_num_threads(count)
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
