"""``python -m autrack_ros.demo.web``: a clip in a loop, the node and the page, until Ctrl-C."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from autrack_ros.replay.processes import Process

CLIP = Path(".cache/bicycle")
_POLL_S = 0.2

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    clip: Annotated[Path, typer.Option(help="A video file or a folder of images.")] = CLIP,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Frames a second.")] = 15.0,
    address: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in by a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page.")] = 8080,
) -> None:
    """Show a clip in a loop on the tracker's page; open the link, draw a box, watch."""
    if not clip.exists():
        typer.echo(f"web-demo: {clip}: no such file or folder", err=True)
        raise typer.Exit(1)
    from autrack_ros.replay.processes import stop_on_sigterm

    stop_on_sigterm()
    try:
        _show(clip, rate, address, port)
    except KeyboardInterrupt:
        return
    except Exception as error:
        from autrack_ros.tracking.errors import AutrackError

        if not isinstance(error, AutrackError):
            raise
        typer.echo(f"web-demo: {error}", err=True)
        raise typer.Exit(1) from error


def _show(clip: Path, rate_hz: float, address: str, port: int) -> None:
    with showing(clip, rate_hz, address, port) as (processes, page_log):
        told = 0
        while True:
            text = page_log.read_text(errors="replace")
            print(text[told:], end="", flush=True)
            told = len(text)
            for process in processes:
                process.check_running()
            time.sleep(_POLL_S)


@contextmanager
def showing(
    clip: Path, rate_hz: float, address: str, port: int
) -> Iterator[tuple[list[Process], Path]]:
    """The node, the clip in a loop and ``web_view``, and the file with what the last one prints.

    Args:
        clip: video or folder of images.
        rate_hz: frames a second.
        address: of the page.
        port: of the page.
    """
    from autrack_ros.replay.environment import prepare_environment
    from autrack_ros.replay.processes import Process
    from autrack_ros.replay.tracker import parameter_arguments, tracker_process

    prepare_environment()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autrack_web_demo_")))

        def start(module: str, *parameters: str) -> Process:
            log = logs / f"{module.rpartition('.')[2]}.log"
            return stack.enter_context(Process(module, parameter_arguments(parameters), log))

        processes = [
            # Whoever tries it out looks at a frozen picture for long.
            stack.enter_context(tracker_process(["image_buffer.seconds:=30.0"], logs)),
            start(
                "autrack_ros.clip_publisher.clip_publisher",
                f"source:={clip}",
                f"rate:={rate_hz:f}",
                "loop:=true",
            ),
            start(
                "autrack_ros.web.web_view",
                f"address:={address}",
                f"port:={port}",
                f"recordings:={logs / 'bags'}",
            ),
        ]
        yield processes, logs / "web_view.log"


if __name__ == "__main__":
    app(prog_name="python -m autrack_ros.demo.web")
