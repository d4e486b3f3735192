"""What a recorded run says in numbers, all read from its bag."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.bags.reading import read_topic, stamp_ns
from autrack_ros.evaluation.metrics import ious
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import AutrackError

_STATE_NAMES = {1: "adapting", 2: "tracking", 3: "uncertain", 4: "lost"}  # of Track.msg


class DemoError(AutrackError):
    """The demo did not come to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class FrameTrack:
    """The node's answer to one frame; box in edge coordinates, pixels, None while lost."""

    box: Box | None
    state: str
    score: float
    processing_ms: float
    received_ns: int


@dataclass(frozen=True, slots=True)
class Run:
    """A recorded run.

    Attributes:
        stamps: of every published frame, nanoseconds, in order.
        tracks: by stamp, of the frames that were processed.
        losses: of the template at every adaptation step; the first is that of the unchanged one.
        adaptation_ms: time of the adaptation, milliseconds.
    """

    stamps: list[int]
    tracks: dict[int, FrameTrack]
    losses: tuple[float, ...]
    adaptation_ms: float

    @property
    def boxes(self) -> np.ndarray:
        """A box a published frame, N x 4 float64; NaN where there is none."""
        boxes = [self.tracks[stamp].box if stamp in self.tracks else None for stamp in self.stamps]
        return np.array([(math.nan,) * 4 if box is None else box for box in boxes])

    @property
    def processed(self) -> np.ndarray:
        """Whether a published frame was processed, N bool."""
        return np.array([stamp in self.tracks for stamp in self.stamps])


@dataclass(frozen=True, slots=True)
class Summary:
    """The demo's numbers; times in milliseconds.

    ``mean_iou`` is taken over the processed frames after the first, whose box is given; None
    without annotation, or if there are none. ``fps`` is the rate at which results came, at most
    that of the clip; ``median_processing_ms`` is the node's own time for a frame.
    """

    frames_sent: int
    frames_processed: int
    frames_dropped: int
    mean_iou: float | None
    fps: float
    median_processing_ms: float
    adaptation_ms: float
    adaptation_loss_start: float | None
    adaptation_loss_best: float | None


def read_run(bag: Path, node: str, image_topic: str) -> Run:
    """Read what the node said of every frame.

    Raises:
        DemoError: nothing was tracked.
    """
    tracks: dict[int, FrameTrack] = {}
    for received_ns, message in read_topic(bag, f"{node}/track"):
        if message.state in _STATE_NAMES:
            x, y = message.center_x - message.size_x / 2, message.center_y - message.size_y / 2
            box = Box(x, y, message.size_x, message.size_y) if message.size_x > 0 else None
            tracks[stamp_ns(message)] = FrameTrack(
                box,
                _STATE_NAMES[message.state],
                message.score,
                message.processing_ms,
                received_ns,
            )
    stamps = sorted({stamp_ns(message) for _, message in read_topic(bag, image_topic)})
    reports = [message for _, message in read_topic(bag, f"{node}/adaptation")]
    if not tracks or not reports:
        raise DemoError(
            f"{bag} holds {len(stamps)} images, but {len(tracks)} tracked frames and "
            f"{len(reports)} adaptation reports"
        )
    losses = tuple(float(loss) for loss in reports[-1].losses)
    return Run(stamps, tracks, losses, reports[-1].elapsed_ms)


def overlaps(run: Run, truth: np.ndarray) -> np.ndarray:
    """IoU a published frame with the annotated boxes, N float64: 0 where the target was lost.

    NaN where the frame was not processed or the target is not annotated.

    Raises:
        DemoError: the numbers of frames and of annotated boxes differ.
    """
    if len(run.stamps) != len(truth):
        raise DemoError(f"{len(run.stamps)} frames were recorded, but {len(truth)} are annotated")
    return np.where(run.processed, ious(run.boxes, truth), np.nan)


def summarise(run: Run, truth: np.ndarray | None) -> Summary:
    """The numbers of a run."""
    times = sorted(track.received_ns for track in run.tracks.values())
    span_s = (times[-1] - times[0]) / 1e9
    overlap = np.array([]) if truth is None else overlaps(run, truth)[1:]
    overlap = overlap[~np.isnan(overlap)]
    return Summary(
        frames_sent=len(run.stamps),
        frames_processed=len(run.tracks),
        frames_dropped=len(run.stamps) - len(run.tracks),
        mean_iou=float(overlap.mean()) if overlap.size else None,
        fps=(len(times) - 1) / span_s if span_s > 0 else 0.0,
        median_processing_ms=statistics.median(
            track.processing_ms for track in run.tracks.values()
        ),
        adaptation_ms=run.adaptation_ms,
        adaptation_loss_start=run.losses[0] if run.losses else None,
        adaptation_loss_best=min(run.losses) if run.losses else None,
    )


def summary_lines(summary: Summary) -> list[str]:
    """The numbers of a run in words, for the terminal and the contact sheet."""
    lines = [
        f"{summary.frames_sent} frames sent, {summary.frames_processed} processed, "
        f"{summary.frames_dropped} dropped",
        f"{summary.fps:.1f} results a second, median {summary.median_processing_ms:.1f} ms a frame",
    ]
    if summary.adaptation_loss_start is None or summary.adaptation_loss_best is None:
        lines.append("template not adapted")
    else:
        lines.append(
            f"template adapted in {summary.adaptation_ms:.0f} ms, loss "
            f"{summary.adaptation_loss_start:.3f} -> {summary.adaptation_loss_best:.3f}"
        )
    if summary.mean_iou is not None:
        lines.append(f"mean IoU {summary.mean_iou:.3f} with the boxes annotated by hand (dotted)")
    return lines


def summary_json(summary: Summary) -> dict[str, float | int | None]:
    """The numbers of a run by their names in ``Summary``."""
    return asdict(summary)
