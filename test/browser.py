"""Debian's Chromium, headless, with the page of a server in it: test helper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; skips by name where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Tab:
    """A tab with the page, once a picture is there.

    Attributes:
        page: of playwright.
        protocol: the browser's own, for what playwright has no call for.
        faults: errors and warnings of the console, requests that went elsewhere.
    """

    def __init__(self, browser: Any, url: str, size: tuple[int, int], **options: Any) -> None:
        width, height = options.pop("viewport", (1280, 800))
        self.size = size
        self.faults: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        self.page = self.context.new_page()
        self.protocol = self.context.new_cdp_session(self.page)
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._on_console)
        self.page.on("request", lambda request: self._on_request(request.url, url))
        self.page.goto(url)

    def _on_console(self, message: Any) -> None:
        # The browser itself tells of a server that is away.
        if message.type in ("error", "warning") and "ERR_CONNECTION" not in message.text:
            self.faults.append(message.text)

    def _on_request(self, url: str, own: str) -> None:
        if url.split("/")[2] != own.split("/")[2]:
            self.faults.append(f"request to {url}")

    def wait_for_picture(self) -> None:
        self.page.wait_for_selector("#stage-empty", state="hidden")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the camera is in the window, while the whole picture is shown."""
        box = self.page.locator("#stage").bounding_box()
        width, height = self.size
        scale = min(box["width"] / width, box["height"] / height)
        return (
            box["x"] + (box["width"] - width * scale) / 2 + x * scale,
            box["y"] + (box["height"] - height * scale) / 2 + y * scale,
        )

    def drag(self, start: tuple[float, float], end: tuple[float, float], button="left") -> None:
        """With the mouse, between two pixels of the camera."""
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down(button=button)
        mouse.move(*self.at((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        mouse.move(*self.at(*end))
        mouse.up(button=button)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def wait_for_text(self, selector: str, text: str) -> None:
        self.page.locator(selector).filter(has_text=text).first.wait_for()
