"""``autrack evaluate``: measure a tracker on annotated sequences."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from autrack_ros.cli.console import progress_bar, write_json
from autrack_ros.cli.options import TrackerOptions, with_tracker_options


@with_tracker_options
def evaluate(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET_DIR",
            help="Folder of sequences, each with img/ and groundtruth.txt (x,y,w,h a line).",
            show_default=False,
        ),
    ],
    options: TrackerOptions,
    sequences: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Only these sequences.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write every number here; - is stdout.")
    ] = None,
    results_dir: Annotated[
        Path | None, typer.Option(help="Write the boxes here, one <sequence>.txt each.")
    ] = None,
) -> None:
    """Measure a tracker on annotated sequences: one pass each, started once, never reset.

    Success AUC: mean over 21 thresholds 0, 0.05, ... 1 of the part of frames with a larger
    overlap. Precision: part of frames with a centre error of at most 20 pixels. Frame 1 counts;
    frames without the target (NaN or empty boxes) do not. Means are over sequences. Speed is that
    of update alone.

    [bold]Examples[/bold]

    autrack evaluate sequences/ --json out.json

    autrack evaluate sequences/ --sequences dog,camel --no-adapt --results-dir results/
    """
    import numpy as np

    from autrack_ros.cli.track import speed
    from autrack_ros.evaluation import metrics
    from autrack_ros.evaluation.boxfiles import write_boxes
    from autrack_ros.evaluation.runner import track
    from autrack_ros.evaluation.sequences import read_folder

    chosen = read_folder(dataset)
    if sequences is not None:
        names = sequences.split(",")
        by_name = {sequence.name: sequence for sequence in chosen}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise typer.BadParameter(
                f"{', '.join(unknown)} not in {dataset}; accepted: {', '.join(by_name)}",
                param_hint="'--sequences'",
            )
        chosen = [by_name[name] for name in names]
    tracker = options.load()
    for folder in (results_dir, None if json in (None, "-") else Path(str(json)).parent):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    rows: dict[str, dict[str, Any]] = {}
    all_seconds: list[float] = []
    with progress_bar() as progress:
        task = progress.add_task("", total=sum(len(item.truth) for item in chosen), note="")
        for sequence in chosen:
            progress.update(task, description=sequence.name)
            boxes, seconds, adaptation = [], [], None
            for frame in track(tracker, sequence.frames, sequence.first_box):
                boxes.append(frame.box)
                if frame.report is not None:
                    adaptation = frame.report
                else:
                    seconds.append(frame.seconds)
                progress.advance(task)
            predicted = np.array(boxes)
            overlaps = metrics.ious(predicted, sequence.truth)
            rows[sequence.name] = {
                "frames": len(boxes),
                "auc": metrics.success_auc(overlaps),
                "precision": metrics.precision(metrics.center_errors(predicted, sequence.truth)),
                **speed(seconds),
                "adaptation_ms": adaptation.elapsed_ms if adaptation is not None else None,
            }
            all_seconds += seconds
            if results_dir is not None:
                write_boxes(results_dir / f"{sequence.name}.txt", boxes)
    mean = {
        "auc": float(np.mean([row["auc"] for row in rows.values()])),
        "precision": float(np.mean([row["precision"] for row in rows.values()])),
        **speed(all_seconds),
    }
    if json != "-":
        _print_table(rows, mean)
    if json is not None:
        write_json(
            json,
            {
                "dataset": str(dataset),
                "preset": options.preset,
                "checkpoint": None if options.checkpoint is None else str(options.checkpoint),
                "device": str(tracker.engine.device),
                "runtime": tracker.engine.runtime,
                "adaptation": asdict(options.adaptation()),
                "mean": mean,
                "sequences": rows,
            },
        )


def _print_table(rows: dict[str, dict[str, Any]], mean: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("sequence")
    for column in ("frames", "success AUC", "precision", "fps"):
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, str(row["frames"]), *_cells(row))
    table.add_section()
    table.add_row("mean", str(sum(row["frames"] for row in rows.values())), *_cells(mean))
    Console().print(table)


def _cells(row: dict[str, Any]) -> tuple[str, str, str]:
    fps = "-" if row["fps"] is None else f"{row['fps']:.1f}"
    return f"{row['auc']:.4f}", f"{row['precision']:.4f}", fps
