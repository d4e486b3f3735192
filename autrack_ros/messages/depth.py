"""Depth image messages as arrays, without ROS and without a copy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from autrack_ros.messages.images import check_layout
from autrack_ros.tracking.errors import InvalidImageError

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

#: Metres that a 1 means, and the type of the numbers, by encoding (REP-118).
DEPTH_ENCODINGS = {"16UC1": (0.001, np.uint16), "32FC1": (1.0, np.float32)}


def depth_pixels(message: Image) -> tuple[np.ndarray, float]:
    """View the pixels of a depth image, HxW uint16 or float32, and metres that a 1 in it means.

    The array shares the message's memory, which must outlive it.

    Raises:
        InvalidImageError: names the field (encoding, width, height, step or data), its value, and
            what is accepted.
    """
    if message.encoding not in DEPTH_ENCODINGS:
        shown, accepted = message.encoding[:80], ", ".join(DEPTH_ENCODINGS)
        raise InvalidImageError(f"encoding '{shown}': accepted are {accepted}")
    unit_m, kind = DEPTH_ENCODINGS[message.encoding]
    dtype = np.dtype(kind)
    check_layout(message, message.width * dtype.itemsize)
    if bool(message.is_bigendian) != (sys.byteorder == "big"):
        dtype = dtype.newbyteorder()
    if message.step % dtype.itemsize:
        raise InvalidImageError(
            f"step {message.step}: a multiple of {dtype.itemsize} is accepted, the bytes of a pixel"
        )
    rows = np.frombuffer(message.data, dtype).reshape(message.height, -1)
    return rows[:, : message.width], unit_m
