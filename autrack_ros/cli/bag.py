"""``autrack bag``: make a bag of a video, a folder of images or an annotated sequence."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autrack_ros.cli.console import err_console, progress_bar
from autrack_ros.cli.extras import require

if TYPE_CHECKING:
    import numpy as np

    from autrack_ros.evaluation.frames import Frames


class Storage(str, Enum):
    """How a bag is stored."""

    sqlite3 = "sqlite3"
    mcap = "mcap"


def bag(
    source: Annotated[
        str,
        typer.Argument(
            help="A video, a folder of images, or a sequence: a folder with img/ and "
            "groundtruth.txt (x,y,w,h a line).",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder of the bag to make; it must not exist.", show_default=False)
    ],
    boxes: Annotated[
        Path | None,
        typer.Option(help="Boxes, one x,y,w,h a frame; nan,nan,nan,nan: the target is absent."),
    ] = None,
    sequence_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of the dataset that the sequence is from, such as otb, got10k, lasot or "
            "vot; see 'autrack evaluate'.",
        ),
    ] = None,
    storage: Annotated[Storage, typer.Option(help="Format of the bag.")] = Storage.sqlite3,
    jpeg: Annotated[
        bool, typer.Option("--jpeg/--raw", help="JPEG images; raw ones lose nothing.")
    ] = False,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=10000, help="Frames a second. By default those of the video, else 30."
        ),
    ] = None,
) -> None:
    """Make a ROS 2 bag of a video, a folder of images or an annotated sequence; no ROS is needed.

    Topics: /image (with --jpeg /image/compressed) and /camera_info (size only, no calibration).
    Where the boxes are known, also /truth (autrack_ros/InitBox, one an image, NaN where the target
    is absent) and /init_box (the first of them). Stamps count from 1 s. The same source gives the
    same bytes.

    [bold]Examples[/bold]

    autrack bag clip.mp4 --boxes boxes.txt --output clip_bag

    autrack bag sequences/dog --output dog_bag --storage mcap --jpeg

    autrack bag OTB100/Basketball --format otb --output basketball_bag
    """
    require(rosbags="bag")
    from autrack_ros.evaluation.bags.making import make_bag

    frames, truth = _open(source, boxes, sequence_format)
    count = _watch(make_bag(frames, truth, output, fps, storage.value, jpeg), frames.length)
    annotated = "no boxes" if truth is None else f"{len(truth)} boxes"
    err_console.print(f"wrote {output}: {count} images, {annotated}")


def _open(
    source: str, boxes: Path | None, sequence_format: str | None
) -> tuple[Frames, np.ndarray | None]:
    """The frames, and a box for each where they are known."""
    from autrack_ros.evaluation.bags.making import open_clip, open_sequence

    if sequence_format is None:
        return open_clip(source, boxes)
    if boxes is None:
        return open_sequence(Path(source), sequence_format)
    raise typer.BadParameter("give one of both", param_hint="'--format', '--boxes'")


def _watch(written: Iterator[int], total: int | None) -> int:
    """Show how far the writing is; the number of frames in the end."""
    count = 0
    with progress_bar() as progress:
        task = progress.add_task("writing", total=total, note="")
        for count in written:
            progress.update(task, completed=count)
    return count
