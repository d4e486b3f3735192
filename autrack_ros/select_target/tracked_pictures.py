"""Images together with what the tracker says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autrack_ros.drawing import STATES, DrawnTarget
from autrack_ros.msg import Track, TrackArray
from autrack_ros.node.image_buffer import ImageBuffer, stamp_ns
from autrack_ros.node.outputs.messages import STATE_NAMES
from autrack_ros.tracking import Box

_KEPT_S = 1.0  # an image whose results come later is not waited for
_KEPT_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class TrackedPicture:
    """An image message, and the targets in it; None if the tracker says nothing."""

    image: Any
    targets: tuple[DrawnTarget, ...] | None


class TrackedPictures:
    """Finds the newest image whose results are known, so that boxes lie where they belong."""

    def __init__(self) -> None:
        self._images: ImageBuffer[Any] = ImageBuffer(_KEPT_S, _KEPT_BYTES)
        self._newest: TrackedPicture | None = None
        self._tracks: TrackArray | None = None
        self._targets: dict[str, DrawnTarget] = {}
        self._pair: TrackedPicture | None = None

    def add_image(self, message: Any) -> None:
        """Take an Image or a CompressedImage."""
        self._newest = TrackedPicture(message, None)
        self._images.add(message)
        self._match()

    def add_tracks(self, message: TrackArray) -> None:
        """Take the results of an image; of a lost target the last box that was seen is kept."""
        drawn = (_drawn(track, self._targets.get(track.id)) for track in message.tracks)
        self._targets = {target.label: target for target in drawn if target is not None}
        self._tracks = message
        self._match()

    @property
    def newest(self) -> TrackedPicture | None:
        """The newest image with results; the newest one without if there are none for a second."""
        if self._newest is not None and self._pair is not None:
            age_ns = stamp_ns(self._newest.image) - stamp_ns(self._pair.image)
            if 0 <= age_ns <= _KEPT_S * 1e9:
                return self._pair
        return self._newest

    def _match(self) -> None:
        """Either message may be handled first."""
        if self._tracks is None:
            return
        image = self._images.nearest(stamp_ns(self._tracks), 0)
        if image is not None:
            self._pair = TrackedPicture(image, tuple(self._targets.values()))
            self._tracks = None


def _drawn(track: Track, before: DrawnTarget | None) -> DrawnTarget | None:
    """None for a target of which no box has been seen."""
    state = STATE_NAMES.get(track.state)
    if state not in STATES:
        return None
    if track.size_x > 0:
        x, y = track.center_x - track.size_x / 2, track.center_y - track.size_y / 2
        return DrawnTarget(Box(x, y, track.size_x, track.size_y), track.id, track.score, state)
    return None if before is None else DrawnTarget(before.box, track.id, None, state)
