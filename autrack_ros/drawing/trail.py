"""Where a target was in the last seconds."""

from __future__ import annotations

from collections import deque

Point = tuple[float, float]


class Trail:
    """Centres of the last seconds, in order of time.

    Args:
        seconds: how long a centre is kept, by the stamps of the images.
        longest: how many are kept at most.
    """

    def __init__(self, seconds: float = 3.0, longest: int = 256) -> None:
        self._seconds = seconds
        self._entries: deque[tuple[float, Point | None]] = deque(maxlen=longest)

    def add(self, stamp: float, center: Point | None) -> None:
        """Append the centre at a time in seconds; None while the target is lost leaves a gap.

        A time before the last one, as when a bag loops, starts anew.
        """
        if self._entries and stamp < self._entries[-1][0]:
            self._entries.clear()
        self._entries.append((stamp, center))
        while stamp - self._entries[0][0] > self._seconds:
            self._entries.popleft()

    @property
    def points(self) -> tuple[Point | None, ...]:
        """(x, y) of every centre kept, oldest first; None for a gap."""
        return tuple(center for _, center in self._entries)
