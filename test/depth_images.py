"""Depth images for tests."""

from __future__ import annotations

from array import array

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

MS = 1_000_000


def header(milliseconds: int = 1000, frame_id: str = "camera") -> Header:
    made = Header(frame_id=frame_id)
    made.stamp.sec, made.stamp.nanosec = divmod(milliseconds * MS, 10**9)
    return made


def depth_image(values: np.ndarray, encoding: str = "16UC1", **fields: object) -> Image:
    data = array("B", values.tobytes())
    height, width = values.shape
    step = values.strides[0]
    made = Image(
        header=header(), height=height, width=width, encoding=encoding, step=step, data=data
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made
