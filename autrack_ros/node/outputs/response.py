"""``~/response_map`` and ``~/response_heatmap``: where the selected target may be."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image

from autrack_ros.drawing import draw_heatmap
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image, float_to_image
from autrack_ros.node.outputs.messages import STATE_NAMES
from autrack_ros.node.outputs.output import Output, Topics, watched
from autrack_ros.node.outputs.results import Results
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import TrackResult


class ResponseMap(Output):
    """The map itself, for whoever computes with it."""

    def __init__(self, topics: Topics) -> None:
        self._map = topics.make(Image, "~/response_map", qos.DEBUG_IMAGE)

    def show(self, results: Results, image: np.ndarray) -> None:
        """Publish it to who watches."""
        chosen = _chosen(results)
        if chosen is not None and watched(self._map):
            self._map.publish(float_to_image(chosen[1].response, results.header))


class Heatmap(Output):
    """The map over the search region, to be looked at."""

    def __init__(self, topics: Topics) -> None:
        self._heatmap = topics.make(Image, "~/response_heatmap", qos.DEBUG_IMAGE)

    def show(self, results: Results, image: np.ndarray) -> None:
        """Draw it for who watches."""
        chosen = _chosen(results)
        if chosen is None or not watched(self._heatmap):
            return
        target, result = chosen
        heat = draw_heatmap(
            result.search,
            result.response,
            result.response_to_image,
            result.search_to_image,
            target.box,
            STATE_NAMES[results.tracks[target.id].state],
        )
        self._heatmap.publish(bgr_to_image(heat, results.header))


def _chosen(results: Results) -> tuple[TrackedTarget, TrackResult] | None:
    """The selected target, if it has a map."""
    chosen = next((each for each in results.targets if each.id == results.selected), None)
    return None if chosen is None or chosen.result is None else (chosen, chosen.result)
