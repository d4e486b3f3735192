"""``autrack evaluate-bag``: measure the tracker on a bag; only ``--live`` needs ROS."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autrack_ros.cli.bag import Storage
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
from autrack_ros.cli.console import err_console, progress_bar
from autrack_ros.cli.extras import require, require_ros
from autrack_ros.cli.options import RecoverOption, TrackerOptions, parse_box, with_tracker_options
from autrack_ros.cli.track import INTERRUPTED_STATUS

if TYPE_CHECKING:
    from autrack_ros.evaluation.bags.boxes import FileTruth, Start, TopicTruth
    from autrack_ros.evaluation.bags.reading import Bag
    from autrack_ros.evaluation.bags.tracks import Run

# What is read of a bag.
ImageTopicOption = Annotated[
    str,
    typer.Option(
        metavar="TOPIC",
        help="Images: sensor_msgs/Image or CompressedImage.",
        show_default=False,
    ),
]
TruthTopicOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOPIC",
        help="Boxes to compare with: autrack_ros/InitBox or vision_msgs/Detection2DArray, "
        "each of the image that has its stamp.",
    ),
]
InitOption = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y,W,H|TOPIC",
        help="The target on the first image, or a topic whose first box it is. "
        "By default the first box to compare with.",
    ),
]
TargetOption = Annotated[
    str, typer.Option(metavar="ID", help="Which one, where a topic has several.")
]


@with_tracker_options
def evaluate_bag(
    bag: Annotated[
        Path,
        typer.Argument(help="Folder of a rosbag2, sqlite3 or mcap, compressed or not."),
    ],
    image_topic: ImageTopicOption,
    options: TrackerOptions,
    recover: RecoverOption = True,
    truth_topic: TruthTopicOption = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Boxes to compare with, one x,y,w,h an image; nan,nan,nan,nan: absent.",
        ),
    ] = None,
    init: InitOption = None,
    target: TargetOption = "",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For all results; one of an earlier evaluation is replaced. "
            "By default <BAG>_evaluation beside the bag.",
        ),
    ] = None,
    storage: Annotated[Storage, typer.Option(help="Format of the bag of results.")] = (
        Storage.sqlite3
    ),
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures",
            help="Overlay, response map and heat map in the bag of results; as large as raw "
            "images are.",
        ),
    ] = True,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Then twice through the node itself, which needs ROS 2: in lock-step, and in "
            "real time, where images are dropped.",
        ),
    ] = False,
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="BAG",
            help="In place of --live: a bag with the ~/track of a node that this bag was played "
            "to, recorded in its time (launch/evaluate_bag.launch.py). Needs no ROS.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100,
            help="Speed of the real time, with --live or --answers; 2 is twice as fast. "
            "By default 1.",
            show_default=False,
        ),
    ] = None,
    tracker: TrackerOption = OURS,
    backbone: BackboneOption = None,
    neckhead: NeckheadOption = None,
    net: NetOption = None,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_S,
) -> None:
    """Measure the tracker on every image of a bag, in order; two runs give identical files.

    Writes report.html, metrics.json, timing.json (which alone differs from run to run), plots/,
    and offline/ with tracks.csv, boxes.txt and a bag of what the node would publish, to be played
    beside the original. With --live also lock-step/ and real-time/, of what the node did publish.
    After an error what was tracked before it is kept.

    [bold]Examples[/bold]

    autrack evaluate-bag dog_bag --image-topic /image --truth-topic /truth

    autrack evaluate-bag drive --image-topic /camera/image_raw/compressed --init 59,14,56,86

    autrack evaluate-bag dog_bag --image-topic /image --truth-topic /truth --live --rate 2
    """
    require(rosbags="bag", matplotlib="plots")
    if live and answers is not None:
        raise typer.BadParameter("give one of both", param_hint="'--live', '--answers'")
    if rate is not None and not live and answers is None:
        raise typer.BadParameter("goes with --live or --answers", param_hint="'--rate'")
    if live and tracker != OURS:
        raise typer.BadParameter("goes with --tracker autrack, the node's", param_hint="'--live'")
    models = {"backbone": backbone, "neckhead": neckhead, "net": net}
    chosen = chosen_tracker(tracker, options, recover, models, timeout)
    if live:
        require_ros("--live")
    from autrack_ros.evaluation.bags import fingerprints, results
    from autrack_ros.evaluation.bags.evaluation import describe, run_offline, write_results
    from autrack_ros.evaluation.bags.reading import IMAGE_TYPES, Bag
    from autrack_ros.evaluation.bags.recorded import open_answers, recorded_answers
    from autrack_ros.evaluation.bags.recording import Recording

    refuse_time_budget(options)
    name = bag.resolve().name
    folder = output or bag.resolve().with_name(f"{name}_evaluation")
    with Bag(bag) as opened, progress_bar() as progress:
        opened.require(image_topic, IMAGE_TYPES)
        known = _truth(opened, image_topic, truth_topic, truth, target)
        start = _start(opened, init, known, target)
        recorded = None if answers is None else open_answers(answers)
        settings = bag_settings(chosen)
        loaded = chosen.load()
        facts = describe(opened, image_topic, fingerprints.hash_bag(bag), start, settings)
        results.prepare(folder)
        task = progress.add_task("tracking", total=opened.count(image_topic), note="")
        with Recording(folder / results.OFFLINE / "bag", storage.value, pictures) as recording:
            offline = run_offline(
                loaded, opened, image_topic, start, recording, lambda _: progress.advance(task)
            )
        runs = [offline]
        if answers is not None and recorded is not None and offline.failure is None:
            runs.append(
                recorded_answers(
                    answers, recorded, opened, image_topic, offline.tracks, rate or 1.0
                )
            )
        if live and offline.failure is None:
            from autrack_ros.replay.environment import prepare_environment

            prepare_environment(alone=True)  # before anything of ROS is loaded
            from autrack_ros.replay.live import run_live

            runs += run_live(
                opened,
                image_topic,
                offline,
                {"checkpoint": str(options.checkpoint or ""), **settings},
                folder,
                storage.value,
                rate or 1.0,
                lambda name: progress.reset(task, description=name),
                lambda: progress.advance(task),
            )
        progress.update(task, description="writing")
        scored, failure = write_results(folder, opened, image_topic, known, runs, facts)
    for run in scored:
        _print_numbers(run, "" if len(scored) == 1 else f"{run.name} ")
    err_console.print(f"wrote {folder / results.REPORT if scored[0].tracks else folder}")
    if isinstance(failure, KeyboardInterrupt):
        raise typer.Exit(INTERRUPTED_STATUS)
    if failure is not None:
        raise failure


def refuse_time_budget(options: TrackerOptions) -> None:
    """Raise ConfigurationError where results would differ from run to run."""
    from autrack_ros.tracking import ConfigurationError

    if options.adapt_budget_ms:
        raise ConfigurationError(
            f"--adapt-budget-ms {options.adapt_budget_ms:g}: accepted is 0; what is done in a "
            "given time differs from run to run"
        )


def bag_settings(chosen: ChosenTracker) -> dict[str, Any]:
    """All that the answers depend on besides the bag."""
    rosbags = metadata.version("rosbags")
    return {"tracker": chosen.name, **chosen.describe(), "rosbags": rosbags}


def _print_numbers(run: Run, prefix: str) -> None:
    scores = run.numbers.get("scores") or {}
    for name, value in {**scores, "mean_score": run.numbers["mean_score"]}.items():
        if value is not None:
            print(f"{prefix}{name} {value:.4f}")
    for state, count in run.numbers["states"].items():
        print(f"{prefix}{state} {count}")
    if "dropped" in run.numbers:
        print(f"{prefix}dropped {run.numbers['dropped']}")
        print(f"{prefix}late {run.numbers['late']}")


def _truth(
    bag: Bag, image_topic: str, topic: str | None, file: Path | None, target: str
) -> FileTruth | TopicTruth | None:
    """What to compare with."""
    from autrack_ros.evaluation.bags.boxes import FileTruth, TopicTruth

    if topic is not None and file is not None:
        raise typer.BadParameter("give one of both", param_hint="'--truth', '--truth-topic'")
    if file is not None:
        return FileTruth(file, bag.count(image_topic))
    return None if topic is None else TopicTruth(bag, topic, target)


def _start(bag: Bag, init: str | None, truth: FileTruth | TopicTruth | None, target: str) -> Start:
    """Where the target is at first."""
    from autrack_ros.evaluation.bags.boxes import Start, topic_start

    if init is not None and "," not in init:
        return topic_start(bag, init, target)
    if init is not None:
        return Start(f"--init {init}", parse_box(init, "--init"), 0)
    if truth is not None:
        return truth.start
    raise typer.BadParameter(
        "say where the target is: X,Y,W,H on the first image, or a topic; or give --truth or "
        "--truth-topic",
        param_hint="'--init'",
    )
