"""Bounds of the connections, whatever they send."""

from __future__ import annotations

import asyncio
from typing import Any

MAX_CONNECTIONS = 64
REQUEST_WITHIN_S = 10.0


class LimitedServer:
    """Makes the protocol of each connection; those too many, or silent, are closed.

    Args:
        server: of aiohttp: called, it makes a protocol.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._silent: set[Any] = set()  # protocols without a whole request so far

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        if len(self._server.connections) >= MAX_CONNECTIONS:
            return _Busy()
        protocol: asyncio.Protocol = self._server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(REQUEST_WITHIN_S, self._end_silent, protocol)
        return protocol

    def requested(self, protocol: Any) -> None:
        """A whole request has come on a connection."""
        self._silent.discard(protocol)

    def _end_silent(self, protocol: Any) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            if protocol.transport is not None:
                protocol.transport.abort()


class _Busy(asyncio.Protocol):
    """Answers and closes."""

    def connection_made(self, transport: Any) -> None:
        """Say why at once."""
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        transport.close()
