"""``autrack track``: follow one target through a video, a folder of images or a camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from autrack_ros.cli.console import err_console, progress_bar, write_json
from autrack_ros.cli.extras import require
from autrack_ros.cli.options import TrackerOptions, parse_box
from autrack_ros.cli.tables import with_tables

if TYPE_CHECKING:
    import numpy as np

    from autrack_ros.evaluation.frames import Frames
    from autrack_ros.evaluation.runner import TrackedFrame
    from autrack_ros.evaluation.video import VideoFile
    from autrack_ros.tracking import AdaptationReport, AutrackError, Box, Tracker, TrackResult
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


@dataclass(frozen=True, slots=True)
class PageOptions:
    """Table of the options of the page for a browser."""

    web: Annotated[bool, typer.Option(help="Serve a page in which to draw boxes and to watch.")] = (
        False
    )
    web_address: Annotated[
        str, typer.Option(help="Its address; 0.0.0.0 lets others in, by a token.")
    ] = "127.0.0.1"
    web_port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: a free one.")] = 8080


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Table of the options that name the files to write."""

    output: Annotated[
        Path | None,
        typer.Option(help="Write the boxes here, one x,y,w,h a line, frame 1 included."),
    ] = None
    video: Annotated[
        Path | None,
        typer.Option(help="Write an .mp4 with box, score and response map here."),
    ] = None
    json: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write a summary (frames, fps, adaptation) here; without FILE, to stdout.",
        ),
    ] = None

    def prepare(self) -> None:
        """Make their folders, and fail now rather than after an hour of tracking.

        Raises:
            typer.BadParameter: one file is to hold two things.
            OSError: a file cannot be written.
        """
        summary = None if self.json in (None, "-") else Path(str(self.json))
        text_files = [path for path in (self.output, summary) if path is not None]
        if self.video is not None and self.video in text_files:
            raise typer.BadParameter(f"{self.video} is also to hold text", param_hint="'--video'")
        for path in (*text_files, *([self.video] if self.video else [])):
            path.parent.mkdir(parents=True, exist_ok=True)
        for path in text_files:
            path.open("a").close()


@dataclass(slots=True)
class _Tracked:
    """What has been tracked so far, and how it ended."""

    boxes: list[Box] = field(default_factory=list)
    update_seconds: list[float] = field(default_factory=list)
    report: AdaptationReport | None = None
    interrupted: bool = False
    failure: AutrackError | None = None

    def add(self, frame: TrackedFrame[TrackResult]) -> None:
        """Take note of a frame; the first has the report."""
        self.boxes.append(frame.box)
        if frame.report is not None:
            self.report = frame.report
        else:
            self.update_seconds.append(frame.seconds)


@with_tables
def track(
    source: Annotated[
        str,
        typer.Argument(
            help="A video file, a folder of images, or the index of a camera.", show_default=False
        ),
    ],
    *,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="The target on frame 1: left, top, width, height in pixels; "
            "the image's corner is 0,0. With --web it can be drawn instead.",
            show_default=False,
        ),
    ] = None,
    page: PageOptions,
    files: FileOptions,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many frames.")
    ] = None,
    options: TrackerOptions,
) -> None:
    """Follow one target through a video, a folder of images or a camera.

    [bold]Examples[/bold]

    autrack track clip.mp4 --box 59,14,56,86 --output boxes.txt --video tracked.mp4

    autrack track frames/ --box 204,150,17,50 --no-adapt --json summary.json

    autrack track 0 --box 200,120,80,80 --video camera.mp4 (Ctrl-C ends it)

    autrack track clip.mp4 --web --output boxes.txt (draw the box in a browser)
    """
    target = None if box is None else parse_box(box)
    if target is None and not page.web:
        raise typer.BadParameter(
            "say where the target is on frame 1, or draw it with --web", param_hint="'--box'"
        )
    if page.web:
        require(aiohttp="web", segno="web")
    from autrack_ros.evaluation.frames import open_frames

    frames = open_frames(source)
    files.prepare()
    sink = _video(files.video, frames)
    tracker = options.load()
    tracked = _track(tracker, frames, target, max_frames, page, sink)
    if tracked.report is None:
        if page.web and tracked.failure is None and not tracked.interrupted:
            err_console.print(f"{source}: no target was drawn")
            return
        raise tracked.failure or typer.Exit(INTERRUPTED_STATUS)
    _write(source, options.preset, tracker, tracked, files)
    _tell_missing(frames, tracked, max_frames)


