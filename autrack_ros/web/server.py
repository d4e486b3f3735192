"""The HTTP server: page, WebSocket, recordings. In a thread of its own."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import tarfile
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSCloseCode, WSMsgType, web

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.web.bridge import Bridge
from autrack_ros.web.guard import COOKIE, HEADERS, Access, Guard, Refused
from autrack_ros.web.hub import Hub, TooMany
from autrack_ros.web.limits import LimitedServer

MAX_MESSAGE_BYTES = 4096  # of a page; the largest command has 300
HEARTBEAT_S = 10.0  # a page that does not answer for half of it is given up
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_STATIC = Path(__file__).parent / "static"
_CLOSE_S = 2.0  # for a page to say that it has understood the end
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file of the page, read once: no path of a request ever reaches the file system."""

    body: bytes
    content_type: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> _Asset:
        data = path.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        return cls(gzip.compress(data, 9, mtime=0), _TYPES[path.suffix], tag)


class WebServer:
    """Serves the page for a bridge.

    Args:
        access: where, and for whom.
        bridge: what it shows and commands.
        heartbeat_s: time between two signs of life asked of a page.

    Attributes:
        access: as it was asked for.
        guard: who is let in.
        port: listened on, once started.
    """

    def __init__(self, access: Access, bridge: Bridge, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.access, self._bridge = access, bridge
        self._heartbeat_s = heartbeat_s
        self.guard = Guard(access)
        self.port = access.port
        self._assets = {path.name: _Asset.read(path) for path in sorted(_STATIC.iterdir())}
        self._loop = asyncio.new_event_loop()
        self.hub = Hub(bridge, self._loop)
        self._sockets: set[web.WebSocketResponse] = set()
        self._listening = False
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: the address or the port cannot be had.
        """
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    def stop(self, reason: str = "the server ends") -> None:
        """Tell the pages why, and end."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._stop(reason), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self.hub.close()
        self._loop.close()

    def _run(self) -> None:
        """Work until the loop is stopped; nothing of it is left behind."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._guarded], client_max_size=MAX_MESSAGE_BYTES)
        app.router.add_get("/", self._page)
        app.router.add_get("/assets/{name}", self._asset)
        app.router.add_get("/bags/{name}", self._bag)
        app.router.add_get("/socket", self._socket)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=30.0)
        await self._runner.setup()
        assert self._runner.server is not None
        self._limits = LimitedServer(self._runner.server)
        try:
            self._listener = await self._loop.create_server(
                self._limits, self.access.address or None, self.access.port, backlog=64
            )
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            raise ConfigurationError(
                f"cannot listen on {self.access.address} port {self.access.port}: "
                f"{getattr(error, 'strerror', None) or error}"
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]
        self._ticker = asyncio.create_task(self._tick())
        self._listening = True

    async def _stop(self, reason: str) -> None:
        if not self._listening:
            return
        self._ticker.cancel()
        self._listener.close()
        await asyncio.gather(
            *(
                socket.close(code=WSCloseCode.GOING_AWAY, message=reason.encode())
                for socket in self._sockets
            )
        )
        await self._runner.cleanup()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.hub.tell_links()

    @web.middleware
    async def _guarded(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Let in or refuse; every answer gets the headers."""
        self._limits.requested(request.protocol)
        try:
            self.guard.check_host(request.host)
            self.guard.check_token(request.query.get("token") or request.cookies.get(COOKIE))
            response = await handler(request)
        except Refused as refusal:
            response = web.Response(status=refusal.status, text=f"{refusal}\n")
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.status}: {error.reason}\n")
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _page(self, request: web.Request) -> web.Response:
        response = self._answer_asset(request, "index.html")
        if self.guard.token and request.query.get("token"):
            response.set_cookie(
                COOKIE,
                self.guard.token,
                httponly=True,
                samesite="Strict",
                secure=any(origin.startswith("https") for origin in self.access.origins),
                path="/",
            )
        return response

    async def _asset(self, request: web.Request) -> web.Response:
        return self._answer_asset(request, request.match_info["name"])

    def _answer_asset(self, request: web.Request, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            raise web.HTTPNotFound
        headers = {"ETag": asset.tag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == asset.tag:
            return web.Response(status=304, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers
        )

    async def _bag(self, request: web.Request) -> web.StreamResponse:
        """A recording as a tar file, read while it is sent."""
        folder = self._bridge.bag(request.match_info["name"])
        if folder is None:
            raise web.HTTPNotFound
        response = web.StreamResponse(
            headers={
                **HEADERS,
                "Content-Type": "application/x-tar",
                "Content-Disposition": f'attachment; filename="{folder.name}.tar"',
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        for path in sorted(folder.iterdir()):
            await self._send_file(response, path, f"{folder.name}/{path.name}")
        await response.write(bytes(2 * tarfile.BLOCKSIZE))
        await response.write_eof()
        return response

    async def _send_file(self, response: web.StreamResponse, path: Path, name: str) -> None:
        info = tarfile.TarInfo(name)
        stat = path.stat()
        info.size, info.mtime = stat.st_size, int(stat.st_mtime)
        await response.write(info.tobuf(tarfile.GNU_FORMAT))
        with path.open("rb") as file:
            left = info.size
            while left:
                data = await self._loop.run_in_executor(None, file.read, min(left, _CHUNK))
                if not data:
                    raise OSError(f"{path}: cut off")
                left -= len(data)
                await response.write(data)
        await response.write(bytes(-info.size % tarfile.BLOCKSIZE))

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.guard.check_origin(request.headers.get("Origin"), request.host)
        socket = web.WebSocketResponse(
            timeout=_CLOSE_S,
            heartbeat=self._heartbeat_s,
            max_msg_size=MAX_MESSAGE_BYTES,
            compress=False,
        )
        await socket.prepare(request)
        if self.hub.count >= self.access.max_pages:  # a browser shows why only what was opened
            why = f"{self.hub.count} pages are connected, which is the most"
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=why.encode())
            return socket
        page = self.hub.join(request.remote or "")
        self._sockets.add(socket)

        async def send(message: str | bytes) -> None:
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_bytes(message)

        sender = asyncio.create_task(self._send(page.send(send), socket))
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                self.hub.receive(page, message.data)
        except TooMany as error:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=str(error).encode())
        finally:
            self.hub.leave(page)
            self._sockets.discard(socket)
            sender.cancel()
            await socket.close()
        return socket

    async def _send(self, sending: Awaitable[None], socket: web.WebSocketResponse) -> None:
        """Send until the connection breaks; a page that does not keep up is given up."""
        try:
            await sending
        except ConnectionError:
            return
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow")
