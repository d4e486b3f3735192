"""``~/detections``: the targets for nodes that take a detector's messages.

The module ``vision_msgs.msg`` comes as an argument, because it is not installed everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from std_msgs.msg import Header

from autrack_ros.msg import Track
from autrack_ros.node import qos
from autrack_ros.node.outputs.output import Output, Topics, find_vision, watched
from autrack_ros.node.outputs.results import Results

if TYPE_CHECKING:
    from vision_msgs.msg import Detection2D, Detection2DArray

_UNSEEN = (Track.IDLE, Track.LOST)  # a lost target's box is a guess


class Detections(Output):
    """Where vision_msgs is installed."""

    def __init__(self, topics: Topics) -> None:
        self._messages = find_vision(topics.find_messages)
        if self._messages is not None:
            kind = self._messages.Detection2DArray
            self._detections = topics.make(kind, "~/detections", qos.RESULT)

    @property
    def needs_image(self) -> bool:
        """While somebody watches: an image without targets has an empty message."""
        return self._messages is not None and watched(self._detections)

    def show(self, results: Results, image: np.ndarray) -> None:
        """Publish them to who watches."""
        if self._messages is not None and watched(self._detections):
            tracks = results.tracks.values()
            self._detections.publish(detections_message(self._messages, results.header, tracks))


def detections_message(
    messages: ModuleType, header: Header, tracks: Iterable[Track]
) -> Detection2DArray:
    """Make the Detection2DArray of the targets that are seen in an image.

    Targets that are lost or have no box yet are left out: a detection is a claim. The class is
    empty: a target is what was marked, whatever it is.

    Args:
        messages: ``vision_msgs.msg``.
        header: of the camera image; that of the array and of every detection.
        tracks: one for each target.
    """
    detections = [
        _detection(messages, header, track)
        for track in tracks
        if track.state not in _UNSEEN and track.size_x > 0 and track.size_y > 0
    ]
    return messages.Detection2DArray(header=header, detections=detections)


def _detection(messages: ModuleType, header: Header, track: Track) -> Detection2D:
    detection = messages.Detection2D(header=header, id=track.id)
    detection.bbox.center.position.x = track.center_x
    detection.bbox.center.position.y = track.center_y
    detection.bbox.size_x = track.size_x
    detection.bbox.size_y = track.size_y
    result = messages.ObjectHypothesisWithPose()
    result.hypothesis.score = float(track.score)
    detection.results = [result]
    return detection
