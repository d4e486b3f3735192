"""The program ``autrack``: its commands, its version, and how errors are told.

Commands import the tracker (and with it PyTorch) when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from autrack_ros.cli.bag import bag
from autrack_ros.cli.compare import compare
from autrack_ros.cli.evaluate import evaluate
from autrack_ros.cli.evaluate_bag import evaluate_bag
from autrack_ros.cli.evaluate_bags import evaluate_bags
from autrack_ros.cli.export import export
from autrack_ros.cli.models import models
from autrack_ros.cli.track import TrackCommand, track
from autrack_ros.cli.train import train
from autrack_ros.cli.version import version
from autrack_ros.cli.vot import vot
from autrack_ros.memory import reuse_large_blocks

USAGE_STATUS = 2
FAILURE_STATUS = 1


class _Group(TyperGroup):
    """Tells expected errors in one line on stderr instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            status = _status_of(error)
            if status is None:
                raise
            typer.echo(f"autrack: {_told(error)}", err=True)
            raise typer.Exit(status) from error


def _status_of(error: Exception) -> int | None:
    """Exit status of an error that is told in one line; None for a defect of ours."""
    if isinstance(error, OSError):
        return FAILURE_STATUS
    # Our errors exist only once the tracker is imported, which takes seconds: not for --help.
    errors = sys.modules.get("autrack_ros.tracking.errors")
    if errors is None or not isinstance(error, errors.AutrackError):
        return None
    return USAGE_STATUS if isinstance(error, errors.ConfigurationError) else FAILURE_STATUS


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


app = typer.Typer(
    name="autrack",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Try it: [bold]autrack track clip.mp4 --box 59,14,56,86 --video tracked.mp4[/bold]",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autrack {version()}")
        raise typer.Exit


@app.callback()
def _main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Follow any object through a video: mark it on the first frame, AUTracker does the rest.

    A SiamFC++ tracker adapts the pixels of its template to the target before it starts
    (template update); turn that off with [bold]--no-adapt[/bold].
    """


_commands: tuple[tuple[Callable[..., None], dict[str, Any]], ...] = (
    (track, {"cls": TrackCommand}),
    (models, {}),
    (evaluate, {}),
    (compare, {}),
    (bag, {}),
    (evaluate_bag, {}),
    (evaluate_bags, {}),
    (vot, {}),
    (train, {}),
    (export, {}),
)
for _command, _settings in _commands:
    app.command(**_settings)(_command)


def main() -> None:
    """Run the program; ends the process with its exit status."""
    reuse_large_blocks()
    # OpenCV and FFmpeg write their own complaints on stderr beside ours.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    app(prog_name="autrack")
