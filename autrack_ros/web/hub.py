"""All pages together: what they are told, what they may ask for. Lives in the server's thread."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from autrack_ros.tracking.errors import InvalidImageError
from autrack_ros.web.bridge import Bridge
from autrack_ros.web.guard import Allowance
from autrack_ros.web.messages import (
    VERSION,
    Adaptation,
    Answer,
    Command,
    Enabled,
    Event,
    Follow,
    Hello,
    Log,
    MessageError,
    Pages,
    Problem,
    Recording,
    Response,
    Seen,
    Template,
    Tracks,
    decode,
    encode,
    name_of,
    pack,
)
from autrack_ros.web.page_link import PageLink
from autrack_ros.web.picture import Picture

KEPT_LINES = 100  # of the log, for a page that comes late
_MESSAGES = (200, 100.0)  # of a page at once and a second; more ends its connection
_COMMANDS = (8, 4.0)  # likewise; more are refused
_LATE = (
    Enabled,
    Problem,
    Template,
    Adaptation,
    Recording,
    Tracks,
)  # the last one is for late pages
#: One of these that is left out for a newer one is not missed; they come after a picture.
_NEWEST = (Tracks, Response, Template)


class TooMany(Exception):
    """A page sends more than any person does."""


class Hub:
    """Passes events to the pages and commands to the bridge.

    ``post`` and ``post_picture`` may be called from any thread, everything else in the loop's.

    Args:
        bridge: the other end.
        loop: of the server.
    """

    def __init__(self, bridge: Bridge, loop: asyncio.AbstractEventLoop) -> None:
        self._bridge = bridge
        self._loop = loop
        self._pages: dict[PageLink, tuple[Allowance, Allowance]] = {}
        self._count = 0
        self._log: deque[Log] = deque(maxlen=KEPT_LINES)
        self._late: dict[str, tuple[Event, bytes | None]] = {}
        self._picture: Picture | None = None
        self._encoder = ThreadPoolExecutor(1, "jpeg")

    def close(self) -> None:
        """End the encoder's thread."""
        self._encoder.shutdown(wait=False, cancel_futures=True)

    # From the bridge, in any thread.

    def post(self, event: Event, payload: bytes | None = None) -> None:
        """Tell all pages."""
        self._in_loop(self._tell, event, payload)

    def post_picture(self, picture: Picture) -> None:
        """Show a picture; one that comes before the last was sent replaces it."""
        self._in_loop(self._show, picture)

    def log(
        self,
        level: str,
        text: str,
        *,
        source: str = "server",
        page: int = 0,
        event: str = "",
        id: str = "",
    ) -> None:
        """Tell all pages that something happened, and those that come later."""
        self.post(Log(time.time(), level, source, page, event, id, text))

    def _in_loop(self, act: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(act, *arguments)
        except RuntimeError:  # the server has ended
            return

    def _tell(self, event: Event, payload: bytes | None) -> None:
        if isinstance(event, Log):
            self._log.append(event)
        elif isinstance(event, _LATE):
            key = f"{name_of(type(event))} {event.what if isinstance(event, Problem) else ''}"
            if self._late.get(key) == (event, payload) and isinstance(event, Problem):
                return  # told already
            self._late[key] = event, payload
        if not self._pages:
            return
        message = _frame(event, payload)
        for page in self._pages:
            _put(page, event, message)

    def _show(self, picture: Picture) -> None:
        self._picture = picture
        for page in self._pages:
            page.put_picture(picture)

    # From the server.

    @property
    def count(self) -> int:
        """Pages that are connected."""
        return len(self._pages)

    def join(self, address: str) -> PageLink:
        """Take a page in, and tell it all that it missed."""
        self._count += 1
        page = PageLink(self._count, address, self._encoded)
        bridge = self._bridge
        hello = Hello(VERSION, page.number, bridge.source, bridge.tracker, list(bridge.can))
        page.put(encode(hello))
        for line in self._log:
            page.put(encode(line))
        for event, payload in self._late.values():
            _put(page, event, _frame(event, payload))
        if self._picture is not None:
            page.put_picture(self._picture)
        self._pages[page] = Allowance(*_MESSAGES), Allowance(*_COMMANDS)
        self._tell(Pages(len(self._pages)), None)
        if len(self._pages) == 1:
            self._bridge.watch(True)
        return page

    def leave(self, page: PageLink) -> None:
        """A page has gone."""
        if self._pages.pop(page, None) is None:
            return
        self._tell(Pages(len(self._pages)), None)
        if not self._pages:
            self._picture = None  # the next page must not take an old one for the present
            self._bridge.watch(False)

    def receive(self, page: PageLink, text: str) -> None:
        """Take a page's message.

        Raises:
            TooMany: its connection is to be ended.
        """
        messages, commands = self._pages[page]
        if not messages.take():
            raise TooMany(f"more than {_MESSAGES[1]:g} messages a second")
        try:
            number, command = decode(text)
        except MessageError as error:
            page.put(encode(Answer(0, False, f"not understood: {error}")))
            return
        if isinstance(command, Seen):
            page.drawn(command.number)
        elif name_of(type(command)) not in self._bridge.can:
            self._answer(page, number, False, f"{name_of(type(command))}: not possible here")
        elif not commands.take():
            self._answer(page, number, False, f"more than {_COMMANDS[1]:g} commands a second")
        else:
            self.log("info", _told(command), source="page", page=page.number)
            self._bridge.do(command, partial(self._in_loop, self._answer, page, number))

    def tell_links(self) -> None:
        """Tell each page how its pictures come."""
        for page in self._pages:
            page.put_newest("link", page.state())

    def _answer(self, page: PageLink, number: int, accepted: bool, text: str) -> None:
        if page in self._pages:
            page.put(encode(Answer(number, accepted, text)))
        if not accepted:
            self._tell(Log(time.time(), "warning", "server", page.number, "", "", text), None)

    async def _encoded(self, picture: Picture, level: int) -> bytes | None:
        try:
            data = await self._loop.run_in_executor(self._encoder, picture.frame, level)
        except InvalidImageError as error:
            self._tell(Problem("picture", f"{self._bridge.source}: {error}"), None)
            return None
        self._tell_if_known(Problem("picture", ""))
        return data

    def _tell_if_known(self, end: Problem) -> None:
        """Tell that a problem has ended, where it was told."""
        if self._late.get(f"problem {end.what}", (end, None))[0] != end:
            self._tell(end, None)


def _put(page: PageLink, event: Event, message: str | bytes) -> None:
    if isinstance(event, _NEWEST):
        page.put_newest(name_of(type(event)), message)
    else:
        page.put(message)


def _frame(event: Event, payload: bytes | None) -> str | bytes:
    return encode(event) if payload is None else pack(event, payload)


def _told(command: Command) -> str:
    """What a page did, for the log of all."""
    match command:
        case Follow():
            return f"starts '{command.id}'"
        case _ if hasattr(command, "id"):
            return f"{name_of(type(command))}s '{command.id}'"
        case _ if hasattr(command, "on"):
            return f"{name_of(type(command))}: {'on' if command.on else 'off'}"
        case _:
            return f"{name_of(type(command))}s"
