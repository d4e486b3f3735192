"""All that is known when an image was processed: what outputs make their messages of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.msg import Track
from autrack_ros.node.outputs.messages import track_message
from autrack_ros.node.positions import Located
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import TrackState

_STATES = {
    None: Track.ADAPTING,  # not yet in the live image
    TrackState.TRACKING: Track.TRACKING,
    TrackState.UNCERTAIN: Track.UNCERTAIN,
    TrackState.LOST: Track.LOST,
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Of images, since the node was configured, and the time of the last one.

    Attributes:
        processed: images taken all the way.
        dropped: images that a newer one replaced.
        processing_ms: from taking the last one to its results.
    """

    processed: int
    dropped: int
    processing_ms: float


@dataclass(frozen=True, slots=True)
class Results:
    """Of one image.

    Attributes:
        header: of the image; the frame is the camera's optical one.
        targets: those in it; none where it could not be used.
        located: where they are, by target, also those of an image that could not be used.
        tracks: all that is told of them, by target.
        selected: the target of ``~/track``; None: there is no target.
        counts: of images.
        info: calibration of the camera, if there is a usable one.
        marker_depth: length of the rays of targets without a distance, metres.
    """

    header: Header
    targets: Sequence[TrackedTarget]
    located: Mapping[str, Located]
    tracks: Mapping[str, Track]
    selected: str | None
    counts: Counts
    info: CameraInfo | None = None
    marker_depth: float = 0.0


def usable(
    header: Header,
    targets: Sequence[TrackedTarget],
    located: Mapping[str, Located],
    selected: str | None,
    counts: Counts,
    info: CameraInfo | None,
    marker_depth: float,
) -> Results:
    """The results of an image that was processed; see ``Results``."""
    tracks = {target.id: _track(header, target, located[target.id], counts) for target in targets}
    return Results(header, targets, located, tracks, selected, counts, info, marker_depth)


def unusable(
    header: Header, located: Mapping[str, Located], selected: str | None, counts: Counts
) -> Results:
    """The results of an image that did not show where the targets are.

    Whoever follows the tracks must not go on with the boxes of the image before.
    """
    tracks = {
        name: bare_track(header, Track.LOST, counts, name, predicted)
        for name, predicted in located.items()
    }
    return Results(header, (), located, tracks, selected, counts)


def bare_track(
    header: Header,
    state: int,
    counts: Counts,
    target_id: str = "",
    located: Located | None = None,
) -> Track:
    """A Track without a box."""
    return track_message(
        header,
        state,
        target_id,
        located=located,
        processing_ms=counts.processing_ms,
        processed_images=counts.processed,
        dropped_images=counts.dropped,
    )


def _track(header: Header, target: TrackedTarget, located: Located, counts: Counts) -> Track:
    return track_message(
        header,
        _state(target),
        target.id,
        box=target.box,
        score=target.score,
        result=target.result,
        located=located,
        adaptation_ms=target.adaptation_ms,
        processing_ms=counts.processing_ms,
        processed_images=counts.processed,
        dropped_images=counts.dropped,
    )


def _state(target: TrackedTarget) -> int:
    if target.adapting and target.state is not TrackState.LOST:
        return Track.ADAPTING
    return _STATES[target.state]
