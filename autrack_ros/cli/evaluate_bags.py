"""``autrack evaluate-bags``: measure a tracker on many bags, as one run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autrack_ros.cli.chosen import Choice
from autrack_ros.cli.console import err_console
from autrack_ros.cli.engines import EngineOptions
from autrack_ros.cli.evaluate_bag import BagTopicOptions, bag_settings, refuse_time_budget
from autrack_ros.cli.extras import require
from autrack_ros.cli.measuring import measure, set_threads
from autrack_ros.cli.options import JsonOption, RecoverOption, TrackerOptions, parse_box
from autrack_ros.cli.tables import with_tables

if TYPE_CHECKING:
    from autrack_ros.evaluation.bags.many import BagTopics
    from autrack_ros.evaluation.benchmark import BenchmarkRun
    from autrack_ros.evaluation.results import ResultFolder


@with_tables
def evaluate_bags(
    bags: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER_OR_GLOB",
            help="Bags anywhere below a folder, or a pattern in quotes.",
            show_default=False,
        ),
    ],
    topics: BagTopicOptions,
    output: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="For all results; a run that was interrupted goes on.",
            show_default=False,
        ),
    ],
    *,
    recover: RecoverOption = True,
    json: JsonOption = None,
    where: EngineOptions,
    choice: Choice,
    options: TrackerOptions,
) -> None:
    """Measure a tracker on every image of many bags: one table, and a report for each bag.

    The folder is that of 'autrack evaluate', so that 'autrack compare' takes two of them.
    report.html shows the worst moments first, with pictures, and leads to the report of each bag,
    in bags/<BAG>/report.html. Two runs give identical files but for times. A bag that
    cannot be read or tracked is told, the others count, and the exit status is 1.

    [bold]Examples[/bold]

    autrack evaluate-bags drives/ --image-topic /image --truth-topic /truth --output runs/new

    autrack evaluate-bags 'drives/2026-11-*' --image-topic /image --init /init_box --output runs/new

    autrack compare runs/old runs/new --output comparison/
    """
    require(rosbags="bag", matplotlib="plots")
    from autrack_ros.evaluation.bags.many import FORMAT, bag_readers, find_bags, track_bag

    named = _named(topics)
    refuse_time_budget(options)
    chosen = choice.resolve(options, recover)
    set_threads(where.threads)
    settings = bag_settings(chosen)
    measure(
        bag_readers(find_bags(bags), named),
        chosen,
        {"format": FORMAT, **settings},
        bags,
        output,
        where.resolve(chosen),
        json,
        partial(track_bag, settings),
        partial(_write_overview, f"{bags}: {chosen.name}"),
    )


def _named(topics: BagTopicOptions) -> BagTopics:
    """What is read of every bag."""
    from autrack_ros.evaluation.bags.many import BagTopics

    init = topics.init
    if topics.truth_topic is None and init is None:
        raise typer.BadParameter(
            "say where the target is: X,Y,W,H on the first image, or a topic; or give "
            "--truth-topic",
            param_hint="'--init'",
        )
    start = parse_box(init, "--init") if init is not None and "," in init else init
    return BagTopics(topics.image_topic, topics.truth_topic, start, topics.target)


def _write_overview(title: str, results: ResultFolder, run: BenchmarkRun) -> None:
    from autrack_ros.evaluation.bags.overview import REPORT, write_overview

    path = results.path
    write_overview(path, title, results.settings, run.sequences, run.results, run.failures)
    err_console.print(f"wrote {path / REPORT}", soft_wrap=True)
