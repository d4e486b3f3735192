"""A short memory of the newest images, so that a box drawn on a past one finds its picture."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sized
from typing import Any, Generic, Protocol, TypeVar

from autrack_ros.tracking.errors import ConfigurationError

_SECOND_NS = 1_000_000_000
#: A minute at 60 Hz; bounds memory and search where images are tiny or their stamps hardly move.
MAX_IMAGES = 4000


class ImageMessage(Protocol):
    """What sensor_msgs/Image and sensor_msgs/CompressedImage have in common."""

    header: Any
    data: Sized


M = TypeVar("M", bound=ImageMessage)


def stamp_ns(message: ImageMessage) -> int:
    """Return the stamp of an image's header, nanoseconds."""
    stamp = message.header.stamp
    return stamp.sec * _SECOND_NS + stamp.nanosec


class ImageBuffer(Generic[M]):
    """A ring of recent image messages, ordered by the stamps of their headers.

    The messages are kept as they came, unconverted: nearly none of them is ever looked at.
    At most ``MAX_IMAGES`` of them. Thread-safe.

    Args:
        seconds: largest span from the oldest to the newest stamp; 0 keeps the newest image only.
        max_bytes: largest sum of the messages' data. The newest image is kept even if it is larger.

    Raises:
        ConfigurationError: a bound is negative or not finite.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ConfigurationError(f"seconds {seconds}: a number of at least 0 is accepted")
        if max_bytes < 0:
            raise ConfigurationError(f"max_bytes {max_bytes}: at least 0 is accepted")
        self._max_span_ns = round(seconds * _SECOND_NS)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._images: deque[tuple[int, M]] = deque()  # stamps strictly increase
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._images)

    @property
    def span(self) -> tuple[int, int] | None:
        """Oldest and newest stamp held, nanoseconds; None while there is no image."""
        with self._lock:
            return (self._images[0][0], self._images[-1][0]) if self._images else None

    def add(self, message: M) -> None:
        """Keep an image as the newest, and let go of the oldest ones beyond the bounds.

        A stamp earlier than the newest one means that time jumped back, as when a bag loops: all
        images before it are let go. An image of the same stamp as the newest one replaces it: no
        stamp can tell the two apart.
        """
        stamp = stamp_ns(message)
        with self._lock:
            if self._images and stamp < self._images[-1][0]:
                self._empty()
            if self._images and stamp == self._images[-1][0]:
                self._bytes -= len(self._images.pop()[1].data)
            self._images.append((stamp, message))
            self._bytes += len(message.data)
            while len(self._images) > 1 and (
                len(self._images) > MAX_IMAGES
                or self._bytes > self._max_bytes
                or stamp - self._images[0][0] > self._max_span_ns
            ):
                self._bytes -= len(self._images.popleft()[1].data)

    def nearest(self, stamp_ns: int, tolerance_ns: int) -> M | None:
        """Return the image whose stamp is nearest, the older of two; None beyond the tolerance."""
        with self._lock:
            best = min(self._images, key=lambda held: abs(held[0] - stamp_ns), default=None)
        if best is None or abs(best[0] - stamp_ns) > tolerance_ns:
            return None
        return best[1]

    def after(self, message: M) -> list[M]:
        """Return the images with a later stamp than that of ``message``, the oldest first.

        ``message`` itself need not be held any longer.
        """
        stamp = stamp_ns(message)
        with self._lock:
            return [held for held_stamp, held in self._images if held_stamp > stamp]

    def refusal(self, stamp_ns: int, tolerance_ns: int) -> str:
        """Say that no image of a stamp is held, and which stamps are."""
        asked = f"no image of stamp {_seconds(stamp_ns)} s (±{_seconds(tolerance_ns)} s)"
        with self._lock:
            stamps = [stamp for stamp, _ in self._images]
        if not stamps:
            return f"{asked}: the buffer holds no image"
        gap_ms = min(abs(stamp - stamp_ns) for stamp in stamps) / 1e6
        return (
            f"{asked}: the buffer holds {_seconds(stamps[0])} to {_seconds(stamps[-1])} s, "
            f"the nearest {gap_ms:.6g} ms away"
        )

    def clear(self) -> None:
        """Let go of all images."""
        with self._lock:
            self._empty()

    def _empty(self) -> None:
        self._images.clear()
        self._bytes = 0


def _seconds(nanoseconds: int) -> str:
    """Milliseconds are enough to recognise a stamp, and rounded in whole numbers they are exact."""
    milliseconds = (nanoseconds + 500_000) // 1_000_000
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
