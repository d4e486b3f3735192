"""Messages from results; no pixels and no decisions.

rclpy does not check types by default, and what is not a Python float (an int, a float32 of NumPy)
arrives as garbage: hence the conversions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import Header

from autrack_ros.msg import AdaptationReport as AdaptationReportMessage
from autrack_ros.msg import Motion, Track

if TYPE_CHECKING:
    from autrack_ros.node.positions import Located, Place
    from autrack_ros.tracking import AdaptationReport, Box, TrackResult

STATE_NAMES = {
    Track.IDLE: "idle",
    Track.ADAPTING: "adapting",
    Track.TRACKING: "tracking",
    Track.UNCERTAIN: "uncertain",
    Track.LOST: "lost",
}


def track_message(
    header: Header,
    state: int,
    target_id: str = "",
    box: Box | None = None,
    score: float = 0.0,
    result: TrackResult | None = None,
    located: Located | None = None,
    processing_ms: float = 0.0,
    adaptation_ms: float = 0.0,
    processed_images: int = 0,
    dropped_images: int = 0,
) -> Track:
    """Make a Track; what is not given is zero, and without a box so is all that tells of it."""
    message = Track(
        header=header,
        state=state,
        id=target_id,
        processing_ms=float(processing_ms),
        adaptation_ms=float(adaptation_ms),
        processed_images=processed_images,
        dropped_images=dropped_images,
    )
    if located is not None:
        _fill_motion(message.motion, located)
    if box is not None:
        message.center_x, message.center_y = map(float, box.center)
        message.size_x, message.size_y = float(box.w), float(box.h)
        message.score = float(score)
        if located is not None and located.bearing is not None:
            message.bearing = _vector(located.bearing)
        if result is not None:
            message.peak = float(result.peak)
            message.second_peak = float(result.second_peak)
            message.sharpness = float(result.sharpness)
    if result is not None:
        message.response_to_image = result.response_to_image.ravel()
    return message


def _fill_motion(message: Motion, located: Located) -> None:
    center, position = located.center, located.position
    if center is not None:
        message.image_source = _source(center)
        message.center_x, message.center_y = center.position.tolist()
        message.center_velocity_x, message.center_velocity_y = center.velocity.tolist()
    if position is not None:
        message.position_source = _source(position)
        x, y, z = position.position.tolist()
        message.position = Point(x=x, y=y, z=z)
        message.position_covariance = position.covariance.ravel()
        message.velocity = _vector(position.velocity.tolist())
    message.no_position = located.reason


def _source(place: Place) -> int:
    return Motion.PREDICTED if place.predicted else Motion.MEASURED


def _vector(values: Sequence[float]) -> Vector3:
    x, y, z = map(float, values)
    return Vector3(x=x, y=y, z=z)


def report_message(
    header: Header, target_id: str, report: AdaptationReport
) -> AdaptationReportMessage:
    """Make an AdaptationReport message."""
    return AdaptationReportMessage(
        header=header,
        id=target_id,
        method=report.method,
        losses=[float(loss) for loss in report.losses],
        steps=report.steps,
        best_step=report.best_step,
        elapsed_ms=float(report.elapsed_ms),
        stop_reason=report.stop_reason,
        max_change=float(report.max_change),
        mean_change=float(report.mean_change),
        support_crops=report.support_crops,
    )
