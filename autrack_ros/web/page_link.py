"""One page's connection: what waits to be sent, and how much of it the page keeps up with.

A picture is sent when the page has drawn those before, so one that reads slowly gets fewer and
smaller ones, each of them new. Nothing else waits for a page.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from autrack_ros.web.messages import Link, encode
from autrack_ros.web.picture import LEVELS, Picture

MAX_WAITING = 512  # messages; a page that lets more wait is given up
_STALLED_S = 0.7  # a picture not drawn for so long: the link is full, tracks wait too
_SLOW_S, _QUICK_S = 0.25, 0.1  # round trips that lower and raise the quality
_SMALL_BYTES = 20_000  # it is not the size of such a picture that takes long
_AWAY_S = 5.0  # a page that drew nothing for so long was hidden: says nothing of the link
_QUICK_PICTURES = 10  # in a row, before the quality is raised
_FIRST_LEVEL = 2


class PageLink:
    """What goes to one page. Lives in the server's thread.

    Args:
        number: of the page.
        address: of its computer.
        encode_picture: has a picture encoded elsewhere; None where it cannot be.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        number: int,
        address: str,
        encode_picture: Callable[[Picture, int], Awaitable[bytes | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number, self.address = number, address
        self._encode = encode_picture
        self._clock = clock
        self._waiting: deque[str | bytes] = deque()
        self._newest: dict[str, str | bytes] = {}  # by kind: an older one is worth nothing
        self._picture: Picture | None = None
        # Pictures sent and not drawn yet: time and bytes, by number.
        self._flying: dict[int, tuple[float, int]] = {}
        self._wake = asyncio.Event()
        self._level, self._quick, self._round_trip_s = _FIRST_LEVEL, 0, 0.0
        self._sent = self._skipped = 0
        self.overrun = False

    def put(self, message: str | bytes) -> None:
        """Send a message; in order, none is left out."""
        self._waiting.append(message)
        self.overrun = self.overrun or len(self._waiting) > MAX_WAITING
        self._wake.set()

    def put_newest(self, kind: str, message: str | bytes) -> None:
        """Send a message, or leave it out where the link is full and another of its kind comes."""
        self._newest.pop(kind, None)
        self._newest[kind] = message
        self._wake.set()

    def put_picture(self, picture: Picture) -> None:
        """Send a picture, unless a newer one comes before the page is ready for it."""
        if self._picture is not None:
            self._skipped += 1
        self._picture = picture
        self._wake.set()

    def drawn(self, number: int) -> None:
        """The page has drawn a picture."""
        if number not in self._flying:
            return
        sent, size = self._flying.pop(number)
        self._wake.set()
        round_trip = self._clock() - sent
        if round_trip > _AWAY_S:
            return
        self._round_trip_s = round_trip
        self._quick = self._quick + 1 if round_trip < _QUICK_S else 0
        if round_trip > _SLOW_S and size > _SMALL_BYTES:
            self._level = min(self._level + 1, len(LEVELS) - 1)
        elif self._quick >= _QUICK_PICTURES:
            self._level, self._quick = max(self._level - 1, 0), 0

    def state(self) -> str:
        """The ``link`` message."""
        return encode(Link(self._sent, self._skipped, self._level, 1e3 * self._round_trip_s))

    async def send(self, send: Callable[[str | bytes], Awaitable[None]]) -> None:
        """Send what comes, until the page has been given up; ``send`` waits for the link."""
        while not self.overrun:
            self._wake.clear()
            if self._waiting:
                await send(self._waiting.popleft())
            elif self._picture is not None and len(self._flying) < self._window:
                await self._send_picture(send)
            elif self._newest and not self._stalled:
                await send(self._newest.pop(next(iter(self._newest))))
            else:
                await self._wait()

    async def _send_picture(self, send: Callable[[str | bytes], Awaitable[None]]) -> None:
        picture, self._picture = self._picture, None
        assert picture is not None
        data = await self._encode(picture, self._level)
        if data is None:
            return
        self._flying[picture.number] = self._clock(), len(data)
        self._sent += 1
        await send(data)

    async def _wait(self) -> None:
        """Until something changes; a stall ends by time as well as by a drawn picture."""
        timer = asyncio.get_running_loop().call_later(1.0, self._wake.set)
        await self._wake.wait()
        timer.cancel()

    @property
    def _window(self) -> int:
        """Pictures under way at once: a second one hides the round trip of a quick link."""
        return 2 if 0 < self._round_trip_s < _SLOW_S / 2 else 1

    @property
    def _stalled(self) -> bool:
        return any(self._clock() - sent > _STALLED_S for sent, _ in self._flying.values())
