"""``autrack evaluate``: measure a tracker on annotated sequences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autrack_ros.cli.chosen import Choice
from autrack_ros.cli.engines import EngineOptions
from autrack_ros.cli.measuring import measure, set_threads
from autrack_ros.cli.options import JsonOption, RecoverOption, TrackerOptions
from autrack_ros.cli.tables import with_tables

if TYPE_CHECKING:
    from autrack_ros.evaluation.datasets import Readers


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    """Table of the options that say what the folder holds, and which of it is wanted."""

    format: Annotated[
        str,
        typer.Option(
            help="What the folder holds: folder (<sequence>/img/ and <sequence>/groundtruth.txt, "
            "x,y,w,h a line), otb, got10k, lasot, uav123, trackingnet or vot."
        ),
    ] = "folder"
    sequences: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Only these sequences.")
    ] = None

    def read(self, dataset: Path) -> Readers:
        """The readers of the sequences.

        Raises:
            SourceError: the folder is not of the format.
            typer.BadParameter: it lacks a sequence.
        """
        from autrack_ros.evaluation.datasets import read_dataset

        readers = read_dataset(dataset, self.format)
        if self.sequences is None:
            return readers
        wanted = self.sequences.split(",")
        unknown = [name for name in wanted if name not in readers]
        if unknown:
            raise typer.BadParameter(
                f"{', '.join(unknown)} not in {dataset}; accepted: {', '.join(readers)}",
                param_hint="'--sequences'",
            )
        return {name: readers[name] for name in wanted}


@with_tables
def evaluate(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET_DIR", help="Folder of annotated sequences.", show_default=False
        ),
    ],
    *,
    recover: RecoverOption = True,
    wanted: SequenceOptions,
    json: JsonOption = None,
    results_dir: Annotated[
        Path | None,
        typer.Option(
            help="Keep boxes, metrics and files to submit here; a run that was interrupted goes on."
        ),
    ] = None,
    where: EngineOptions,
    choice: Choice,
    options: TrackerOptions,
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
    chosen = choice.resolve(options, recover)
    set_threads(where.threads)
    readers = wanted.read(dataset)
    settings = {"format": wanted.format, "tracker": chosen.name, **chosen.describe()}
    measure(readers, chosen, settings, str(dataset), results_dir, where.resolve(chosen), json)
