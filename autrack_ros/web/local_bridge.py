"""The bridge to a clip or camera on this machine: the page without ROS."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrack_ros.drawing import draw_template
from autrack_ros.evaluation.runner import TrackedFrame
from autrack_ros.tracking import (
    AdaptationReport,
    Box,
    FollowedFrame,
    Follower,
    InvalidBoxError,
    Tracker,
    TrackResult,
)
from autrack_ros.web import messages as web
from autrack_ros.web.bridge import Answered
from autrack_ros.web.hub import Hub
from autrack_ros.web.picture import Picture, template_jpeg

KEPT_FRAMES = 150  # for boxes drawn on past pictures: 5 s at 30 frames a second
_WAIT_S = 0.05
_Tracked = TrackedFrame[TrackResult]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame of the source; its stamp counts nanoseconds of the clip."""

    stamp_ns: int
    image: np.ndarray


class LocalBridge:
    """Plays a source to the pages and follows what they mark.

    ``run`` works in the caller's thread; it alone touches the tracker. A clip waits on its first
    frame until a box is drawn or the page lets it play; a camera goes on meanwhile.

    Args:
        source: name of the clip or camera.
        tracker: its engine and adaptation settings are used.
        fps: frames a second; None plays as fast as they come.
        is_clip: whether the source can stand still.
    """

    def __init__(self, source: str, tracker: Tracker, fps: float | None, is_clip: bool) -> None:
        self.source = source
        self.tracker = tracker.engine.preset.name
        self.can: tuple[str, ...] = ("follow", "remove", "reset", "enable", "select")
        self._hub: Hub | None = None
        self._engine, self._adaptation = tracker.engine, tracker.adaptation
        self._follower = Follower(tracker.engine)
        self._period_s = 1 / fps if fps and is_clip else 0.0
        self._step_ns = round(1e9 / (fps or 30.0))
        self._commands: queue.SimpleQueue[tuple[web.Command, Answered]] = queue.SimpleQueue()
        self._kept: deque[_Frame] = deque(maxlen=KEPT_FRAMES)
        self._playing = not is_clip
        self._selected = ""
        self._lead: str | None = None  # the first target, that ``run`` tells of; "": it has ended
        self._lead_box = Box(0, 0, 0, 0)  # where it was seen last
        self._count = 0

    def start(self, hub: Hub) -> None:
        """Begin to tell the pages."""
        self._hub = hub
        self._post(web.Enabled(self._playing))

    # Bridge, in the server's thread.

    def watch(self, on: bool) -> None:
        """Frames are played whether or not somebody looks."""

    def do(self, command: web.Command, answered: Answered) -> None:
        """Have it done between two frames."""
        self._commands.put((command, answered))

    def bag(self, name: str) -> Path | None:
        """No bags are recorded here."""
        return None

    # The caller's thread.

    def run(self, frames: Iterable[np.ndarray], box: Box | None) -> Iterator[_Tracked]:
        """Play the frames; yield those from the first target's start to its end.

        Args:
            frames: HxWx3 uint8 BGR, all of one size.
            box: a target on the first frame; None: a page draws it.

        Raises:
            InvalidBoxError: there is nothing to track in ``box``.
        """
        due = time.monotonic()
        for image in frames:
            self._count += 1
            frame = _Frame(self._step_ns * self._count, image)
            self._kept.append(frame)
            self._show(frame)
            start = time.perf_counter()
            found = self._follower.follow(image)
            seconds = time.perf_counter() - start
            self._tell(frame, found, seconds)
            if self._lead in found:
                yield self._of_lead(frame, found[self._lead], seconds)
            if self._count == 1 and box is not None:
                yield from self._start("target", box, frame)
            due = max(due, time.monotonic() - self._period_s) + self._period_s
            yield from self._take_commands(due)

    def _take_commands(self, due: float) -> Iterator[_Tracked]:
        """Do what pages want until the next frame is due, and while the clip stands still."""
        while True:
            left = due - time.monotonic() if self._playing else _WAIT_S
            try:
                command, answered = self._commands.get(timeout=max(left, 0.0) or 1e-4)
            except queue.Empty:
                if self._playing:
                    return
                continue
            yield from self._do(command, answered)

    def _do(self, command: web.Command, answered: Answered) -> Iterator[_Tracked]:
        match command:
            case web.Follow():
                yield from self._follow(command, answered)
            case web.Remove(id=name):
                followed = ", ".join(self._follower.names) or "none"
                there = name in self._follower.names
                self._end([name] if there else [])
                answered(there, "" if there else f"no target '{name}'; followed are {followed}")
            case web.Reset():
                self._end(self._follower.names)
                answered(True, "")
            case web.Enable(on=on):
                self._play(on)
                answered(True, "")
            case web.Select(id=name):
                self._selected = name
                answered(True, "")

    def _follow(self, command: web.Follow, answered: Answered) -> Iterator[_Tracked]:
        stamp = int(command.stamp) or self._kept[-1].stamp_ns
        frame = next((kept for kept in self._kept if kept.stamp_ns == stamp), None)
        box = Box(command.x, command.y, command.width, command.height)
        try:
            if frame is None:
                first, last = self._kept[0].stamp_ns, self._kept[-1].stamp_ns
                raise InvalidBoxError(f"no frame of stamp {stamp} is kept, but {first} to {last}")
            yield from self._start(command.id, box, frame)
        except InvalidBoxError as error:
            self._log("refused", command.id, str(error))
            answered(False, f"'{command.id}': refused: {error}")
        else:
            answered(True, f"'{command.id}': accepted")

    def _start(self, name: str, box: Box, frame: _Frame) -> Iterator[_Tracked]:
        """Start a target, bring it up to the newest frame, and play on.

        Raises:
            InvalidBoxError: there is nothing to track in the box.
        """
        start = time.perf_counter()
        target = self._engine.start(frame.image, box)
        self._log("started", name, f"in frame {frame.stamp_ns // self._step_ns}")
        target, report = self._engine.adapt(frame.image, target, self._adaptation)
        panel = draw_template(target.template, target.adapted_template)
        self._post(_adaptation(name, report))
        self._post(web.Template(str(frame.stamp_ns)), template_jpeg(panel))
        leads = self._lead is None
        if leads:
            self._lead, self._lead_box = name, box
            seconds = time.perf_counter() - start
            yield TrackedFrame(frame.image, box, 1.0, seconds, report=report)
        behind = Follower(self._engine)
        behind.put(name, target, frame.image)
        for later in [kept for kept in self._kept if kept.stamp_ns > frame.stamp_ns]:
            start = time.perf_counter()
            followed = behind.follow(later.image)[name]
            if leads:
                yield self._of_lead(later, followed, time.perf_counter() - start)
        self._follower.drop(name)
        behind.hand_over(name, self._follower)
        self._play(True)

    def _of_lead(self, frame: _Frame, followed: FollowedFrame, seconds: float) -> _Tracked:
        """The first target's frame; with its last box while it is lost."""
        self._lead_box = followed.box or self._lead_box
        return TrackedFrame(
            frame.image, self._lead_box, followed.score, seconds, result=followed.result
        )

    def _play(self, on: bool) -> None:
        if on != self._playing:
            self._playing = on
            self._post(web.Enabled(on))

    def _end(self, names: Iterable[str]) -> None:
        for name in tuple(names):
            self._follower.drop(name)
            self._log("ended", name, "removed")
            if name == self._lead:
                self._lead = ""
        if not self._playing and not self._follower.names:
            self._tell(self._kept[-1], {}, 0.0)

    def _show(self, frame: _Frame) -> None:
        assert self._hub is not None
        height, width = frame.image.shape[:2]
        self._hub.post_picture(
            Picture(self._count, frame.stamp_ns, width, height, lambda: frame.image)
        )

    def _tell(self, frame: _Frame, found: dict[str, FollowedFrame], seconds: float) -> None:
        rows = [_row(name, followed) for name, followed in found.items()]
        stamp, ms = str(frame.stamp_ns), 1e3 * seconds
        self._post(web.Tracks(stamp, rows, ms, ms, self._count, 0))
        selected = self._selected if self._selected in found else next(iter(found), "")
        if selected:
            self._post(*web.response(stamp, selected, *_map(found[selected].result)))

    def _log(self, event: str, name: str, text: str) -> None:
        assert self._hub is not None
        level = "warning" if event == "refused" else "info"
        self._hub.log(level, text, source="status", event=event, id=name)

    def _post(self, event: web.Event, payload: bytes | None = None) -> None:
        assert self._hub is not None
        self._hub.post(event, payload)


def _map(result: TrackResult) -> tuple[np.ndarray, list[float]]:
    return result.response, [float(value) for value in result.response_to_image.ravel()]


def _row(name: str, followed: FollowedFrame) -> web.TrackRow:
    box, result = followed.box or Box(0, 0, 0, 0), followed.result
    numbers = (result.peak, result.second_peak, result.sharpness) if followed.box else (0, 0, 0)
    score = followed.score if followed.box else 0.0
    return web.TrackRow(name, followed.state.value, *map(float, (*box, score, *numbers, 0)))


def _adaptation(name: str, report: AdaptationReport) -> web.Adaptation:
    return web.Adaptation(
        name,
        report.method,
        [float(loss) for loss in report.losses],
        report.best_step,
        report.elapsed_ms,
        report.stop_reason,
        report.max_change,
        report.mean_change,
    )
