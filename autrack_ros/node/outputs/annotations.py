"""``~/annotations``: boxes and labels of targets and look-alikes, drawn sharply by Foxglove.

The module ``foxglove_msgs.msg`` comes as an argument, because it is not installed everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from std_msgs.msg import Header

from autrack_ros.drawing.style import KINDS, LOOK_ALIKE
from autrack_ros.msg import Track
from autrack_ros.node import qos
from autrack_ros.node.outputs.messages import STATE_NAMES
from autrack_ros.node.outputs.output import COLORS, Output, Topics, watched
from autrack_ros.node.outputs.results import Results
from autrack_ros.node.target_reports import look_alikes
from autrack_ros.tracking import Box

if TYPE_CHECKING:
    from foxglove_msgs.msg import ImageAnnotations

_THICKNESS_PART = 1 / 240  # of the image's height: 2 px at 480
_FONT_PART = 1 / 30  # 16 px at 480
_PLATE = (0.1, 0.1, 0.1, 0.75)  # behind the label; red, green, blue, alpha


class Annotations(Output):
    """Where foxglove_msgs is installed."""

    def __init__(self, topics: Topics) -> None:
        self._messages = topics.find_messages("~/annotations", "foxglove_msgs")
        if self._messages is not None:
            kind = self._messages.ImageAnnotations
            self._annotations = topics.make(kind, "~/annotations", qos.RESULT)

    @property
    def needs_image(self) -> bool:
        """While somebody watches: without targets there is nothing to be drawn any more."""
        return self._messages is not None and watched(self._annotations)

    def show(self, results: Results, image: np.ndarray) -> None:
        """Publish them to who watches."""
        if self._messages is not None and watched(self._annotations):
            self._annotations.publish(
                annotations_message(
                    self._messages,
                    results.header,
                    results.tracks.values(),
                    look_alikes(results.targets).values(),
                    image.shape[0],
                    COLORS,
                )
            )


def annotations_message(
    messages: ModuleType,
    header: Header,
    tracks: Iterable[Track],
    twins: Iterable[Box],
    image_height: int,
    colors_bgr: Mapping[str, tuple[int, int, int]],
) -> ImageAnnotations:
    """Make the annotations of an image: an outline and a label for each target and look-alike.

    A target's label is id, score and, unless the target is simply tracked, the state: colour alone
    says nothing to many. Foxglove counts pixels from the corner of the first one, as our boxes do.

    Args:
        messages: ``foxglove_msgs.msg``.
        header: of the camera image; Foxglove matches annotations and image by the stamp.
        tracks: one for each target; without a box (zero size) nothing is drawn.
        twins: what is beside the targets and looks like them, edge coordinates.
        image_height: pixels; lines and letters grow with it.
        colors_bgr: grey levels 0..255 by the state's name.
    """
    message = messages.ImageAnnotations()
    if hasattr(message, "timestamp"):  # of newer versions; it stands for those of the parts
        message.timestamp = header.stamp
    shown = [(box, KINDS[LOOK_ALIKE].color, LOOK_ALIKE) for box in twins]
    for track in tracks:
        if track.size_x > 0 and track.size_y > 0:
            left, top = track.center_x - track.size_x / 2, track.center_y - track.size_y / 2
            box = Box(left, top, track.size_x, track.size_y)
            shown.append((box, colors_bgr[STATE_NAMES[track.state]], _words(track)))
    for box, bgr, text in shown:
        blue, green, red = (value / 255 for value in bgr)
        color = messages.Color(r=red, g=green, b=blue, a=1.0)
        message.points.append(_outline(messages, header, box, color, image_height))
        message.texts.append(_label(messages, header, text, box, color, image_height))
    return message


def _words(track: Track) -> str:
    words = [track.id, f"{track.score:.2f}"]
    if track.state != Track.TRACKING:
        words.append(STATE_NAMES[track.state])
    return " ".join(word for word in words if word)


def _outline(messages: ModuleType, header: Header, box: Box, color: Any, image_height: int) -> Any:
    kind = messages.PointsAnnotation
    left, top, right, bottom = box.x, box.y, box.x + box.w, box.y + box.h
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return kind(
        timestamp=header.stamp,
        type=kind.LINE_LOOP,
        points=[messages.Point2(x=x, y=y) for x, y in corners],
        outline_color=color,
        thickness=max(2.0, image_height * _THICKNESS_PART),
    )


def _label(
    messages: ModuleType,
    header: Header,
    text: str,
    box: Box,
    color: Any,
    image_height: int,
) -> Any:
    font_px = max(12.0, image_height * _FONT_PART)
    x, y = box.x, box.y
    red, green, blue, alpha = _PLATE
    return messages.TextAnnotation(
        timestamp=header.stamp,
        # Its lower left corner: on the box, or in it where there is no room above.
        position=messages.Point2(x=max(x, 0.0), y=y if y >= font_px else y + font_px),
        text=text,
        font_size=font_px,
        text_color=color,
        background_color=messages.Color(r=red, g=green, b=blue, a=alpha),
    )
