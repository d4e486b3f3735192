"""The log, kept so small that it fills no disk; and the last error, for the diagnostics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger

from autrack_ros.tracking import AutrackError

REPEAT_S = 10.0  # the same problem is logged this often
BURST = 20  # different ones at once
PER_SECOND = 1.0  # and different ones in the long run
MAX_CHARACTERS = 1000  # of a line: messages name ids and frames, which may have any length


def described(error: Exception) -> str:
    """What an error says; its kind as well, where it was not made to be read by users."""
    return str(error) if isinstance(error, AutrackError) else f"{type(error).__name__}: {error}"


class Problems:
    """Log what messages and images cause with measure, a line each. Thread-safe.

    Args:
        logger: of the node.
        clock: seconds, monotonic.
    """

    def __init__(self, logger: RcutilsLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._logged, self._logged_time = "", clock() - REPEAT_S
        self._left, self._filled_time = float(BURST), clock()
        self._left_out = 0  # lines since the one that was logged last
        self._error, self._error_time = "", clock()

    @property
    def last_error(self) -> tuple[str, float]:
        """The last error, empty if there was none, and its age in seconds."""
        with self._lock:
            return self._error, self._clock() - self._error_time

    def error(self, text: str) -> None:
        """Something was not done."""
        text = _line(text)
        with self._lock:
            self._error, self._error_time = text, self._clock()
            if self._may_log(text):
                self._logger.error(text + self._told_left_out())

    def warning(self, text: str) -> None:
        """Something is odd."""
        text = _line(text)
        with self._lock:
            if self._may_log(text):
                self._logger.warning(text + self._told_left_out())

    def info(self, text: str) -> None:
        """Something is as it should be."""
        text = _line(text)
        with self._lock:
            if self._may_log(text):
                self._logger.info(text + self._told_left_out())

    def tell_left_out(self) -> None:
        """Say how many lines were left out, if no line after them has; call it now and then."""
        with self._lock:
            if self._left_out and self._takes_a_turn():
                self._logger.warning(self._told_left_out().strip())

    def _may_log(self, text: str) -> bool:
        now = self._clock()
        if text == self._logged and now - self._logged_time < REPEAT_S:
            return False
        if not self._takes_a_turn():
            self._left_out += 1
            return False
        self._logged, self._logged_time = text, now
        return True

    def _takes_a_turn(self) -> bool:
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._filled_time) * PER_SECOND)
        self._filled_time = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _told_left_out(self) -> str:
        """How many lines were left out before this one; empty if none was. Forgets them."""
        count, self._left_out = self._left_out, 0
        return f" [{count} more line{'s' * (count > 1)} left out before]" if count else ""


def _line(text: str) -> str:
    """The text without line breaks and other control characters, and not too long."""
    cut = text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in cut
    )
