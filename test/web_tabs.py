"""Tabs with the page of a stand-in: what the page's tests share."""

from __future__ import annotations

from contextlib import contextmanager

import cv2
import numpy as np
from browser import Tab
from web_stand_in import serving

from autrack_ros.web import messages as web

SIZE = (320, 240)


@contextmanager
def opened(browser, bridge, access=None, query="", playing=True, **options):
    """A tab with the page and a moving picture; it must end without faults."""
    with serving(bridge, access) as server:
        tab = Tab(browser, f"http://127.0.0.1:{server.port}/{query}", bridge.size, **options)
        try:
            if playing:
                with bridge.playing():
                    tab.wait_for_picture()
                    yield tab
            else:
                yield tab
            assert tab.faults == []
        finally:
            tab.context.close()


def follows(bridge) -> list:
    return [command for command in bridge.commands if isinstance(command, web.Follow)]


def corners(command) -> list[float]:
    return [command.x, command.y, command.x + command.width, command.y + command.height]


def picture_of(tab) -> np.ndarray:
    """The stage as it is on the screen, HxWx3 uint8 BGR."""
    data = tab.page.locator("#stage").screenshot()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
