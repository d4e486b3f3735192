"""One image of a run of the follow demo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autrack_ros.demo.world import Pose
from autrack_ros.msg import Motion, Track
from autrack_ros.node.outputs.messages import STATE_NAMES


@dataclass(frozen=True, slots=True)
class Step:
    """One image of a run.

    Attributes:
        seconds: since the start.
        robot, target: where they were.
        speed: of the robot, m/s.
        distance: true one of what is seen of the target, metres; NaN where nothing is.
        track: the tracker's answer.
        image: HxWx3 uint8 BGR.
    """

    seconds: float
    robot: Pose
    target: Pose
    speed: float
    distance: float
    track: Track
    image: np.ndarray

    @property
    def state(self) -> str:
        """Of the target, as the tracker says."""
        return STATE_NAMES[self.track.state]

    @property
    def measured_m(self) -> float:
        """The tracker's distance along the optical axis; NaN where it measured none."""
        motion = self.track.motion
        is_measured = motion.position_source == Motion.MEASURED
        return motion.position.z if is_measured else math.nan
