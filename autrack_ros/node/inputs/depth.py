"""Depth images beside the colour images, and which part of one shows a target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from autrack_ros.messages.depth import depth_pixels
from autrack_ros.node import qos
from autrack_ros.node.image_buffer import ImageBuffer, stamp_ns
from autrack_ros.tracking import Box, InvalidImageError, TrackResult
from autrack_ros.tracking.distance import Distance, NoDistanceError, measure_distance

_KEPT_S = 1.0
_KEPT_BYTES = 64_000_000


class DepthImages:
    """The depth images of the last second. One thread adds, another asks."""

    def __init__(self) -> None:
        self._images: ImageBuffer[Image] = ImageBuffer(_KEPT_S, _KEPT_BYTES)
        self.camera_info: CameraInfo | None = None  # of the depth, where its size is another
        self.has_come = False  # a depth image, since the node was activated

    def subscribe(self, node: Node) -> list[Subscription]:
        """Take what comes on ``depth`` and ``depth_camera_info`` from now on."""

        def keep_info(message: CameraInfo) -> None:
            self.camera_info = message

        profile = qos.SENSOR_IMAGE
        return [
            node.create_subscription(Image, "depth", self.add, profile),
            node.create_subscription(CameraInfo, "depth_camera_info", keep_info, profile),
        ]

    def add(self, message: Image) -> None:
        """Keep a depth image; unread, for most are never looked at."""
        self._images.add(message)
        self.has_come = True

    def clear(self) -> None:
        """Forget all."""
        self._images.clear()
        self.camera_info, self.has_come = None, False

    def of(self, header: Header, size: tuple[int, int], tolerance_ns: int) -> DepthView:
        """The depth image that belongs to a colour image.

        Args:
            header: of the colour image.
            size: width and height of that, pixels.
            tolerance_ns: by which the stamps may differ.

        Raises:
            NoDistanceError: there is none, or it cannot be used.
        """
        stamp = header.stamp.sec * 10**9 + header.stamp.nanosec
        message = self._images.nearest(stamp, tolerance_ns)
        if message is None:
            raise NoDistanceError(f"depth: {self._images.refusal(stamp, tolerance_ns)}")
        if message.header.frame_id != header.frame_id:
            raise NoDistanceError(
                f"depth: frame_id '{message.header.frame_id}', that of the image is "
                f"'{header.frame_id}': depth registered to the colour image is needed"
            )
        try:
            pixels, unit_m = depth_pixels(message)
        except InvalidImageError as error:
            raise NoDistanceError(f"depth: {error}") from error
        same = size == (message.width, message.height)
        info = None if same else self._usable_info(message, size)
        return DepthView(pixels, unit_m, abs(stamp_ns(message) - stamp) / 1e9, info)

    def _usable_info(self, message: Image, size: tuple[int, int]) -> CameraInfo:
        info, shown = self.camera_info, f"depth: {message.width}x{message.height} pixels"
        if info is None or info.k[0] == 0:
            raise NoDistanceError(
                f"{shown}, the image has {size[0]}x{size[1]}: a depth_camera_info with its "
                "calibration is needed"
            )
        if (info.width, info.height) != (message.width, message.height):
            raise NoDistanceError(
                f"{shown}, depth_camera_info says {info.width}x{info.height}: equal sizes are "
                "accepted"
            )
        return info


class DepthView:
    """One depth image as it lies under the colour image.

    Args:
        pixels: HxW, as they came.
        unit_m: metres that a 1 means.
        age_s: difference of the stamps, seconds.
        info: calibration of the depth image where its size is another; pinhole, K alone is used.
    """

    def __init__(
        self, pixels: np.ndarray, unit_m: float, age_s: float, info: CameraInfo | None
    ) -> None:
        self._pixels = pixels
        self._unit_m = unit_m
        self._info = info
        self.age_s = age_s

    def measure(
        self, box: Box, rays: Sequence[Sequence[float]], result: TrackResult | None
    ) -> Distance:
        """How far away a target is.

        Args:
            box: in the colour image, edge coordinates.
            rays: (x/z, y/z) of the middle of the box, of its right edge's and of its lower edge's.
            result: where the response map lies; None without one.

        Raises:
            NoDistanceError: the depth image does not show it.
        """
        place = box if self._info is None else _box_of_rays(self._info, rays)
        if result is None:
            return measure_distance(self._pixels, self._unit_m, place)
        scale = np.array([place.w / box.w, place.h / box.h])
        to_depth = result.response_to_image * scale[:, None]
        to_depth[:, 2] += (place.x, place.y) - scale * (box.x, box.y)
        return measure_distance(self._pixels, self._unit_m, place, result.response, to_depth)


def _box_of_rays(info: CameraInfo, rays: Sequence[Sequence[float]]) -> Box:
    """Where a pinhole camera sees a box, edge coordinates."""
    focal, middle = (info.k[0], info.k[4]), (info.k[2] + 0.5, info.k[5] + 0.5)
    (x, y), (right, _), (_, lower) = rays
    width, height = 2 * focal[0] * (right - x), 2 * focal[1] * (lower - y)
    return Box(
        focal[0] * x + middle[0] - width / 2, focal[1] * y + middle[1] - height / 2, width, height
    )
