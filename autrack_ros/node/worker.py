"""One thread that works on the newest item, so that a node's callbacks return at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from autrack_ros.node.newest_slot import NewestSlot

T = TypeVar("T")


class Worker(Generic[T]):
    """Process items one after the other in a thread, always the newest one.

    Args:
        process: called in the thread with every item that is taken.
        on_error: called in the thread with what ``process`` raised; the thread lives on.
    """

    def __init__(self, process: Callable[[T], None], on_error: Callable[[Exception], None]) -> None:
        self._process = process
        self._on_error = on_error
        self._slot: NewestSlot[T] = NewestSlot()
        # A daemon: a process that is told to end does not wait for a hanging device.
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    @property
    def dropped(self) -> int:
        """Items that a newer one replaced before they were processed."""
        return self._slot.dropped

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, item: T) -> None:
        """Have the item processed next, in place of one that waits."""
        self._slot.put(item)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Finish the item in work, drop the one that waits; whether the thread ended in time."""
        self._slot.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._slot.take()) is not None:
            try:
                self._process(item)
            except Exception as error:
                self._on_error(error)
