"""Headers and image messages to write into bags."""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np

from autrack_ros.evaluation.bags.types import new_message

JPEG_QUALITY = 95


def header(stamp_ns: int, frame_id: str) -> Any:
    """A std_msgs/Header."""
    stamp = new_message(
        "builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
    )
    return new_message("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def image_message(head: Any, values: np.ndarray) -> Any:
    """A sensor_msgs/Image of HxWx3 uint8 (bgr8) or HxW float32 (32FC1)."""
    values = np.ascontiguousarray(values)
    return new_message(
        "sensor_msgs/msg/Image",
        header=head,
        height=values.shape[0],
        width=values.shape[1],
        encoding="32FC1" if values.dtype == np.float32 else "bgr8",
        is_bigendian=int(sys.byteorder == "big"),
        step=values.strides[0],
        data=values.reshape(-1).view(np.uint8),
    )


def jpeg_message(head: Any, bgr: np.ndarray) -> Any:
    """A sensor_msgs/CompressedImage as compressed_image_transport writes it."""
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return new_message(
        "sensor_msgs/msg/CompressedImage",
        header=head,
        format="bgr8; jpeg compressed bgr8",
        data=data.reshape(-1),
    )
