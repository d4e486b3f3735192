"""What the terminal says when the server is there: the link, and its code for a phone."""

from __future__ import annotations

import io
import socket

import segno

from autrack_ros.web.guard import links
from autrack_ros.web.server import WebServer


def welcome(server: WebServer) -> str:
    """The links; where other machines are let in, the first one as a QR code too."""
    found = links(server.access, server.port, server.guard.token, own_addresses())
    lines = [f"web page: {link}" for link in found]
    if server.guard.token:
        code = io.StringIO()
        segno.make(found[0], error="l").terminal(code, compact=True)
        lines.append(code.getvalue())
    return "\n".join(lines)


def own_addresses() -> list[str]:
    """Addresses at which others may reach this machine, the likeliest first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: asks the routes alone
            return [probe.getsockname()[0]]
        except OSError:
            return [socket.gethostname()]
