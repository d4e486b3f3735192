"""``~/debug/*_ms``: Autoware's three timing topics, which its tools plot for every detector.

As in Autoware (autoware_utils_debug/debug_publisher.hpp, autoware_tensorrt_yolox): the names lie
under the node's own, the type is Float64Stamped, the stamp is now, the queue holds one message.
"""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time as TimeMessage
from rclpy.clock import Clock
from rclpy.time import Time

from autrack_ros.node.outputs.output import Output, Topics, watched
from autrack_ros.node.outputs.results import Results

CYCLIC_TIME = "~/debug/cyclic_time_ms"
PROCESSING_TIME = "~/debug/processing_time_ms"
PIPELINE_LATENCY = "~/debug/pipeline_latency_ms"

# Autoware's, and the one it took until 2024: equal fields.
PACKAGES = ("autoware_internal_debug_msgs", "tier4_debug_msgs")


def pipeline_latency_ms(clock: Clock, stamp: TimeMessage) -> float | None:
    """Return the time from an image's stamp to now, ms, both of the node's clock; None for stamp 0.

    Negative where the camera's clock is ahead of this machine's.
    """
    if stamp.sec == 0 and stamp.nanosec == 0:
        return None
    now = clock.now()
    return (now - Time.from_msg(stamp, clock_type=now.clock_type)).nanoseconds / 1e6


class TimingTopics(Output):
    """The three times of every processed image; nothing where no package has the type."""

    def __init__(self, topics: Topics) -> None:
        self._clock = topics.node.get_clock()
        self._last_s: float | None = None
        self._messages = topics.find_messages("~/debug/*_ms", *PACKAGES)
        self._publishers = (
            {}
            if self._messages is None
            else {
                name: topics.make(self._messages.Float64Stamped, name, 1)
                for name in (CYCLIC_TIME, PROCESSING_TIME, PIPELINE_LATENCY)
            }
        )

    def publish(self, results: Results) -> None:
        """Publish the times of this image, whose tracks have just been published."""
        latency_ms = pipeline_latency_ms(self._clock, results.header.stamp)
        self.tell(results.counts.processing_ms, latency_ms)

    def tell(self, processing_ms: float, latency_ms: float | None) -> None:
        """Publish the times of an image whose result has just been published.

        The cyclic time is that since the last call; without one before, it is left out.

        Args:
            processing_ms: from taking the image to its result.
            latency_ms: from the image's stamp to now; None leaves it out.
        """
        now_s = time.monotonic()
        cyclic_ms = None if self._last_s is None else (now_s - self._last_s) * 1e3
        self._last_s = now_s
        self._send(CYCLIC_TIME, cyclic_ms)
        self._send(PROCESSING_TIME, processing_ms)
        self._send(PIPELINE_LATENCY, latency_ms)

    def _send(self, name: str, value: float | None) -> None:
        publisher = self._publishers.get(name)
        if value is None or publisher is None or not watched(publisher):
            return
        assert self._messages is not None  # there is a publisher
        stamp = self._clock.now().to_msg()
        publisher.publish(self._messages.Float64Stamped(stamp=stamp, data=float(value)))
