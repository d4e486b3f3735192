"""One thread that works on the newest item, so that a node's callbacks return at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """Process items one after the other in a thread, always the newest one.

    Calls handed to the thread come before the item that waits, all of them and in order.

    Args:
        process: called in the thread with every item that is taken.
        on_error: called in the thread with what anything raised; the thread lives on.
        spare: called in the thread while there is nothing else to do, again and again until it
            returns False; after other work anew.
    """

    def __init__(
        self,
        process: Callable[[T], None],
        on_error: Callable[[Exception], None],
        spare: Callable[[], bool] = lambda: False,
    ) -> None:
        self._process = process
        self._on_error = on_error
        self._spare = spare
        self._changed = threading.Condition()
        self._calls: deque[Callable[[], None]] = deque()
        self._item: T | None = None
        self._closed = False
        self._dropped = 0
        # A daemon: a process that is told to end does not wait for a hanging device.
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    @property
    def dropped(self) -> int:
        """Items that a newer one replaced before they were processed."""
        return self._dropped

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, item: T, first: Callable[[], None] | None = None) -> None:
        """Have the item processed next, in place of one that waits.

        Args:
            item: to process.
            first: called before it; no item that was put earlier comes between.
        """
        with self._changed:
            self._dropped += self._item is not None
            self._item = item
            if first is not None:
                self._calls.append(first)
            self._changed.notify()

    def call(self, function: Callable[[], None]) -> None:
        """Have the function called in the thread, after those handed over before."""
        with self._changed:
            self._calls.append(function)
            self._changed.notify()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Finish the work in hand and the calls, leave the item; whether that was done in time."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        has_spare_work = False
        while (work := self._next(wait=not has_spare_work)) is not None:
            has_spare_work = True  # so far as is known
            try:
                has_spare_work = work() is not False
            except Exception as error:
                self._on_error(error)

    def _next(self, wait: bool) -> Callable[[], object] | None:
        """What to do next; None once the worker is stopped."""
        with self._changed:
            if wait:
                self._changed.wait_for(
                    lambda: self._closed or self._calls or self._item is not None
                )
            if self._calls:
                return self._calls.popleft()
            if self._closed:
                return None
            if self._item is not None:
                item, self._item = self._item, None
                return lambda: self._process(item)
            return self._spare
