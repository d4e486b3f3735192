"""All that the node says of an image and of its targets: one list, an output a line."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node

from autrack_ros.msg import Status
from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.outputs.adaptation import AdaptationReports
from autrack_ros.node.outputs.aim import Aims
from autrack_ros.node.outputs.annotations import Annotations
from autrack_ros.node.outputs.detections import Detections
from autrack_ros.node.outputs.markers import Markers
from autrack_ros.node.outputs.output import Output, Topics
from autrack_ros.node.outputs.overlay import Overlay
from autrack_ros.node.outputs.poses import Poses
from autrack_ros.node.outputs.response import Heatmap, ResponseMap
from autrack_ros.node.outputs.results import Results
from autrack_ros.node.outputs.status import StatusEvents
from autrack_ros.node.outputs.template import Template
from autrack_ros.node.outputs.timing import TimingTopics
from autrack_ros.node.outputs.tracks import Tracks
from autrack_ros.node.outputs.transforms import Transforms

#: A new topic is a file beside this one and a line here; they publish in this order.
#: `/diagnostics` is not among them: it tells of the node also while it is not configured.
OUTPUTS: tuple[type[Output], ...] = (
    Tracks,  # ~/tracks, ~/track
    Transforms,  # /tf
    Aims,  # ~/aim
    Poses,  # ~/pose, ~/pose_with_covariance, ~/point
    TimingTopics,  # ~/debug/cyclic_time_ms, ~/debug/processing_time_ms, ...
    Detections,  # ~/detections
    Annotations,  # ~/annotations
    Markers,  # ~/markers
    ResponseMap,  # ~/response_map
    Heatmap,  # ~/response_heatmap
    Overlay,  # ~/overlay
    StatusEvents,  # ~/status
    AdaptationReports,  # ~/adaptation
    Template,  # ~/template
)


class Outputs:
    """Hands what happens to every output of the list; see ``Output``.

    Args:
        node: gets the publishers.
        optional: message packages that may be missing.
        publish_tf: also a frame for every target with a position.
    """

    def __init__(self, node: Node, optional: OptionalMessages, publish_tf: bool) -> None:
        self._node = node
        self._topics = Topics(node, optional, publish_tf)
        self._all = [output(self._topics) for output in OUTPUTS]

    @property
    def image_is_needed(self) -> bool:
        """Whether an image without targets must be read all the same."""
        return any(output.needs_image for output in self._all)

    def publish(self, results: Results) -> None:
        """Publish what others act on."""
        for output in self._all:
            output.publish(results)

    def show(self, results: Results, image: np.ndarray) -> None:
        """Publish what others look at; ``image`` is HxWx3 uint8 BGR."""
        for output in self._all:
            output.show(results, image)

    def unusable(self, results: Results) -> None:
        """Say of all targets that an image did not show where they are."""
        for output in self._all:
            output.unusable(results)

    def happened(self, status: Status) -> None:
        """Say what became of a box or a command."""
        for output in self._all:
            output.happened(status)

    def adapted(self, done: Adapted) -> None:
        """Say what an adaptation has done."""
        for output in self._all:
            output.adapted(done)

    def close(self) -> None:
        """Leave the topics."""
        if self._node.context.ok():
            for output in self._all:
                output.close()
        self._topics.close()
