"""``autrack track``: follow one target through a video, a folder of images or a camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from autrack_ros.cli.console import err_console, progress_bar, write_json
from autrack_ros.cli.extras import require
from autrack_ros.cli.options import TrackerOptions, parse_box, with_tracker_options

if TYPE_CHECKING:
    import numpy as np

    from autrack_ros.evaluation.frames import Frames
    from autrack_ros.evaluation.runner import TrackedFrame
    from autrack_ros.tracking import Box, Tracker, TrackResult
    from autrack_ros.web.local_bridge import LocalBridge

INTERRUPTED_STATUS = 130
TRAIL_FRAMES = 60  # of the video: about two seconds


class TrackCommand(TyperCommand):
    """Lets ``--json`` stand alone: without a file the summary goes to stdout."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the missing ``-`` after a ``--json`` without a file."""
        args = list(args)
        if "--json" in args:
            after = args.index("--json") + 1
            if after == len(args) or (args[after].startswith("-") and args[after] != "-"):
                args.insert(after, "-")
        return super().parse_args(ctx, args)


@with_tracker_options
def track(
    source: Annotated[
        str,
        typer.Argument(
            help="A video file, a folder of images, or the index of a camera.", show_default=False
        ),
    ],
    options: TrackerOptions,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="The target on frame 1: left, top, width, height in pixels; "
            "the image's corner is 0,0. With --web it can be drawn instead.",
            show_default=False,
        ),
    ] = None,
    web: Annotated[
        bool, typer.Option(help="Serve a page in which to draw boxes and to watch.")
    ] = False,
    web_address: Annotated[
        str, typer.Option(help="Its address; 0.0.0.0 lets others in, by a token.")
    ] = "127.0.0.1",
    web_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Its port; 0: a free one.")
    ] = 8080,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the boxes here, one x,y,w,h a line, frame 1 included."),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="Write an .mp4 with box, score and response map here."),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write a summary (frames, fps, adaptation) here; without FILE, to stdout.",
        ),
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many frames.")
    ] = None,
) -> None:
    """Follow one target through a video, a folder of images or a camera.

    [bold]Examples[/bold]

    autrack track clip.mp4 --box 59,14,56,86 --output boxes.txt --video tracked.mp4

    autrack track frames/ --box 204,150,17,50 --no-adapt --json summary.json

    autrack track 0 --box 200,120,80,80 --video camera.mp4 (Ctrl-C ends it)

    autrack track clip.mp4 --web --output boxes.txt (draw the box in a browser)
    """
    target = None if box is None else parse_box(box)
    if target is None and not web:
        raise typer.BadParameter(
            "say where the target is on frame 1, or draw it with --web", param_hint="'--box'"
        )
    if web:
        require(aiohttp="web", segno="web")
    from autrack_ros.evaluation.boxfiles import write_boxes
    from autrack_ros.evaluation.frames import open_frames
    from autrack_ros.evaluation.video import VideoFile
    from autrack_ros.tracking import AutrackError

    frames = open_frames(source)
    summary_file = None if json in (None, "-") else Path(str(json))
    text_files = [path for path in (output, summary_file) if path is not None]
    if video is not None and video in text_files:
        raise typer.BadParameter(f"{video} is also to hold text", param_hint="'--video'")
    for path in (*text_files, *([video] if video else [])):
        path.parent.mkdir(parents=True, exist_ok=True)
    for path in text_files:  # better refused now than after an hour of tracking
        path.open("a").close()
    sink_file = VideoFile(video, frames.fps or 25.0) if video else None
    tracker = options.load()

    boxes: list[Box] = []
    update_seconds: list[float] = []
    report = None
    interrupted = False
    failure: AutrackError | None = None
    total = frames.length if max_frames is None else min(max_frames, frames.length or max_frames)
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        sink = stack.enter_context(sink_file) if sink_file else None
        task = progress.add_task("adapting" if options.adapt else "starting", total=total, note="")
        try:
            shown = _watched(stack, tracker, frames, web_address, web_port) if web else None
            for frame in _run(tracker, islice(frames, max_frames), target, shown):
                boxes.append(frame.box)
                if frame.report is not None:
                    report = frame.report
                else:
                    update_seconds.append(frame.seconds)
                if sink is not None:
                    sink.write(annotated(frame, boxes[-TRAIL_FRAMES:]))
                progress.update(
                    task, advance=1, description="tracking", note=f"score {frame.score:.2f}"
                )
        except KeyboardInterrupt:
            interrupted = True
        except AutrackError as error:  # what was tracked so far is kept
            failure = error
    if report is None:
        if web and failure is None and not interrupted:
            err_console.print(f"{source}: no target was drawn")
            return
        raise failure or typer.Exit(INTERRUPTED_STATUS)

    if output is not None:
        write_boxes(output, boxes)
    summary = {
        "source": source,
        "preset": options.preset,
        "device": tracker.engine.runtime.device,
        "runtime": tracker.engine.runtime.name,
        "precision": tracker.engine.runtime.precision,
        "frames": len(boxes),
        **speed(update_seconds),
        "adaptation": asdict(report),
    }
    if json is not None:
        write_json(json, summary)
    if failure is not None:
        raise failure
    err_console.print(_told(summary, [path for path in (output, video) if path is not None]))
    complete = not interrupted and max_frames is None
    if complete and frames.length is not None and len(boxes) < frames.length:
        err_console.print(f"{source}: {len(boxes)} of {frames.length} announced frames were read")
    if interrupted and frames.length is not None:
        raise typer.Exit(INTERRUPTED_STATUS)


