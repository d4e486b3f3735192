"""Run the tracker over the images of a bag, one after the other, waiting for none: repeatable."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autrack_ros.evaluation.bags.boxes import Start
from autrack_ros.evaluation.bags.reading import StampedImage
from autrack_ros.evaluation.bags.tracks import IDLE, Track
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.evaluation.presence_tracker import PresenceTracker
from autrack_ros.evaluation.runner import Answer, FollowsTarget
from autrack_ros.tracking import AdaptationReport, InvalidBoxError, Target, TrackResult
from autrack_ros.tracking.presence import TrackState


@dataclass(frozen=True, slots=True)
class TrackedImage:
    """An image with the answer to it.

    Attributes:
        image: of the bag.
        track: the answer.
        seconds: time of starting and adapting, or of following; 0 before the start.
        report: of the template's adaptation, of our tracker, with the image of the start only.
        target: with its templates, likewise.
        result: response and search region, of our tracker, of images after the start.
    """

    image: StampedImage
    track: Track
    seconds: float = 0.0
    report: AdaptationReport | None = None
    target: Target | None = None
    result: TrackResult | None = None


def track_offline(
    tracker: FollowsTarget[Answer], images: Iterable[StampedImage], start: Start
) -> Iterator[TrackedImage]:
    """Wait for the image of the start, then follow the target, one item an image.

    Raises:
        SourceError: the box cannot be tracked in its image, or no image is that of the start.
        AutrackError: of the tracker.
    """
    started = False
    for image in images:
        began = time.perf_counter()
        if started:
            found = tracker.update(image.bgr)
            elapsed = time.perf_counter() - began
            box = None if found.state is TrackState.LOST else found.box
            track = Track(image.stamp_ns, found.state.value, box, found.score)
            yield TrackedImage(image, track, elapsed, result=found.result)
        elif start.is_in(image):
            try:
                report = tracker.initialize(image.bgr, start.box)
            except InvalidBoxError as error:
                raise SourceError(f"{start.source}: {error}") from error
            started = True
            elapsed = time.perf_counter() - began
            target = tracker.target if isinstance(tracker, PresenceTracker) else None
            track = Track(image.stamp_ns, TrackState.TRACKING.value, start.box, 1.0)
            yield TrackedImage(image, track, elapsed, report, target)
        else:
            yield TrackedImage(image, Track(image.stamp_ns, IDLE))
    if not started:
        raise SourceError(f"{start.source}: no image has this stamp, so nothing was tracked")
