"""``autrack evaluate-bag``: measure the tracker on a bag; only ``--live`` needs ROS."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autrack_ros.cli.bag import Storage
from autrack_ros.cli.chosen import OURS, Choice, ChosenTracker
from autrack_ros.cli.console import err_console, progress_bar
from autrack_ros.cli.extras import require, require_ros
from autrack_ros.cli.options import RecoverOption, TrackerOptions, parse_box
from autrack_ros.cli.tables import with_tables
from autrack_ros.cli.track import INTERRUPTED_STATUS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from autrack_ros.evaluation.bags.boxes import FileTruth, Start, TopicTruth
    from autrack_ros.evaluation.bags.evaluation import Answers
    from autrack_ros.evaluation.bags.reading import Bag
    from autrack_ros.evaluation.bags.tracks import Run


@dataclass(frozen=True, slots=True)
class BagTopicOptions:
    """Table of the options that say what is read of a bag."""

    image_topic: Annotated[
        str,
        typer.Option(
            metavar="TOPIC",
            help="Images: sensor_msgs/Image or CompressedImage.",
            show_default=False,
        ),
    ]
    truth_topic: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC",
            help="Boxes to compare with: autrack_ros/InitBox or vision_msgs/Detection2DArray, "
            "each of the image that has its stamp.",
        ),
    ] = None
    init: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H|TOPIC",
            help="The target on the first image, or a topic whose first box it is. "
            "By default the first box to compare with.",
        ),
    ] = None
    target: Annotated[
        str, typer.Option(metavar="ID", help="Which one, where a topic has several.")
    ] = ""


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """Table of the options that say what is written."""

    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For all results; one of an earlier evaluation is replaced. "
            "By default <BAG>_evaluation beside the bag.",
        ),
    ] = None
    storage: Annotated[Storage, typer.Option(help="Format of the bag of results.")] = (
        Storage.sqlite3
    )
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures",
            help="Overlay, response map and heat map in the bag of results; as large as raw "
            "images are.",
        ),
    ] = True

    def folder(self, bag: Path) -> Path:
        """The folder of the results of a bag."""
        bag = bag.resolve()
        return self.output or bag.with_name(f"{bag.name}_evaluation")


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Table of the options that measure the node itself, too."""

    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Then twice through the node itself, which needs ROS 2: in lock-step, and in "
            "real time, where images are dropped.",
        ),
    ] = False
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="BAG",
            help="In place of --live: a bag with the ~/track of a node that this bag was played "
            "to, recorded in its time (launch/evaluate_bag.launch.py). Needs no ROS.",
        ),
    ] = None
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100,
            help="Speed of the real time, with --live or --answers; 2 is twice as fast. "
            "By default 1.",
            show_default=False,
        ),
    ] = None

    def check(self, tracker: str) -> None:
        """Refuse what does not go together.

        Raises:
            typer.BadParameter: options exclude each other, or another tracker than the node's.
        """
        if self.live and self.answers is not None:
            raise typer.BadParameter("give one of both", param_hint="'--live', '--answers'")
        if self.rate is not None and not self.live and self.answers is None:
            raise typer.BadParameter("goes with --live or --answers", param_hint="'--rate'")
        if self.live and tracker != OURS:
            raise typer.BadParameter(
                "goes with --tracker autrack, the node's", param_hint="'--live'"
            )


@with_tables
def evaluate_bag(
    bag: Annotated[
        Path,
        typer.Argument(help="Folder of a rosbag2, sqlite3 or mcap, compressed or not."),
    ],
    topics: BagTopicOptions,
    *,
    recover: RecoverOption = True,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Boxes to compare with, one x,y,w,h an image; nan,nan,nan,nan: absent.",
        ),
    ] = None,
    written: ResultOptions,
    node: NodeOptions,
    choice: Choice,
    options: TrackerOptions,
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
    node.check(choice.tracker)
    chosen = choice.resolve(options, recover)
    if node.live:
        require_ros("--live")
    refuse_time_budget(options)
    from autrack_ros.evaluation.bags import results

    runs, failure = _evaluate(bag, topics, truth, written, node, chosen, options)
    for run in runs:
        _print_numbers(run, "" if len(runs) == 1 else f"{run.name} ")
    folder = written.folder(bag)
    err_console.print(f"wrote {folder / results.REPORT if runs[0].tracks else folder}")
    if isinstance(failure, KeyboardInterrupt):
        raise typer.Exit(INTERRUPTED_STATUS)
    if failure is not None:
        raise failure


