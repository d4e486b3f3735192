"""Lines from the terminal without waiting for them."""

from __future__ import annotations

import os
import select


class TerminalLines:
    """Lines of a file descriptor, as they come.

    No thread: one that waits in a read when the interpreter ends makes it abort.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._lines: list[str] = []
        self._closed = False

    @property
    def ended(self) -> bool:
        """Whether there will be no more lines."""
        return self._closed and not self._lines

    def poll(self) -> str | None:
        """Return the next line without its end, or None if none is there yet."""
        if not self._lines and not self._closed:
            self._read()
        return self._lines.pop(0) if self._lines else None

    def _read(self) -> None:
        ready, _, _ = select.select([self._descriptor], [], [], 0)
        if not ready:
            return
        data = os.read(self._descriptor, 4096)
        self._closed = not data
        parts = (self._rest + data).split(b"\n")
        self._rest = parts.pop()
        if self._closed and self._rest:  # a last line without an end
            parts.append(self._rest)
        self._lines = [part.decode(errors="replace").rstrip("\r") for part in parts]
