"""``python -m autrack_ros.demo``: track a clip over ROS 2 and show what came of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, NoReturn

import typer

_CLIP = Path(".cache/bicycle")
_ANNOTATIONS = {  # of clips by name; README.md in this folder
    "bicycle": Path(__file__).parent / "bicycle.txt",
    "carphone_pristine.mp4": Path(__file__).parent / "carphone_head.txt",
}

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    clip: Annotated[Path, typer.Option(help="A video file or a folder of images.")] = _CLIP,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="The target on frame 1, in pixels. The bicycle in the default clip needs none.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            min=0.1, max=1000, help="Frames published a second; at 15 two CPU cores keep up."
        ),
    ] = 15.0,
    output: Annotated[
        Path, typer.Option(help="Folder for video, contact sheet, bag, boxes, summary and logs.")
    ] = Path("demo_output"),
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", "-p", metavar="NAME:=VALUE", help="Parameter of the tracker node."
        ),
    ] = None,
) -> None:
    """Track a clip over ROS 2: node and publisher as processes of their own, all topics in a bag.

    Writes demo.mp4, contact_sheet.png, boxes.txt, summary.json and bag/.
    """
    if not clip.exists():
        _fail(f"{clip}: no such file or folder")
    if box is None and clip.name not in _ANNOTATIONS:
        raise typer.BadParameter("say where the target is on frame 1", param_hint="'--box'")
    from autrack_ros.replay.processes import stop_on_sigterm

    stop_on_sigterm()
    try:
        _demonstrate(clip, box, rate, output, parameter or [])
    except ModuleNotFoundError as error:
        _fail(
            f"{error.name} is missing; the demo needs ROS 2, the messages of this package and "
            "rosbags: `make demo` installs them"
        )
    except OSError as error:
        _fail(str(error))
    except Exception as error:
        from autrack_ros.tracking.errors import AutrackError

        if not isinstance(error, AutrackError):
            raise
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"demo: {message}", err=True)
    raise typer.Exit(1)


def _remove_old(bag: Path) -> None:
    """Make room for a new bag; only a bag is removed, an unfinished one too."""
    if not bag.exists():
        return
    from autrack_ros.demo.report import DemoError

    if not list(bag.glob("*.db3")):
        raise DemoError(f"{bag} exists and is no bag of an earlier demo; choose another --output")
    shutil.rmtree(bag)


def _demonstrate(
    clip: Path, box: str | None, rate_hz: float, output: Path, parameters: list[str]
) -> None:
    from autrack_ros.cli.console import err_console, write_json
    from autrack_ros.cli.options import parse_box
    from autrack_ros.demo import pictures, report, run
    from autrack_ros.evaluation.boxfiles import read_boxes, write_boxes
    from autrack_ros.evaluation.frames import open_frames
    from autrack_ros.replay.environment import prepare_environment
    from autrack_ros.tracking.boxes import Box, validate_box

    if box is None:
        truth = read_boxes(_ANNOTATIONS[clip.name])
        target = Box(*truth[0].tolist())
    else:
        truth, target = None, parse_box(box)
    frames = open_frames(clip)
    height, width = next(iter(frames)).shape[:2]
    validate_box(target, width, height)

    bag = output / "bag"
    _remove_old(bag)
    output.mkdir(parents=True, exist_ok=True)
    prepare_environment()
    with err_console.status(f"tracking {clip} over ROS 2 (logs in {output})"):
        run.record_run(clip, target, rate_hz, bag, output, parameters)

    with err_console.status("drawing"):
        recorded = report.read_run(bag, run.NODE, run.IMAGE_TOPIC)
        summary = report.summarise(recorded, truth)
        write_boxes(output / "boxes.txt", recorded.boxes)
        write_json(output / "summary.json", report.summary_json(summary))
        pictures.write_pictures(
            pictures.shown_frames(bag, run.NODE, run.IMAGE_TOPIC, recorded, truth),
            summary,
            pictures.read_template(bag, run.NODE),
            frames.fps or rate_hz,
            output / "demo.mp4",
            output / "contact_sheet.png",
        )
    for line in report.summary_lines(summary):
        print(line)
    print(f"wrote {output}/: demo.mp4, contact_sheet.png, boxes.txt, summary.json, bag/")


if __name__ == "__main__":
    app(prog_name="python -m autrack_ros.demo")
