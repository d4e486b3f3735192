"""A slot for the newest item only: what was not taken in time is replaced and counted."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Hand items from one thread to another; a slow taker skips to the newest.

    Thread-safe. After ``close`` a waiting ``take`` returns None at once and ``put`` is ignored.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Items replaced before they were taken."""
        return self._dropped

    def put(self, item: T) -> None:
        """Store the item in place of the one that waits, if any."""
        with self._changed:
            if self._closed:
                return
            self._dropped += self._item is not None
            self._item = item
            self._changed.notify()

    def take(self) -> T | None:
        """Wait for an item and remove it; None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Drop what waits and let ``take`` return None from now on."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()