def _evaluate(
    path: Path,
    topics: BagTopicOptions,
    truth_file: Path | None,
    written: ResultOptions,
    node: NodeOptions,
    chosen: ChosenTracker,
    options: TrackerOptions,
) -> tuple[list[Run], BaseException | None]:
    """Track and write everything; the scored runs, and the first failure."""
    from autrack_ros.evaluation.bags import fingerprints, results
    from autrack_ros.evaluation.bags.evaluation import describe, run_offline, write_results
    from autrack_ros.evaluation.bags.reading import IMAGE_TYPES, Bag
    from autrack_ros.evaluation.bags.recorded import open_answers, recorded_answers
    from autrack_ros.evaluation.bags.recording import Recording

    folder, images = written.folder(path), topics.image_topic
    with Bag(path) as bag, progress_bar() as progress:
        bag.require(images, IMAGE_TYPES)
        truth = _truth(bag, topics, truth_file)
        start = _start(bag, topics, truth)
        recorded = None if node.answers is None else open_answers(node.answers)
        settings = bag_settings(chosen)
        tracker = chosen.load()
        facts = describe(bag, images, fingerprints.hash_bag(path), start, settings)
        results.prepare(folder)
        task = progress.add_task("tracking", total=bag.count(images), note="")
        recording = Recording(
            folder / results.OFFLINE / "bag", written.storage.value, written.pictures
        )
        with recording:
            offline = run_offline(
                tracker, bag, images, start, recording, lambda _: progress.advance(task)
            )
        runs = [offline]
        if node.answers is not None and recorded is not None and offline.failure is None:
            rate = node.rate or 1.0
            runs.append(recorded_answers(node.answers, recorded, bag, images, offline.tracks, rate))
        if node.live and offline.failure is None:
            settings = {"checkpoint": str(options.checkpoint or ""), **settings}
            runs += _live(bag, images, offline, settings, folder, written, node, progress, task)
        progress.update(task, description="writing")
        return write_results(folder, bag, images, truth, runs, facts)


def _live(
    bag: Bag,
    image_topic: str,
    offline: Answers,
    settings: dict[str, Any],
    folder: Path,
    written: ResultOptions,
    node: NodeOptions,
    progress: Progress,
    task: TaskID,
) -> list[Answers]:
    """What the node itself answers."""
    from autrack_ros.replay.environment import prepare_environment

    prepare_environment(alone=True)  # before anything of ROS is loaded
    from autrack_ros.replay.live import run_live

    return run_live(
        bag,
        image_topic,
        offline,
        settings,
        folder,
        written.storage.value,
        node.rate or 1.0,
        lambda name: progress.reset(task, description=name),
        lambda: progress.advance(task),
    )


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


def _truth(bag: Bag, topics: BagTopicOptions, file: Path | None) -> FileTruth | TopicTruth | None:
    """What to compare with."""
    from autrack_ros.evaluation.bags.boxes import FileTruth, TopicTruth

    topic = topics.truth_topic
    if topic is not None and file is not None:
        raise typer.BadParameter("give one of both", param_hint="'--truth', '--truth-topic'")
    if file is not None:
        return FileTruth(file, bag.count(topics.image_topic))
    return None if topic is None else TopicTruth(bag, topic, topics.target)


def _start(bag: Bag, topics: BagTopicOptions, truth: FileTruth | TopicTruth | None) -> Start:
    """Where the target is at first."""
    from autrack_ros.evaluation.bags.boxes import Start, topic_start

    init = topics.init
    if init is not None and "," not in init:
        return topic_start(bag, init, topics.target)
    if init is not None:
        return Start(f"--init {init}", parse_box(init, "--init"), 0)
    if truth is not None:
        return truth.start
    raise typer.BadParameter(
        "say where the target is: X,Y,W,H on the first image, or a topic; or give --truth or "
        "--truth-topic",
        param_hint="'--init'",
    )
