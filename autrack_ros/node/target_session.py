"""The targets of a node, from the box they were given to the box of the newest image.

A box was drawn on a picture that is old when the box arrives. Its target is started on that very
picture, and then followed through the images that came since, faster than they came, until it is
*live*: found in the same image as the others. This is done after a live image or in spare time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from std_msgs.msg import Header

from autrack_ros.drawing import Trail
from autrack_ros.node.background_adaptation import AdaptationJob, Adapted
from autrack_ros.node.image_buffer import ImageBuffer, stamp_ns
from autrack_ros.node.parameters import Settings
from autrack_ros.node.problems import described
from autrack_ros.node.request import End, Request, shown_id
from autrack_ros.node.target_reports import SessionListener, TrackedTarget
from autrack_ros.node.trackers import Frame, Frames, NodeTracker, StartedTarget, TargetFollower
from autrack_ros.tracking import AdaptationReport, Box, InvalidImageError, TrackState, iou

_SAME_IOU = 0.5  # of a detection with a followed target, from which on they are one
_MOST_AHEAD_NS = 1_000_000_000  # of a box before the newest image: its own is still on the way


@dataclass(slots=True)
class _Entry:
    """One target.

    Attributes:
        request: what it was started with.
        follower: the live one, or while it is behind, one of those found last in the same image.
        seen: the newest image message in which it was looked for.
        frame: what became of it there; None where it was started there.
        job: its adaptation, until that has ended.
        adaptation_ms: time that took.
        trail: its centres.
    """

    request: Request
    follower: TargetFollower
    seen: Any
    frame: Frame | None = None
    job: AdaptationJob | None = None
    adaptation_ms: float = 0.0
    trail: Trail = field(default_factory=Trail)

    def see(self, message: Any, frame: Frame) -> None:
        """Take note of what became of it in an image."""
        self.seen, self.frame = message, frame
        center = None if frame.box is None else frame.box.center
        self.trail.add(stamp_ns(message) / 1e9, center)


class TargetSession:
    """Starts, follows, adapts and ends targets. One thread calls everything.

    Args:
        tracker: follows them.
        images: recent image messages; others add to it meanwhile.
        to_bgr: from a message to HxWx3 uint8 BGR; raises InvalidImageError.
        adapt: has a job done elsewhere; what comes of it is to come back through ``finish``.
        listener: is told what happens.
        settings: that may change, see ``settings``.
    """

    def __init__(
        self,
        tracker: NodeTracker,
        images: ImageBuffer[Any],
        to_bgr: Callable[[Any], np.ndarray],
        adapt: Callable[[AdaptationJob], None],
        listener: SessionListener,
        settings: Settings,
    ) -> None:
        self._tracker = tracker
        self._images = images
        self._to_bgr = to_bgr
        self._adapt = adapt
        self._listener = listener
        self._settings = settings
        self._live = tracker.follower(settings.presence)
        self._entries: dict[str, _Entry] = {}
        self._waiting: dict[str, Request] = {}  # for their image, by target
        self._newest: Any = None  # the live image's message
        self._stride = 1  # images from one live one to the next

    @property
    def settings(self) -> Settings:
        """In force from the next image or request on."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        for follower in (self._live, *(entry.follower for entry in self._entries.values())):
            follower.settings = settings.presence

    @property
    def idle(self) -> bool:
        """Whether nothing is followed and nothing waits: an image may just be passed by."""
        return not self._entries and not self._waiting

    @property
    def ids(self) -> tuple[str, ...]:
        """The targets, in the order in which they were given."""
        return tuple(self._entries)

    @property
    def shown_ids(self) -> str:
        """The targets, for a message to a person."""
        return ", ".join(f"'{name}'" for name in self._entries) or "none"

    def offer(self, request: Request) -> None:
        """Take a request that came unasked, as from a detector, if it is of use.

        It is where nothing is followed or about to be, by id or by place, or where the target of
        the id is lost; and while there is room.
        """
        if self._wants(request.id, request.box):
            self.request(request)

    def request(self, request: Request) -> None:
        """Have a target started: in spare time when its image is kept, or as soon as that comes."""
        if request.id_fault:
            self._refuse(request, request.id_fault)
            return
        if request.id in self._waiting:
            self._give_up(request.id, "replaced by a newer box", End.REPLACED)
        if self._has_room_for(request.id):
            self._waiting[request.id] = request
        else:
            self._refuse(request, f"max_targets {self._settings.max_targets} reached: remove one")

    def refuse_impatient(self, reason: str) -> None:
        """Refuse the requests that are not to wait for an image for ever."""
        for request in [waiting for waiting in self._waiting.values() if not waiting.patient]:
            del self._waiting[request.id]
            self._refuse(request, reason)

    def unknown_stamp(self, stamp_ns: int) -> str:
        """Why a box of this stamp has no image and gets none; empty if it has or may get one."""
        tolerance_ns = self._settings.tolerance_ns
        known = self._may_come(stamp_ns) or self._images.nearest(stamp_ns, tolerance_ns) is not None
        return "" if known else self._images.refusal(stamp_ns, tolerance_ns)

    def remove(self, target_id: str, reason: str, end: End = End.REMOVED) -> bool:
        """End a target, or what waits to become one; whether there was one."""
        is_waiting, is_followed = target_id in self._waiting, target_id in self._entries
        if is_waiting:
            self._give_up(target_id, reason, end)
        if is_followed:
            self._end(target_id, reason, end)
        return is_waiting or is_followed

    def withdraw(self, request: Request, reason: str, end: End) -> None:
        """End the target of this very request; nothing happens where another has its id."""
        if self._waiting.get(request.id) is request:
            self._give_up(request.id, reason, end)
        elif request.id in self._entries and self._entries[request.id].request is request:
            self._end(request.id, reason, end)

    def remove_all(self, reason: str, end: End = End.REMOVED) -> None:
        """End all targets and what waits to become one."""
        for target_id in {**self._entries, **self._waiting}:
            self.remove(target_id, reason, end)

    def forget_images(self, reason: str) -> None:
        """End all targets: the images to come have nothing to do with those before."""
        for target_id in self.ids:
            self.remove(target_id, reason)
        self._newest, self._stride = None, 1

    def finish(self, done: Adapted) -> None:
        """Give a target its adapted template; nothing happens when it has gone meanwhile."""
        entry = self._entries.get(done.job.id)
        if entry is not None and entry.job is done.job:
            entry.job = None
            entry.adaptation_ms = done.report.elapsed_ms
            entry.follower.retouch(done.job.id, done.target)
            entry.request.answer(done)
        self._listener.adapted(done)

    def follow(self, message: Any, image: np.ndarray) -> list[TrackedTarget]:
        """Find all targets in the newest image, and start those that waited for it.

        Args:
            message: the image's.
            image: HxWx3 uint8 BGR.

        Raises:
            InvalidImageError: the targets were started in images of another size.
        """
        if self._newest is not None:
            self._stride = max(1, len(self._until(message, self._newest)))
        frames = self._live.follow(image)
        self._newest = message
        self._see(message, frames)
        self._start_waiting(message)
        return [self._tracked(entry) for entry in self._entries.values()]

    def pass_by(self, message: Any) -> None:
        """Take note of the newest image while idle."""
        self._newest = message

    def catch_up(self) -> bool:
        """Start what waits for a kept image, bring those furthest behind one image nearer.

        The images are taken as far apart as the live ones are, so that a target comes nearer even
        where the machine cannot follow every image.

        Returns:
            whether some are still behind.
        """
        self._start_waiting()
        if not self._behind:
            return False
        last = min(self._behind, key=lambda entry: stamp_ns(entry.seen))
        follower, images = last.follower, self._until(self._newest, last.seen)
        if len(images) < self._stride:
            self._join(follower, self._live)  # the next image is the live one
        else:
            self._follow_up(follower, images[self._stride - 1])
        return bool(self._behind)

    def _follow_up(self, follower: TargetFollower, message: Any) -> None:
        """Follow targets that are behind in one more image, from there on with those they meet."""
        there = self._follower_at(message)
        for name in follower.names:
            self._entries[name].seen = message
        try:
            frames = follower.follow(self._to_bgr(message))
        except InvalidImageError:
            return  # refused when it was live, and left out here too
        self._see(message, frames)
        self._join(follower, there)

    def _see(self, message: Any, frames: Frames) -> None:
        """Take note of what became of targets in an image."""
        for name, frame in frames.items():
            if isinstance(frame, Exception):
                self._end(name, str(frame), End.REMOVED)
            else:
                self._entries[name].see(message, frame)

    def _join(self, follower: TargetFollower, other: TargetFollower) -> None:
        for name in follower.names:
            follower.hand_over(name, other)
            self._entries[name].follower = other

    @property
    def _behind(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.follower is not self._live]

    def _follower_at(self, message: Any) -> TargetFollower:
        """Follows what was found last in this image, in one batch."""
        if message is self._newest:
            return self._live
        there = (entry.follower for entry in self._behind if entry.seen is message)
        return next(there, None) or self._tracker.follower(self._settings.presence)

    def _until(self, newest: Any, seen: Any) -> list[Any]:
        """The images kept that came after ``seen``, up to and with ``newest``."""
        last = stamp_ns(newest)
        return [image for image in self._images.after(seen) if stamp_ns(image) <= last]

    def _wants(self, target_id: str, box: Box) -> bool:
        if target_id in self._waiting:
            return False
        lost = {
            name
            for name, entry in self._entries.items()
            if entry.frame is not None and entry.frame.state is TrackState.LOST
        }
        if target_id in self._entries:
            return target_id in lost
        places = [e.follower[n].box for n, e in self._entries.items() if n not in lost]
        places += [request.box for request in self._waiting.values()]
        is_new = all(iou(place, box) <= _SAME_IOU for place in places)
        return is_new and self._has_room_for(target_id)

    def _has_room_for(self, target_id: str) -> bool:
        others = {*self._entries, *self._waiting} - {target_id}
        return len(others) < self._settings.max_targets

    def _start_waiting(self, next_image: Any = None) -> None:
        """Start the targets whose image is there, refuse those whose image is not to come."""
        for request in list(self._waiting.values()):
            message = self._image_of(request) if request.stamp_ns else next_image
            if message is None and self._may_come(request.stamp_ns):
                continue
            del self._waiting[request.id]
            if message is not None:
                self._start(request, message)
            else:
                tolerance_ns = self._settings.tolerance_ns
                self._refuse(request, self._images.refusal(request.stamp_ns, tolerance_ns))

    def _image_of(self, request: Request) -> Any:
        """The image that a stamp means; None before a live one as new: a nearer one may come."""
        stamp, tolerance_ns = request.stamp_ns, self._settings.tolerance_ns
        return None if self._is_ahead(stamp) else self._images.nearest(stamp, tolerance_ns)

    def _may_come(self, stamp: int) -> bool:
        if not stamp:
            return True
        span = self._images.span
        is_near = span is None or stamp - span[1] <= _MOST_AHEAD_NS
        return self._is_ahead(stamp) and is_near

    def _is_ahead(self, stamp: int) -> bool:
        return self._newest is None or stamp > stamp_ns(self._newest)

    def _start(self, request: Request, message: Any) -> None:
        """Start a target in an image, if its box is accepted."""
        name = request.id
        try:
            image = self._to_bgr(message)
            target = self._tracker.engine.start(image, request.box)
            follower = self._follower_at(message)
            follower.put(name, target, image)
        except Exception as error:  # a wrong box, or such as a full GPU
            self._refuse(request, described(error))
            return
        if name in self._entries:
            self._cancel(name, "replaced by a newer box", End.REPLACED)
            if self._entries[name].follower is not follower:
                self._entries[name].follower.drop(name)
        entry = self._entries[name] = _Entry(request, follower, message)
        entry.trail.add(stamp_ns(message) / 1e9, request.box.center)
        self._listener.started(name, message.header)
        request.started()
        self._begin_adaptation(entry, image, target, message.header)

    def _begin_adaptation(
        self, entry: _Entry, image: np.ndarray, target: StartedTarget, header: Header
    ) -> None:
        settings = self._settings.adaptation
        entry.job = AdaptationJob(entry.request.id, header, image, target, settings)
        if settings.enabled:
            self._adapt(entry.job)
        else:
            report = AdaptationReport.skipped(settings.method, "disabled")
            self.finish(Adapted(entry.job, target, report))

    def _end(self, target_id: str, reason: str, end: End) -> None:
        self._cancel(target_id, reason, end)
        self._entries.pop(target_id).follower.drop(target_id)
        self._listener.ended(target_id, reason)

    def _cancel(self, target_id: str, reason: str, end: End) -> None:
        """What a target was started with is done with, and so is its adaptation."""
        entry = self._entries[target_id]
        if entry.job is not None:
            entry.job.cancel()
            entry.job = None
            entry.request.answer(f"target '{target_id}': {reason}")
        entry.request.ended(end, reason)

    def _give_up(self, target_id: str, reason: str, end: End) -> None:
        """A box that waits for its image is not wanted any more."""
        told = f"target '{target_id}': {reason}"
        request = self._waiting.pop(target_id)
        request.answer(told)
        request.ended(end, reason)
        self._listener.refused(target_id, told)

    def _refuse(self, request: Request, reason: str) -> None:
        name = shown_id(request.id)
        reason = f"target '{name}': {reason}; followed are {self.shown_ids}"
        request.answer(reason)
        request.ended(End.REFUSED, reason)
        self._listener.refused(name, reason)

    def _tracked(self, entry: _Entry) -> TrackedTarget:
        name, frame = entry.request.id, entry.frame
        if entry.seen is not self._newest:
            state, box, score, result = None, None, 0.0, None
        elif frame is None:
            state, box, score, result = TrackState.TRACKING, entry.request.box, 1.0, None
        else:
            state, box, score, result = frame.state, frame.box, frame.score, frame.result
        return TrackedTarget(
            id=name,
            state=state,
            adapting=entry.job is not None,
            box=box,
            last_box=entry.follower[name].box,
            score=score,
            result=result,
            adaptation_ms=entry.adaptation_ms,
            trail=entry.trail,
        )
