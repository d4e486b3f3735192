"""Messages from results, and boxes from messages; no pixels and no decisions.

rclpy does not check types by default, and what is not a Python float (an int, a float32 of NumPy)
arrives as garbage: hence the conversions.
"""

from __future__ import annotations

import numpy as np
from std_msgs.msg import Header

from autrack_ros.msg import AdaptationReport as AdaptationReportMessage
from autrack_ros.msg import InitBox, Track
from autrack_ros.tracking import AdaptationReport, Box

STATE_NAMES = {
    Track.IDLE: "idle",
    Track.ADAPTING: "adapting",
    Track.TRACKING: "tracking",
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
    response_to_image: np.ndarray | None = None,
    processing_ms: float = 0.0,
    adaptation_ms: float = 0.0,
    processed_images: int = 0,
    dropped_images: int = 0,
) -> Track:
    """Make a Track; what is not given (box, score, affine of the response map) is zero."""
    affine = np.zeros(6) if response_to_image is None else response_to_image.ravel()
    shown = Box(0.0, 0.0, 0.0, 0.0) if box is None else box
    center_x, center_y = shown.center
    return Track(
        header=header,
        state=state,
        id=target_id,
        center_x=float(center_x),
        center_y=float(center_y),
        size_x=float(shown.w),
        size_y=float(shown.h),
        score=float(score),
        response_to_image=affine,
        processing_ms=float(processing_ms),
        adaptation_ms=float(adaptation_ms),
        processed_images=processed_images,
        dropped_images=dropped_images,
    )


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
    )
