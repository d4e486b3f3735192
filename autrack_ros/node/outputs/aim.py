"""``~/aim``: where a camera on a gimbal must turn to have the selected target in its middle."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.msg import Aim
from autrack_ros.node import qos
from autrack_ros.node.inputs.camera import bearings
from autrack_ros.node.outputs.output import Output, Topics, watched
from autrack_ros.node.outputs.results import Results
from autrack_ros.node.positions import Place

_STEP_S = 0.01  # over which an angle's rate is taken


class Aims(Output):
    """With a calibration; depth is not needed."""

    def __init__(self, topics: Topics) -> None:
        self._aim = topics.make(Aim, "~/aim", qos.RESULT)

    def publish(self, results: Results) -> None:
        """Publish the angles to who asks, while the target is seen or its way is known."""
        if results.selected is None or results.info is None or not watched(self._aim):
            return
        center = results.located[results.selected].center
        if center is not None:
            aim = aim_message(results.header, results.selected, center, results.info)
            if aim is not None:
                self._aim.publish(aim)


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
