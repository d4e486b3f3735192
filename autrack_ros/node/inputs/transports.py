"""How images come: as they are, or compressed."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from autrack_ros.messages.images import check_image, compressed_to_bgr, declared_size, image_to_bgr
from autrack_ros.node import qos
from autrack_ros.tracking import ConfigurationError


@dataclass(frozen=True, slots=True)
class Transport:
    """One kind of image message.

    Attributes:
        message: its class.
        suffix: of the topic's name, as image_transport names it.
        size: width and height, pixels, without decoding; InvalidImageError for a damaged message.
        to_bgr: HxWx3 uint8 BGR of a message; InvalidImageError for a damaged one.
    """

    message: type
    suffix: str
    size: Callable[[Any], tuple[int, int]]
    to_bgr: Callable[[Any], np.ndarray]

    def topic(self, node: Node) -> str:
        """Return the full name of the topic that a node takes these images from.

        As with image_transport, remapping ``image`` moves the compressed topic along.
        """
        return node.resolve_topic_name(node.resolve_topic_name("image") + self.suffix)

    def subscribe(self, node: Node, callback: Callable[[Any], None]) -> Subscription:
        """Have a node take these images; their quality of service may be overridden.

        Raises:
            ConfigurationError: an override is wrong.
        """
        profile = copy(qos.SENSOR_IMAGE)  # rclpy writes what is overridden into it
        try:
            return node.create_subscription(
                self.message,
                self.topic(node),
                callback,
                profile,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        except RuntimeError as error:
            raise ConfigurationError(f"qos_overrides.{self.topic(node)}: {error}") from error


TRANSPORTS = {
    "raw": Transport(Image, "", check_image, image_to_bgr),
    "compressed": Transport(CompressedImage, "/compressed", declared_size, compressed_to_bgr),
}
