"""A robot that is not there: it drives as it is told, and a camera on it sees a made room."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from autrack_ros.demo.world import Pinhole, Pose, View, look, seen_by_sensor
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image, millimeters_to_image

STEP_NS = 100_000_000  # ten images a second
FRAME_ID = "camera_color_optical_frame"
_START_NS = 1_000_000_000
_COMMAND_TIMEOUT_S = 0.5  # as diff_drive_controller's: without commands it brakes
_BRAKING = 2.0  # m/s^2, and as many rad/s^2
_ACCELERATION = 1.5
_MOST = (1.0, 1.5)  # m/s, rad/s


class StandInRobot(Node):
    """A differential drive with a colour and depth camera; its time goes on by ``move`` only.

    Publishes ``image``, ``depth``, ``camera_info``, takes ``cmd_vel``.

    Args:
        path: where the target and what hides it are, by time in seconds; None: nothing hides it.
        camera: on the robot.
    """

    def __init__(
        self, path: Callable[[float], tuple[Pose, Pose | None]], camera: Pinhole | None = None
    ) -> None:
        super().__init__("robot")
        self.camera = camera or Pinhole()
        self.pose = Pose(0.0, 0.0, 0.0)
        self.speed = self.turn = 0.0  # m/s, rad/s
        self.seconds = 0.0
        self.commanded_ns = 0  # stamp of the last command
        self._path = path
        self._command = (0.0, 0.0)
        self._rng = np.random.default_rng(0)
        self._images = self.create_publisher(Image, "image", qos.COMMAND)
        self._depths = self.create_publisher(Image, "depth", qos.COMMAND)
        self._infos = self.create_publisher(CameraInfo, "camera_info", qos.COMMAND)
        self.create_subscription(TwistStamped, "cmd_vel", self._on_command, qos.COMMAND)

    @property
    def subscribed(self) -> bool:
        """Whether a tracker takes all that it publishes."""
        inputs = (self._images, self._depths, self._infos)
        return all(publisher.get_subscription_count() for publisher in inputs)

    @property
    def stamp_ns(self) -> int:
        """Of this moment's images."""
        return _START_NS + round(self.seconds * 1e9)

    @property
    def target(self) -> Pose:
        """Where the target is at this moment."""
        return self._path(self.seconds)[0]

    def publish(self) -> tuple[View, Header]:
        """Publish what the camera sees at this moment, and return it."""
        view = look(self.camera, self.pose, *self._path(self.seconds))
        header = Header(frame_id=FRAME_ID)
        header.stamp.sec, header.stamp.nanosec = divmod(self.stamp_ns, 10**9)
        self._infos.publish(self._calibration(header))
        depth = seen_by_sensor(view.depth, self._rng)
        self._depths.publish(millimeters_to_image(depth, header))
        noise = 3 * self._rng.standard_normal(view.image.shape, np.float32)
        picture = np.clip(cv2.GaussianBlur(view.image, (3, 3), 0) + noise, 0, 255)
        self._images.publish(bgr_to_image(picture.astype(np.uint8), header))
        return view, header

    def move(self) -> None:
        """Let one step of time pass."""
        step = STEP_NS / 1e9
        is_told = (self.stamp_ns - self.commanded_ns) / 1e9 < _COMMAND_TIMEOUT_S
        wanted = self._command if is_told else (0.0, 0.0)
        self.speed = _towards(self.speed, wanted[0], _MOST[0], step)
        self.turn = _towards(self.turn, wanted[1], _MOST[1], step)
        # Half of the turn, the way, the other half: exact enough for a step.
        yaw = self.pose.yaw + self.turn * step / 2
        moved = Pose(self.pose.x, self.pose.y, yaw).ahead(self.speed * step)
        self.pose = Pose(moved.x, moved.y, yaw + self.turn * step / 2)
        self.seconds += step

    def _on_command(self, message: TwistStamped) -> None:
        self.commanded_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self._command = (message.twist.linear.x, message.twist.angular.z)

    def _calibration(self, header: Header) -> CameraInfo:
        camera = self.camera
        # K counts from the middle of the first pixel.
        middle = camera.width / 2 - 0.5, camera.height / 2 - 0.5
        return CameraInfo(
            header=header,
            width=camera.width,
            height=camera.height,
            distortion_model="plumb_bob",
            d=[0.0] * 5,
            k=[camera.focal, 0.0, middle[0], 0.0, camera.focal, middle[1], 0.0, 0.0, 1.0],
        )


def _towards(now: float, wanted: float, most: float, seconds: float) -> float:
    """A speed a step later."""
    wanted = math.copysign(min(abs(wanted), most), wanted)
    rate = _BRAKING if abs(wanted) < abs(now) else _ACCELERATION
    return now + max(-rate * seconds, min(rate * seconds, wanted - now))
