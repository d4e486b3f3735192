"""A bridge whose tracker follows every box exactly, and a client of its server: test helpers."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np

from autrack_ros.web import messages as web
from autrack_ros.web.guard import Access
from autrack_ros.web.picture import Picture, template_jpeg
from autrack_ros.web.server import WebServer

RATE_HZ = 15.0
STEP_PX = 1.0  # the scene moves so far to the right in a picture, and back after SWING pictures
SWING = 40
START_NS = 1_700_000_000_000_000_000  # as large as real stamps: beyond the whole numbers of JS
#: A command; its stamp stands for the next image.
FOLLOW = {"type": "follow", "n": 1, "id": "cup", "x": 10, "y": 10, "width": 40, "height": 40,
          "stamp": "0"}  # fmt: skip
PATCH = (100, 80, 60, 50)  # x, y, width, height in the scene at rest


class StandInBridge:
    """Says yes to all, and with ``play`` shows a moving scene.

    Attributes:
        commands: all that were done.
        watched: whether pages are there.
        lost: names of targets out of sight.
        grain: cells of the background on a side; more make larger pictures.
        refusal: the next ``follow`` is refused with it, if it is not empty.
    """

    source, tracker = "/image", "/tracker"
    can = ("follow", "remove", "reset", "enable", "select", "record")

    def __init__(self, width: int = 320, height: int = 240, bags: Path | None = None) -> None:
        self.size = width, height
        self.commands: list[Any] = []
        self.watched = False
        self.refusal = ""
        self.lost: set[str] = set()
        self.grain = 4
        self.hub: Any = None
        self._bags = bags
        self._boxes: dict[str, list[float]] = {}  # in the scene at rest
        self._number = 0
        self._recording = False

    def watch(self, on: bool) -> None:
        self.watched = on

    def bag(self, name: str) -> Path | None:
        return self._bags / name if self._bags is not None and name == "finished" else None

    def do(self, command: Any, answered: Callable[[bool, str], None]) -> None:
        self.commands.append(command)
        match command:
            case web.Follow() if self.refusal:
                answered(False, self.refusal)
                self.hub.log("warning", self.refusal, source="status", event="refused")
                self.refusal = ""
                return
            case web.Follow(id=name):
                shift = self.shift(int(command.stamp) or self.stamp)
                box = [command.x - shift, command.y, command.width, command.height]
                self._boxes[name] = box
                self.hub.log("info", "", source="status", event="started", id=name)
                self.hub.post(web.Adaptation(name, "bim", [2.0, 1.5, 1.2, 1.3], 2, 80.0,
                                             "completed", 2.0, 0.5))  # fmt: skip
                panel = np.full((60, 180, 3), 90, np.uint8)
                self.hub.post(web.Template("1"), template_jpeg(panel))
            case web.Remove(id=name):
                self._boxes.pop(name, None)
            case web.Reset():
                self._boxes.clear()
            case web.Enable(on=on):
                self.hub.post(web.Enabled(on))
            case web.Record(on=on):
                bags = [web.Bag("finished", 1.5)] if self._recording else []
                self._recording = on
                self.hub.post(web.Recording(on, 0.0, 0.0, bags))
        answered(True, "done")

    @property
    def stamp(self) -> int:
        return START_NS + self._number * 66_000_001

    def shift(self, stamp: int) -> float:
        number = (stamp - START_NS) // 66_000_001
        step = number % (2 * SWING)
        return STEP_PX * min(step, 2 * SWING - step)

    def image(self) -> np.ndarray:
        image = background(*self.size, self.grain)
        left, top = round(PATCH[0] + self.shift(self.stamp)), PATCH[1]
        generator = np.random.default_rng(1)
        patch = generator.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        image[top : top + PATCH[3], left : left + PATCH[2]] = cv2.resize(
            patch, PATCH[2:], interpolation=cv2.INTER_NEAREST
        )[:, : max(0, self.size[0] - left)]
        return image

    def show(self) -> None:
        """The next picture and its tracks."""
        self._number += 1
        image, stamp = self.image(), self.stamp
        self.hub.post_picture(Picture(self._number, stamp, *self.size, lambda: image))
        shift = self.shift(stamp)
        rows = [
            web.TrackRow(name, "lost", 0, 0, 0, 0, 0, 0, 0, 0, 80.0)
            if name in self.lost
            else web.TrackRow(name, "tracking", x + shift, y, w, h, 0.9, 0.9, 0.2, 8.0, 80.0)
            for name, (x, y, w, h) in self._boxes.items()
        ]
        self.hub.post(web.Tracks(str(stamp), rows, 12.0, 9.0, self._number, 0))
        if self._boxes:
            name, (x, y, _, _) = next(iter(self._boxes.items()))
            cells = np.outer(np.hanning(16), np.hanning(16))
            self.hub.post(*web.response(str(stamp), name, cells, [8, 0, x + shift - 40, 0, 8, y]))

    @contextmanager
    def playing(self, rate_hz: float = RATE_HZ) -> Iterator[None]:
        """Show pictures meanwhile."""
        ended = threading.Event()

        def play() -> None:
            while not ended.wait(1 / rate_hz):
                self.show()

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def background(width: int, height: int, grain: int) -> np.ndarray:
    """Noise of so many cells, HxWx3 uint8."""
    corners = np.random.default_rng(0).integers(40, 130, (grain, grain, 3), dtype=np.uint8)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


@contextmanager
def serving(
    bridge: Any, access: Access | None = None, heartbeat_s: float = 10.0
) -> Iterator[WebServer]:
    """A server for the bridge, on a free port."""
    server = WebServer(access or Access(port=0), bridge, heartbeat_s)
    bridge.hub = server.hub
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Client:
    """A page without a browser."""

    def __init__(self, session: aiohttp.ClientSession, server: WebServer) -> None:
        self.session = session
        self.url = f"http://127.0.0.1:{server.port}"

    async def connect(self, **options: Any) -> aiohttp.ClientWebSocketResponse:
        headers = {"Origin": self.url, **options.pop("headers", {})}
        return await self.session.ws_connect(f"{self.url}/socket", headers=headers, **options)


def with_client(
    server: WebServer, act: Callable[[Client], Coroutine[Any, Any, None]], timeout_s: float = 30.0
) -> None:
    """Run a coroutine that talks to the server."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            await asyncio.wait_for(act(Client(session, server)), timeout_s)

    asyncio.run(run())


def event_of(message: aiohttp.WSMessage) -> dict[str, Any]:
    """An event, with its payload."""
    if message.type is aiohttp.WSMsgType.TEXT:
        return json.loads(message.data)
    assert message.type is aiohttp.WSMsgType.BINARY, message
    (length,) = struct.unpack_from("<I", message.data)
    return {**json.loads(message.data[4 : 4 + length]), "payload": message.data[4 + length :]}


async def next_event(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next event of a kind."""
    while True:
        event = event_of(await socket.receive())
        if event["type"] == kind:
            return event


def until(condition: Callable[[], Any], what: str, timeout_s: float = 10.0) -> Any:
    """Wait for a condition; its value."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end, f"no {what} within {timeout_s:g} s"
        time.sleep(0.02)
    return value