def _video(path: Path | None, frames: Frames) -> VideoFile | None:
    from autrack_ros.evaluation.video import VideoFile

    return VideoFile(path, frames.fps or 25.0) if path else None


def _track(
    tracker: Tracker,
    frames: Frames,
    target: Box | None,
    max_frames: int | None,
    page: PageOptions,
    sink: VideoFile | None,
) -> _Tracked:
    """Track until the frames end, somebody interrupts, or an error: what was tracked is kept."""
    from autrack_ros.tracking import AutrackError

    tracked = _Tracked()
    total = frames.length if max_frames is None else min(max_frames, frames.length or max_frames)
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        if sink is not None:
            stack.enter_context(sink)
        started = "adapting" if tracker.adaptation.enabled else "starting"
        task = progress.add_task(started, total=total, note="")
        try:
            shown = _watched(stack, tracker, frames, page) if page.web else None
            for frame in _run(tracker, islice(frames, max_frames), target, shown):
                tracked.add(frame)
                if sink is not None:
                    sink.write(annotated(frame, tracked.boxes[-TRAIL_FRAMES:]))
                progress.update(
                    task, advance=1, description="tracking", note=f"score {frame.score:.2f}"
                )
        except KeyboardInterrupt:
            tracked.interrupted = True
        except AutrackError as error:
            tracked.failure = error
    return tracked


def _write(
    source: str, preset: str, tracker: Tracker, tracked: _Tracked, files: FileOptions
) -> None:
    """Write boxes and summary.

    Raises:
        AutrackError: what ended the tracking.
    """
    from autrack_ros.evaluation.boxfiles import write_boxes

    assert tracked.report is not None
    if files.output is not None:
        write_boxes(files.output, tracked.boxes)
    runtime = tracker.engine.runtime
    summary = {
        "source": source,
        "preset": preset,
        "device": runtime.device,
        "runtime": runtime.name,
        "precision": runtime.precision,
        "frames": len(tracked.boxes),
        **speed(tracked.update_seconds),
        "adaptation": asdict(tracked.report),
    }
    if files.json is not None:
        write_json(files.json, summary)
    if tracked.failure is not None:
        raise tracked.failure
    written = [path for path in (files.output, files.video) if path is not None]
    err_console.print(_told(summary, written))


def _tell_missing(frames: Frames, tracked: _Tracked, max_frames: int | None) -> None:
    """Say where a clip ended early; a camera is always ended by hand."""
    count, complete = len(tracked.boxes), not tracked.interrupted and max_frames is None
    if complete and frames.length is not None and count < frames.length:
        err_console.print(f"{frames.name}: {count} of {frames.length} announced frames were read")
    if tracked.interrupted and frames.length is not None:
        raise typer.Exit(INTERRUPTED_STATUS)


def _watched(stack: ExitStack, tracker: Tracker, frames: Frames, page: PageOptions) -> LocalBridge:
    """Serve the page until the stack ends; say where it is."""
    from autrack_ros.web.guard import Access
    from autrack_ros.web.local_bridge import LocalBridge
    from autrack_ros.web.server import WebServer
    from autrack_ros.web.welcome import welcome

    is_clip = frames.length is not None
    bridge = LocalBridge(frames.name, tracker, frames.fps or 25.0, is_clip)
    server = WebServer(Access(page.web_address, page.web_port), bridge)
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
    """The frame with box, look-alike, score, trail and response map; small frames are enlarged.

    Args:
        frame: with its result.
        trail: the last boxes, oldest first.
    """
    import cv2

    from autrack_ros.drawing import DrawnTarget, draw_heatmap, draw_overlay
    from autrack_ros.evaluation.video import upscale_factor

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
    centers = [(factor * x, factor * y) for x, y in (past.center for past in trail)]
    twin = None if result is None else result.look_alike
    target = DrawnTarget(
        frame.box.scaled(factor),
        score=frame.score,
        trail=centers,
        look_alike=None if twin is None else twin.scaled(factor),
    )
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
