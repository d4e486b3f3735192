"""A target session without a node: the test is camera, adaptation and spare time."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from pictures import BOX, moved, picture
from std_msgs.msg import Header

from autrack_ros.node.background_adaptation import AdaptationJob, Adapted
from autrack_ros.node.image_buffer import ImageBuffer, stamp_ns
from autrack_ros.node.parameters import Settings
from autrack_ros.node.request import Request
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.node.target_session import TargetSession
from autrack_ros.node.trackers import our_tracker
from autrack_ros.tracking import (
    AdaptationSettings,
    Box,
    Follower,
    InvalidImageError,
    PresenceSettings,
    Target,
    TrackingEngine,
    TrackState,
)

PERIOD_NS = 40_000_000
SECOND_NS = 1_000_000_000
SETTINGS = Settings(
    adaptation=AdaptationSettings(steps=1, support_crops=1),
    presence=PresenceSettings(),
    max_targets=8,
    selected_target="",
    tolerance_ns=PERIOD_NS,
    marker_depth=1.0,
    depth_tolerance_ns=0,
    prediction_ns=0,
    class_id="",
    take_all=False,
)
DISABLED = AdaptationSettings(method="none")
TRACKING, LOST = TrackState.TRACKING, TrackState.LOST


def stamp_of(number: int) -> int:
    return (100 + number) * PERIOD_NS


def box_in(number: int) -> Box:
    """Where the moving patch is in an image."""
    return moved(BOX, 2 * number)


@lru_cache
def pixels(number: int, patches: int = 2) -> np.ndarray:
    return picture(2 * number, patches=patches)


def to_bgr(message: Any) -> np.ndarray:
    if message.damaged:
        raise InvalidImageError("damaged")
    return pixels(message.number, message.patches)


class World:
    """A session with its surroundings.

    Attributes:
        events: what the session told, in order.
        answers: to the requests, by the number of the request.
        jobs: adaptations it asked for.
        converted: numbers of the images it converted, besides the live ones.
    """

    def __init__(self, engine: TrackingEngine, settings: Settings = SETTINGS) -> None:
        self.engine = engine
        self.images: ImageBuffer[Any] = ImageBuffer(10, 10**9)
        self.events: list[tuple[Any, ...]] = []
        self.answers: list[list[Adapted | str]] = []
        self.jobs: list[AdaptationJob] = []
        self.converted: list[int] = []
        self.newest = -1
        self.session = TargetSession(
            our_tracker(engine), self.images, self._convert, self.jobs.append, self, settings
        )

    def _convert(self, message: Any) -> np.ndarray:
        self.converted.append(message.number)
        return to_bgr(message)

    def started(self, target_id: str, header: Header) -> None:
        self.events.append(("started", target_id, stamp_ns(SimpleNamespace(header=header))))

    def refused(self, target_id: str, reason: str) -> None:
        self.events.append(("refused", target_id, reason))

    def ended(self, target_id: str, reason: str) -> None:
        self.events.append(("ended", target_id, reason))

    def adapted(self, done: Adapted) -> None:
        self.events.append(("adapted", done.job.id, done.report.stop_reason))

    def keep(self, patches: int = 2, damaged: bool = False) -> Any:
        """The next image comes, and is only kept."""
        self.newest += 1
        header = Header()
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_of(self.newest), SECOND_NS)
        message = SimpleNamespace(
            header=header, data=b"", number=self.newest, patches=patches, damaged=damaged
        )
        self.images.add(message)
        return message

    def see(self, patches: int = 2) -> dict[str, TrackedTarget]:
        """The next image comes and is taken all the way."""
        message = self.keep(patches)
        return {target.id: target for target in self.session.follow(message, to_bgr(message))}

    def see_third(self) -> dict[str, TrackedTarget]:
        """Two images are left out, and the next is taken all the way."""
        self.keep()
        self.keep()
        return self.see()

    def see_until(self, number: int) -> dict[str, TrackedTarget]:
        while self.newest < number:
            tracked = self.see()
        return tracked

    def ask(
        self, target_id: str, box: Box, stamp: int = 0, patient: bool = True, offer: bool = False
    ) -> None:
        answers: list[Adapted | str] = []
        self.answers.append(answers)
        request = Request(target_id, box, stamp, answers.append, patient)
        (self.session.offer if offer else self.session.request)(request)

    def start(self, target_id: str, box: Box) -> TrackedTarget:
        """In the next image."""
        self.ask(target_id, box)
        return self.see()[target_id]

    def finish(self, job: AdaptationJob) -> Target:
        """Do an adaptation that was asked for."""
        target, report = self.engine.adapt(job.image, job.target, job.settings)
        self.session.finish(Adapted(job, target, report))
        return target

    def use_spare_time(self) -> None:
        while self.session.catch_up():
            pass

    def started_in(self) -> dict[str, int]:
        """Stamp of the image that each target was started in last."""
        return {event[1]: event[2] for event in self.events if event[0] == "started"}

    def refusals(self) -> list[str]:
        return [event[2] for event in self.events if event[0] == "refused"]


def followed_from(engine: TrackingEngine, first: int, last: int) -> Box:
    """Where a target is that was followed in every image, from its own on."""
    follower = Follower(engine)
    follower.put("alone", engine.start(pixels(first), box_in(first)), pixels(first))
    for number in range(first + 1, last + 1):
        frame = follower.follow(pixels(number))["alone"]
    return frame.box


def lose(world: World) -> TrackedTarget:
    """Let the patches be out of sight."""
    for _ in range(2 * SETTINGS.presence.lost_frames):
        target = world.see(patches=1)["patch"]
        if target.state is LOST:
            break
    assert (target.state, target.box) == (LOST, None)
    return target
