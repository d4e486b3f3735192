"""Whether images come: how long a node has waited for them, and when they stay away or are back."""

from __future__ import annotations

import time
from collections.abc import Callable


class ImageWatch:
    """Count images, and notice when they stay away. One thread calls everything.

    Args:
        patience_s: without an image, after which they are said to stay away.
        clock: seconds, monotonic.

    Attributes:
        received: images that came.
    """

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.received = 0
        self._patience_s = patience_s
        self._clock = clock
        self._waiting_since: float | None = None
        self._newest_time = 0.0
        self._told = False

    @property
    def waiting_s(self) -> float | None:
        """How long images have been wanted, seconds; None while they are not."""
        return None if self._waiting_since is None else self._clock() - self._waiting_since

    def restart(self, wanted: bool) -> None:
        """Wait anew, or no longer."""
        self._waiting_since = self._clock() if wanted else None
        self._told = False

    def image_received(self) -> float | None:
        """An image came; for how many seconds there was none, if ``stay_away`` has told so."""
        self.received += 1
        gap_s = self._without_s() if self._told else None
        self._newest_time, self._told = self._clock(), False
        return gap_s

    def stay_away(self) -> bool:
        """Whether images are wanted and none has come for longer than the patience."""
        self._told = self._waiting_since is not None and self._without_s() >= self._patience_s
        return self._told

    def _without_s(self) -> float:
        since = self._newest_time if self._waiting_since is None else self._waiting_since
        return self._clock() - max(since, self._newest_time)
