"""How images come: as they are, or compressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from autrack_ros.node.image_conversion import (
    check_image,
    compressed_to_bgr,
    declared_size,
    image_to_bgr,
)


@dataclass(frozen=True, slots=True)
class Transport:
    """One kind of image message.

    Attributes:
        message: its class.
        topic: relative name, as image_transport names it.
        size: width and height, pixels, without decoding; InvalidImageError for a damaged message.
        to_bgr: HxWx3 uint8 BGR of a message; InvalidImageError for a damaged one.
    """

    message: type
    topic: str
    size: Callable[[Any], tuple[int, int]]
    to_bgr: Callable[[Any], np.ndarray]


TRANSPORTS = {
    "raw": Transport(Image, "image", check_image, image_to_bgr),
    "compressed": Transport(CompressedImage, "image/compressed", declared_size, compressed_to_bgr),
}
