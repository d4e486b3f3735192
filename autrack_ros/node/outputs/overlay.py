"""``~/overlay``: the image with all targets drawn into it."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image

from autrack_ros.drawing import DrawnTarget, draw_overlay
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from autrack_ros.node.outputs.messages import STATE_NAMES
from autrack_ros.node.outputs.output import Output, Topics, watched
from autrack_ros.node.outputs.results import Results
from autrack_ros.node.target_reports import TrackedTarget, look_alikes
from autrack_ros.tracking import Box


class Overlay(Output):
    """Boxes, names, scores, states and trails."""

    def __init__(self, topics: Topics) -> None:
        self._overlay = topics.make(Image, "~/overlay", qos.DEBUG_IMAGE)

    @property
    def needs_image(self) -> bool:
        """While somebody watches: an image without targets is shown too."""
        return watched(self._overlay)

    def show(self, results: Results, image: np.ndarray) -> None:
        """Draw it for who watches."""
        if watched(self._overlay):
            twins = look_alikes(results.targets)
            drawn = [
                _drawn(target, STATE_NAMES[results.tracks[target.id].state], twins.get(target.id))
                for target in results.targets
                if target.state is not None
            ]
            self._overlay.publish(bgr_to_image(draw_overlay(image, drawn), results.header))


def _drawn(target: TrackedTarget, state: str, look_alike: Box | None) -> DrawnTarget:
    return DrawnTarget(
        target.box or target.last_box,
        label=target.id,
        score=None if target.box is None else target.score,
        state=state,
        trail=target.trail.points,
        look_alike=look_alike,
    )
