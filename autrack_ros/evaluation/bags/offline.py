"""Run the tracker over the images of a bag, one after the other, waiting for none: repeatable."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autrack_ros.evaluation.bags.boxes import Start
from autrack_ros.evaluation.bags.reading import StampedImage
from autrack_ros.evaluation.bags.tracks import IDLE, Track
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.tracking import AdaptationReport, InvalidBoxError, Target, Tracker, TrackResult
from autrack_ros.tracking.follower import Follower
from autrack_ros.tracking.presence import TrackState

_NAME = "target"


@dataclass(frozen=True, slots=True)
class TrackedImage:
    """An image with the answer to it.

    Attributes:
        image: of the bag.
        track: the answer.
        seconds: time of starting and adapting, or of following; 0 before the start.
        report: of the template's adaptation, with the image of the start only.
        target: with its templates, with the image of the start only.
        result: response and search region, of images after the start.
    """

    image: StampedImage
    track: Track
    seconds: float = 0.0
    report: AdaptationReport | None = None
    target: Target | None = None
    result: TrackResult | None = None


def track_offline(
    tracker: Tracker, images: Iterable[StampedImage], start: Start
) -> Iterator[TrackedImage]:
    """Wait for the image of the start, then follow the target, one item an image.

    The target is followed as in the node, with its states: it may be lost and be found again.

    Raises:
        SourceError: the box cannot be tracked in its image, or no image is that of the start.
        InvalidImageError: of ``Follower.follow``.
    """
    follower = Follower(tracker.engine)
    for image in images:
        began = time.perf_counter()
        if follower.names:
            found = follower.follow(image.bgr)[_NAME]
            elapsed = time.perf_counter() - began
            track = Track(image.stamp_ns, found.state.value, found.box, found.score)
            yield TrackedImage(image, track, elapsed, result=found.result)
        elif start.is_in(image):
            try:
                target = tracker.engine.start(image.bgr, start.box)
            except InvalidBoxError as error:
                raise SourceError(f"{start.source}: {error}") from error
            target, report = tracker.engine.adapt(image.bgr, target, tracker.adaptation)
            follower.put(_NAME, target)
            elapsed = time.perf_counter() - began
            track = Track(image.stamp_ns, TrackState.TRACKING.value, start.box, 1.0)
            yield TrackedImage(image, track, elapsed, report, target)
        else:
            yield TrackedImage(image, Track(image.stamp_ns, IDLE))
    if not follower.names:
        raise SourceError(f"{start.source}: no image has this stamp, so nothing was tracked")
