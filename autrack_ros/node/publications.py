"""All that the node says of an image and of its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from autrack_ros.drawing import (
    STATES,
    DrawnTarget,
    draw_heatmap,
    draw_overlay,
    draw_template,
    style_of,
)
from autrack_ros.msg import AdaptationReport as AdaptationReportMessage
from autrack_ros.msg import Status, Track, TrackArray
from autrack_ros.node import qos
from autrack_ros.node.annotations import annotations_message
from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.node.detections import detections_message
from autrack_ros.node.image_conversion import bgr_to_image, float_to_image
from autrack_ros.node.markers import MarkedTarget, TargetMarkers
from autrack_ros.node.messages import STATE_NAMES, report_message, track_message
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.poses import PosePublications, watched
from autrack_ros.node.positions import Located
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import TrackState

_STATES = {
    None: Track.ADAPTING,  # not yet in the live image
    TrackState.TRACKING: Track.TRACKING,
    TrackState.UNCERTAIN: Track.UNCERTAIN,
    TrackState.LOST: Track.LOST,
}
_COLORS = {state: style_of(state).color for state in STATES}


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


class Publications:
    """The node's topics, but for its health.

    Args:
        node: gets the publishers.
        optional: message packages that may be missing.
        publish_tf: also a frame for every target with a position.
    """

    def __init__(self, node: Node, optional: OptionalMessages, publish_tf: bool) -> None:
        self._node = node
        self._made: list[Publisher] = []
        self._tracks = self._make(TrackArray, "~/tracks", qos.RESULT)
        self._track = self._make(Track, "~/track", qos.RESULT)
        self._status = self._make(Status, "~/status", qos.STATUS)
        self._adaptation = self._make(AdaptationReportMessage, "~/adaptation", qos.LATCHED)
        self._template = self._make(Image, "~/template", qos.LATCHED)
        self._response_map = self._make(Image, "~/response_map", qos.DEBUG_IMAGE)
        self._heatmap = self._make(Image, "~/response_heatmap", qos.DEBUG_IMAGE)
        self._overlay = self._make(Image, "~/overlay", qos.DEBUG_IMAGE)
        self._markers = self._make(MarkerArray, "~/markers", qos.RESULT)
        self._target_markers = TargetMarkers()
        prefix = node.get_fully_qualified_name().lstrip("/") if publish_tf else None
        self._poses = PosePublications(self._make, optional, prefix)
        self._optional: list[Publisher] = []
        self._vision = optional.find("~/detections and init_detections", "vision_msgs")
        if self._vision is not None:
            kind = self._vision.Detection2DArray
            self._detections = self._make(kind, "~/detections", qos.RESULT)
            self._optional.append(self._detections)
        self._foxglove = optional.find("~/annotations", "foxglove_msgs")
        if self._foxglove is not None:
            kind = self._foxglove.ImageAnnotations
            self._annotations = self._make(kind, "~/annotations", qos.RESULT)
            self._optional.append(self._annotations)

    @property
    def image_is_needed(self) -> bool:
        """Whether an image without targets must be read all the same."""
        outputs = [self._overlay, self._markers, *self._optional]
        return any(map(watched, outputs))

    def close(self) -> None:
        """Take the markers away, and the publishers from the node."""
        if self._node.context.ok():
            self._markers.publish(self._target_markers.clear(Header()))
        for publisher in self._made:
            self._node.destroy_publisher(publisher)

    def status(self, event: int, target_id: str, text: str, header: Header | None = None) -> None:
        """Say what became of a box or a command."""
        self._status.publish(
            Status(header=header or Header(), event=event, id=target_id, text=text)
        )

    def adapted(self, done: Adapted) -> None:
        """Publish the report of an adaptation, and the template that is in use now."""
        job = done.job
        self._adaptation.publish(report_message(job.header, job.id, done.report))
        if not job.cancelled:
            panel = draw_template(done.target.template, done.target.adapted_template)
            self._template.publish(bgr_to_image(panel, job.header))

    def tracks(
        self,
        header: Header,
        targets: Sequence[TrackedTarget],
        located: Mapping[str, Located],
        selected: str | None,
        info: CameraInfo | None,
        counts: Counts,
    ) -> list[Track]:
        """Publish where all targets are, and return that."""
        messages = {
            target.id: _message(header, target, located[target.id], counts) for target in targets
        }
        self._publish_tracks(header, messages, selected, counts)
        self._poses.publish(header, located, selected, info)
        return list(messages.values())

    def unusable(
        self, header: Header, located: Mapping[str, Located], selected: str | None, counts: Counts
    ) -> list[Track]:
        """Say of all targets that an image did not show where they are, and return that.

        Whoever follows the tracks must not go on with the boxes of the image before.
        """
        messages = {
            name: _with_counts(header, Track.LOST, counts, name, predicted)
            for name, predicted in located.items()
        }
        self._publish_tracks(header, messages, selected, counts)
        self._markers.publish(self._target_markers.clear(header))
        return list(messages.values())

    def views(
        self,
        tracks: Sequence[Track],
        header: Header,
        image_height: int,
        targets: Sequence[TrackedTarget],
        located: Mapping[str, Located],
        info: CameraInfo | None,
        marker_depth: float,
    ) -> None:
        """Publish what other programs draw: markers, detections, annotations."""
        if self._vision is not None and watched(self._detections):
            self._detections.publish(detections_message(self._vision, header, tracks))
        if self._foxglove is not None and watched(self._annotations):
            self._annotations.publish(
                annotations_message(self._foxglove, header, tracks, image_height, _COLORS)
            )
        if info is not None and watched(self._markers):
            marked = [
                MarkedTarget(
                    target.id,
                    target.box,
                    _COLORS[STATE_NAMES[_state(target)]],
                    _range(located[target.id]),
                )
                for target in targets
                if target.box is not None
            ]
            self._markers.publish(self._target_markers.update(header, info, marked, marker_depth))

    def pictures(
        self,
        header: Header,
        image: np.ndarray,
        targets: Sequence[TrackedTarget],
        selected: str | None,
    ) -> None:
        """Draw and publish what somebody looks at."""
        chosen = next((target for target in targets if target.id == selected), None)
        result = None if chosen is None else chosen.result
        if chosen is not None and result is not None:
            if watched(self._response_map):
                self._response_map.publish(float_to_image(result.response, header))
            if watched(self._heatmap):
                heat = draw_heatmap(
                    result.search,
                    result.response,
                    result.response_to_image,
                    result.search_to_image,
                    chosen.box,
                    STATE_NAMES[_state(chosen)],
                )
                self._heatmap.publish(bgr_to_image(heat, header))
        if watched(self._overlay):
            drawn = [_drawn(target) for target in targets if target.state is not None]
            self._overlay.publish(bgr_to_image(draw_overlay(image, drawn), header))

    def _publish_tracks(
        self, header: Header, messages: dict[str, Track], selected: str | None, counts: Counts
    ) -> None:
        self._tracks.publish(TrackArray(header=header, tracks=list(messages.values())))
        if selected is None:
            self._track.publish(_with_counts(header, Track.IDLE, counts))
        else:
            self._track.publish(messages[selected])

    def _make(self, kind: type, topic: str, profile: QoSProfile) -> Publisher:
        publisher: Publisher = self._node.create_publisher(kind, topic, profile)
        self._made.append(publisher)
        return publisher


def _state(target: TrackedTarget) -> int:
    if target.adapting and target.state is not TrackState.LOST:
        return Track.ADAPTING
    return _STATES[target.state]


def _range(located: Located) -> float | None:
    """Metres from the camera."""
    position = located.measured_m
    return None if position is None else float(np.linalg.norm(position))


def _message(header: Header, target: TrackedTarget, located: Located, counts: Counts) -> Track:
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


def _with_counts(
    header: Header,
    state: int,
    counts: Counts,
    target_id: str = "",
    located: Located | None = None,
) -> Track:
    return track_message(
        header,
        state,
        target_id,
        located=located,
        processing_ms=counts.processing_ms,
        processed_images=counts.processed,
        dropped_images=counts.dropped,
    )


def _drawn(target: TrackedTarget) -> DrawnTarget:
    return DrawnTarget(
        target.box or target.last_box,
        label=target.id,
        score=None if target.box is None else target.score,
        state=STATE_NAMES[_state(target)],
        trail=target.trail.points,
    )