def _watched(
    stack: ExitStack, tracker: Tracker, frames: Frames, address: str, port: int
) -> LocalBridge:
    """Serve the page until the stack ends; say where it is."""
    from autrack_ros.web.guard import Access
    from autrack_ros.web.local_bridge import LocalBridge
    from autrack_ros.web.server import WebServer
    from autrack_ros.web.welcome import welcome

    is_clip = frames.length is not None
    bridge = LocalBridge(frames.name, tracker, frames.fps or 25.0, is_clip)
    server = WebServer(Access(address, port), bridge)
    stack.callback(server.stop, "the clip has ended")
    server.start()
    bridge.start(server.hub)
    typer.echo(welcome(server), err=True)
    return bridge


def _run(
    tracker: Tracker, frames: Iterable[np.ndarray], box: Box | None, shown: LocalBridge | None
) -> Iterator[TrackedFrame[TrackResult]]:
    if shown is not None:
        return shown.run(frames, box)
    from autrack_ros.evaluation.runner import track as run

    assert box is not None
    return run(tracker, frames, box)


def annotated(frame: TrackedFrame[TrackResult], trail: list[Box]) -> np.ndarray:
    """The frame with box, score, trail and response map; small frames are enlarged.

    Args:
        frame: with its result.
        trail: the last boxes, oldest first.
    """
    import cv2

    from autrack_ros.drawing import DrawnTarget, draw_heatmap, draw_overlay
    from autrack_ros.evaluation.video import upscale_factor
    from autrack_ros.tracking import Box

    factor = upscale_factor(frame.image)
    canvas = cv2.resize(frame.image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    result = frame.result
    inset = None
    if result is not None:
        inset = draw_heatmap(
            result.search,
            result.response,
            result.response_to_image,
            result.search_to_image,
            result.box,
        )
    box = Box(*(factor * value for value in frame.box))
    centers = [(factor * x, factor * y) for x, y in (past.center for past in trail)]
    target = DrawnTarget(box, score=frame.score, trail=centers)
    return draw_overlay(canvas, [target], inset=inset)


def speed(update_seconds: list[float]) -> dict[str, float | None]:
    """Frames a second and median milliseconds of ``update`` alone (no reading, no drawing)."""
    import statistics

    if not update_seconds:
        return {"fps": None, "median_ms": None}
    return {
        "fps": round(len(update_seconds) / sum(update_seconds), 2),
        "median_ms": round(1e3 * statistics.median(update_seconds), 3),
    }


def _told(summary: dict[str, Any], written: list[Path]) -> str:
    adaptation = summary["adaptation"]
    parts = [f"{summary['frames']} frames"]
    if summary["fps"] is not None:
        parts.append(f"{summary['fps']:.1f} fps (median {summary['median_ms']:.1f} ms)")
    if adaptation["losses"]:
        start, best = adaptation["losses"][0], adaptation["losses"][adaptation["best_step"]]
        parts.append(
            f"adapted in {adaptation['elapsed_ms']:.0f} ms, loss {start:.3f} -> {best:.3f}"
        )
    else:
        parts.append(f"not adapted ({adaptation['stop_reason']})")
    return "\n".join([", ".join(parts), *(f"wrote {path}" for path in written)])
