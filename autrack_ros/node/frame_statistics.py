"""Rates, latencies and drops of the last seconds."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WINDOW_S = 10.0
CAPACITY = 2000  # events: 10 s at 200 Hz; what is faster is judged by its last 2000


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in milliseconds, interpolated linearly; NaN where nothing was measured."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class FrameSummary:
    """What happened in the window.

    Attributes:
        window_s: its length, seconds.
        image_rate_hz: images that came.
        track_rate_hz: images that were processed.
        latency_ms: from the image's stamp to its published result.
        processing_ms: from taking the image to its result.
        dropped: images that a newer one replaced, in the window.
        dropped_share: ``dropped`` as a part of all that were dropped or processed, 0..1.
        dropped_total: since the node started.
        left_out_total: late or unstamped images among others, since the node started.
        image_age_s: since the last image came, seconds; infinite before the first.
        track_age_s: since the last image was processed, seconds; infinite before the first.
    """

    window_s: float
    image_rate_hz: float
    track_rate_hz: float
    latency_ms: Percentiles
    processing_ms: Percentiles
    dropped: int
    dropped_share: float
    dropped_total: int
    left_out_total: int
    image_age_s: float
    track_age_s: float


class RollingWindow:
    """Events with a value each: those of the last seconds, and at most ``capacity`` of them.

    Times are seconds of any one monotonic clock. Not thread-safe.
    """

    def __init__(self, window_s: float = WINDOW_S, capacity: int = CAPACITY) -> None:
        self.window_s = window_s
        self._events: deque[tuple[float, float]] = deque(maxlen=capacity)

    def add(self, now_s: float, value: float = math.nan) -> None:
        """Record an event; NaN where it has no value."""
        self._events.append((now_s, value))
        self._forget(now_s)

    def rate_hz(self, now_s: float) -> float:
        """Intervals between the events over the time from the first one to now, Hz.

        So it is right as soon as two events came, also when the capacity is reached, and falls to
        0 when the events stop.
        """
        self._forget(now_s)
        if len(self._events) < 2:
            return 0.0
        span = now_s - self._events[0][0]
        return (len(self._events) - 1) / span if span > 0 else 0.0

    def values(self, now_s: float) -> list[float]:
        """The finite values in the window, oldest first."""
        self._forget(now_s)
        return [value for _, value in self._events if math.isfinite(value)]

    def count(self, now_s: float) -> int:
        """Events in the window."""
        self._forget(now_s)
        return len(self._events)

    def _forget(self, now_s: float) -> None:
        while self._events and self._events[0][0] <= now_s - self.window_s:
            self._events.popleft()


class FrameStatistics:
    """What comes into a node and what leaves it; thread-safe.

    Args:
        window_s: length of the window, seconds.
        capacity: events of each kind that are kept at most.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        window_s: float = WINDOW_S,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window_s = window_s
        self._images = RollingWindow(window_s, capacity)
        self._latencies = RollingWindow(window_s, capacity)  # one event for each processed image
        self._processing = RollingWindow(window_s, capacity)
        self._drops = RollingWindow(window_s, capacity)  # value: how many at once
        self._dropped_total = self._left_out_total = 0
        self._image_time = self._track_time = -math.inf

    def image_received(self) -> None:
        """An image came."""
        with self._lock:
            self._image_time = self._clock()
            self._images.add(self._image_time)

    def image_left_out(self) -> None:
        """An image that came is not to be processed."""
        with self._lock:
            self._left_out_total += 1

    def image_processed(
        self, processing_ms: float, latency_ms: float | None, dropped_total: int
    ) -> None:
        """An image's result was published.

        Args:
            processing_ms: from taking the image to its result.
            latency_ms: from the image's stamp to now; None for an image without a stamp.
            dropped_total: images dropped since the node started.
        """
        with self._lock:
            now = self._track_time = self._clock()
            self._processing.add(now, processing_ms)
            self._latencies.add(now, math.nan if latency_ms is None else latency_ms)
            if dropped_total > self._dropped_total:
                self._drops.add(now, dropped_total - self._dropped_total)
            self._dropped_total = dropped_total

    def summary(self) -> FrameSummary:
        """Sum up the window that ends now."""
        with self._lock:
            now = self._clock()
            dropped = int(sum(self._drops.values(now)))
            processed = self._processing.count(now)
            return FrameSummary(
                window_s=self._window_s,
                image_rate_hz=self._images.rate_hz(now),
                track_rate_hz=self._processing.rate_hz(now),
                latency_ms=_percentiles(self._latencies.values(now)),
                processing_ms=_percentiles(self._processing.values(now)),
                dropped=dropped,
                dropped_share=dropped / (dropped + processed) if dropped else 0.0,
                dropped_total=self._dropped_total,
                left_out_total=self._left_out_total,
                image_age_s=now - self._image_time,
                track_age_s=now - self._track_time,
            )


def _percentiles(values: list[float]) -> Percentiles:
    if not values:
        return Percentiles(math.nan, math.nan, math.nan)
    return Percentiles(*(float(value) for value in np.percentile(values, (50, 95, 99))))
