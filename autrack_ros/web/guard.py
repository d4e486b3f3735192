"""Who may see the page and command: token, names of this host, origins, rates."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from autrack_ros.tracking.errors import ConfigurationError

COOKIE = "autrack_token"
MIN_TOKEN = 16  # characters of a token that is given

#: Of every answer. No inline script or style, nothing from elsewhere, in nobody's frame.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Server": "autrack",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Where the server listens and who is let in.

    Attributes:
        address: to listen on; 127.0.0.1 is this machine alone.
        port: 0 takes a free one.
        token: empty: made where one is needed.
        origins: of a reverse proxy, such as ``https://robot.example``; they make a token needed.
        max_pages: connected at once.

    Raises:
        ConfigurationError: a value is not accepted.
    """

    address: str = "127.0.0.1"
    port: int = 8080
    token: str = ""
    origins: tuple[str, ...] = ()
    max_pages: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"port {self.port}: accepted is 0 to 65535")
        if not 1 <= self.max_pages <= 64:
            raise ConfigurationError(f"max_pages {self.max_pages}: accepted is 1 to 64")
        legible = self.token.isascii() and all(c.isalnum() or c in "-_" for c in self.token)
        if self.token and not (legible and len(self.token) >= MIN_TOKEN):
            raise ConfigurationError(
                f"token: accepted are at least {MIN_TOKEN} letters, digits, - and _"
            )
        for origin in self.origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ConfigurationError(
                    f"origins: '{origin}': accepted are such as https://robot.example"
                )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return self.address == "localhost"


class Refused(Exception):
    """A request that is not let in.

    Args:
        status: of HTTP.
        text: why, for the person.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Guard:
    """Decides on requests by their headers.

    Args:
        access: as it was asked for.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        needed = bool(access.token or access.origins) or not access.is_local
        self.token = (access.token or secrets.token_urlsafe(16)) if needed else ""
        self._proxies = {urlsplit(origin).netloc for origin in access.origins}

    def check_host(self, host: str) -> None:
        """Without a token, let in only who means this machine.

        A foreign name that resolves to it (DNS rebinding) would be another site's page.

        Raises:
            Refused: it means another.
        """
        if self.token:
            return
        name = urlsplit(f"//{host}").hostname or ""
        if name != "localhost" and not _is_loopback(name):
            raise Refused(
                403, f"host '{host[:80]}': accepted are localhost and 127.0.0.1; see origins"
            )

    def check_token(self, given: str | None) -> None:
        """Compare in a time that tells nothing.

        Raises:
            Refused: there is none, or a wrong one.
        """
        if self.token and not hmac.compare_digest((given or "").encode(), self.token.encode()):
            raise Refused(
                401,
                "a token is needed: open the link or scan the code that the robot's terminal shows",
            )

    def check_origin(self, origin: str | None, host: str) -> None:
        """A command must come from a page of this very server.

        Raises:
            Refused: from another, or it does not say.
        """
        own = {f"{scheme}://{host}" for scheme in ("http", "https")}
        if origin is None or origin not in own | set(self._access.origins):
            raise Refused(
                403, f"origin '{(origin or 'none')[:80]}': accepted is this server's page"
            )


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Allowance:
    """So many at once, and so many a second in the long run.

    Args:
        burst: at once.
        per_second: in the long run.
        clock: seconds, monotonic.
    """

    def __init__(
        self, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._left, self._filled = float(burst), clock()

    def take(self) -> bool:
        """Whether one more is allowed."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._filled) * self._per_second)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def links(access: Access, port: int, token: str, addresses: Iterable[str]) -> list[str]:
    """What to open in a browser, the most useful first.

    Args:
        access: as it was asked for.
        port: listened on.
        token: may be empty.
        addresses: of this machine, for a server that listens on all of them.
    """
    query = f"/?token={token}" if token else "/"
    if access.origins:
        return [f"{origin}{query}" for origin in access.origins]
    everywhere = access.address in ("0.0.0.0", "::", "")
    hosts = [*addresses, "127.0.0.1"] if everywhere else [access.address]
    shown = (f"[{host}]" if ":" in host else host for host in hosts)
    return [f"http://{host}:{port}{query}" for host in shown]
