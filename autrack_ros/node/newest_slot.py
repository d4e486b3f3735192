"""A slot for the newest item only: what was not taken in time is replaced and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
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

    @property
    def waiting(self) -> bool:
        """Whether there is an item."""
        return self._item is not None

    def put(self, item: T) -> T | None:
        """Store the item and return the one it replaces, if any."""
        with self._changed:
            if self._closed:
                return None
            replaced, self._item = self._item, item
            self._dropped += replaced is not None
            self._changed.notify()
            return replaced

    def take(self) -> T | None:
        """Wait for an item and remove it; None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            return self._remove()

    def poll(self, wanted: Callable[[T], bool] = lambda item: True) -> T | None:
        """Remove the item, if there is one and it is wanted, without waiting."""
        with self._changed:
            if self._item is None or not wanted(self._item):
                return None
            return self._remove()

    def close(self) -> None:
        """Drop what waits and let ``take`` return None from now on."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()

    def _remove(self) -> T | None:
        item, self._item = self._item, None
        return item
