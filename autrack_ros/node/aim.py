"""Where a camera on a gimbal must turn to have a target in its middle."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.msg import Aim
from autrack_ros.node.camera import bearings
from autrack_ros.node.positions import Place

_STEP_S = 0.01  # over which an angle's rate is taken


def aim_message(header: Header, target_id: str, center: Place, info: CameraInfo) -> Aim | None:
    """Make an Aim; None where the lens model has no direction.

    Args:
        header: of the image.
        target_id: the target.
        center: of its box, pixels.
        info: calibration of the camera.

    Raises:
        InvalidCameraError: the calibration cannot be used.
    """
    soon = center.position + center.velocity * _STEP_S
    rays = bearings(info, np.stack([center.position, soon]))
    if rays is None or np.isnan(rays).any():
        return None
    right, down, ahead = rays.T
    angles = np.stack([np.arctan2(right, ahead), np.arctan2(-down, np.hypot(right, ahead))])
    change = angles[:, 1] - angles[:, 0]
    rates = np.arctan2(np.sin(change), np.cos(change)) / _STEP_S  # behind the camera pan jumps
    pan, tilt = angles[:, 0].tolist()
    pan_rate, tilt_rate = rates.tolist()
    return Aim(
        header=header,
        id=target_id,
        pan=pan,
        tilt=tilt,
        pan_rate=pan_rate,
        tilt_rate=tilt_rate,
    )
