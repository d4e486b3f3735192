"""Messages from results, and boxes from messages; no pixels and no decisions.

rclpy does not check types by default, and what is not a Python float (an int, a float32 of NumPy)
arrives as garbage: hence the conversions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geometry_msgs.msg import Vector3
from std_msgs.msg import Header

from autrack_ros.msg import AdaptationReport as AdaptationReportMessage
from autrack_ros.msg import InitBox, Track
from autrack_ros.tracking import Box

if TYPE_CHECKING:
    from autrack_ros.tracking import AdaptationReport, TrackResult

STATE_NAMES = {
    Track.IDLE: "idle",
    Track.ADAPTING: "adapting",
    Track.TRACKING: "tracking",
    Track.UNCERTAIN: "uncertain",
    Track.LOST: "lost",
}


def box_of(message: InitBox) -> Box:
    """Read the box of an init box message; not checked."""
    return Box(message.x, message.y, message.width, message.height)


def track_message(
    header: Header,
    state: int,
    target_id: str = "",
    box: Box | None = None,
    score: float = 0.0,
    result: TrackResult | None = None,
    bearing: tuple[float, float, float] | None = None,
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
    if box is not None:
        message.center_x, message.center_y = map(float, box.center)
        message.size_x, message.size_y = float(box.w), float(box.h)
        message.score = float(score)
        if bearing is not None:
            message.bearing = Vector3(**dict(zip("xyz", map(float, bearing), strict=True)))
        if result is not None:
            message.peak = float(result.peak)
            message.second_peak = float(result.second_peak)
            message.sharpness = float(result.sharpness)
    if result is not None:
        message.response_to_image = result.response_to_image.ravel()
    return message


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
