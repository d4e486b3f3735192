"""``autrack compare``: what several runs over the same sequences differ in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autrack_ros.cli.console import err_console, long_term_table, numbers_table, write_json
from autrack_ros.cli.extras import require
from autrack_ros.cli.options import JsonOption

if TYPE_CHECKING:
    from autrack_ros.evaluation.comparison.compare import Comparison
    from autrack_ros.evaluation.comparison.report import ReadSequence


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_A RUN_B ...",
            help="Result folders of 'autrack evaluate --results-dir'; the others are compared with "
            "the first.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write report.html, comparison.json and plots/ here."),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET_DIR",
            help="The sequences of the runs, for the pictures of where they part.",
        ),
    ] = None,
    json: JsonOption = None,
    common: Annotated[
        bool,
        typer.Option(
            "--common", help="Leave out sequences that not all runs have, with the same truth."
        ),
    ] = False,
) -> None:
    """Compare runs sequence by sequence: differences with intervals, plots, and where they part.

    The runs must be of the same sequences with the same truth. Differences are means over the
    sequences, of each run less the first, with 95 % bootstrap intervals (sequences resampled, with
    a fixed seed); a sequence is won or lost by more than 0.005.

    [bold]Examples[/bold]

    autrack compare results/update results/no_update

    autrack compare results/autrack results/csrt --output comparison --dataset sequences/
    """
    from autrack_ros.evaluation.comparison.compare import as_dict
    from autrack_ros.evaluation.comparison.compare import compare as compare_runs
    from autrack_ros.evaluation.comparison.runs import load_runs

    if dataset is not None and output is None:
        raise typer.BadParameter("pictures need --output", param_hint="'--dataset'")
    comparison = compare_runs(load_runs(runs), common)
    if comparison.left_out:
        err_console.print(f"left out: {', '.join(comparison.left_out)}", soft_wrap=True)
    if json != "-":
        _print_tables(comparison)
    numbers = as_dict(comparison)
    if json is not None:
        write_json(json, numbers)
    if output is not None:
        _write(comparison, numbers, output, dataset)


def _write(
    comparison: Comparison, numbers: dict[str, Any], output: Path, dataset: Path | None
) -> None:
    """Write numbers, plots and report into a folder."""
    require(matplotlib="plots")
    from autrack_ros.evaluation.comparison.report import write_report

    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "comparison.json", numbers)
    read = None if dataset is None else _reader(dataset, comparison)
    err_console.print(f"wrote {write_report(comparison, output, read)}", soft_wrap=True)


def _reader(dataset: Path, comparison: Comparison) -> ReadSequence:
    """Gives sequences whose truth is that of the runs."""
    from autrack_ros.evaluation.datasets import FORMATS, read_dataset
    from autrack_ros.evaluation.frames import SourceError
    from autrack_ros.evaluation.sequences import Sequence

    first = comparison.runs[0]
    if first.settings["format"] not in FORMATS:
        raise typer.BadParameter(
            "the runs are of bags, which have their pictures in bags/<BAG>/report.html",
            param_hint="'--dataset'",
        )
    readers = read_dataset(dataset, first.settings["format"])

    def read(name: str) -> Sequence:
        if name not in readers:
            raise SourceError(f"{dataset} has no sequence {name}, which the runs have")
        sequence = readers[name]()
        if sequence.truth_sha256 != first.sequences[name].truth_sha256:
            raise SourceError(f"{dataset}: the truth of {name} is not that of the runs")
        return sequence

    return read


def _print_tables(comparison: Comparison) -> None:
    from rich.console import Console

    from autrack_ros.evaluation.metrics import COLUMNS

    console = Console()
    of_runs = numbers_table("run", *COLUMNS.values())
    for name, scores in comparison.means.items():
        of_runs.add_row(name, *(f"{scores[metric]:.4f}" for metric in COLUMNS))
    console.print(of_runs)
    console.print(long_term_table(comparison.long_term))
    first = comparison.runs[0].name
    for name, differences in comparison.differences.items():
        rows = numbers_table(
            f"{name} - {first}", "difference", "95 % interval", "won", "equal", "lost"
        )
        for metric, row in differences.items():
            interval = "-" if row.low is None else f"{row.low:+.4f} .. {row.high:+.4f}"
            counts = map(str, (row.wins, row.ties, row.losses))
            rows.add_row(COLUMNS[metric], f"{row.mean:+.4f}", interval, *counts)
        for attribute, of_attribute in comparison.attributes.items():
            row = of_attribute.differences[name]
            interval = "-" if row.low is None else f"{row.low:+.4f} .. {row.high:+.4f}"
            counts = map(str, (row.wins, row.ties, row.losses))
            rows.add_row(f"AUC, {attribute}", f"{row.mean:+.4f}", interval, *counts)
        console.print(rows)
