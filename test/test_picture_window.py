"""What is drawn, whether a window can be had, and that its keys and mouse reach the selection."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from autrack_ros.node import picture_window
from autrack_ros.node.box_selection import BoxSelection
from autrack_ros.node.picture_window import PictureWindow, draw_selection, why_no_window
from autrack_ros.tracking import Box

HEADLESS = "GUI:                           NONE" in cv2.getBuildInformation()


def probe_answers(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(picture_window, "_PROBE", code)


def test_without_a_display_there_is_no_window(monkeypatch):
    if not sys.platform.startswith("linux"):
        pytest.skip("needs X11 or Wayland")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "DISPLAY is not set" in why_no_window()


@pytest.mark.skipif(not HEADLESS, reason="needs opencv-python-headless")
def test_headless_opencv_has_no_window(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    assert why_no_window() == "this OpenCV has no windows (opencv-python-headless)"


def test_a_display_that_lets_opencv_abort_gives_no_window(monkeypatch):
    probe_answers(monkeypatch, "import os, sys; print('no xcb', file=sys.stderr); os.abort()")
    assert why_no_window() == "OpenCV cannot open one: no xcb"


def test_a_display_that_hangs_gives_no_window(monkeypatch):
    monkeypatch.setattr(picture_window, "_PROBE_S", 0.2)
    probe_answers(monkeypatch, "import time; time.sleep(60)")
    assert why_no_window() == "the display :0 does not answer"


def test_a_display_that_answers_gives_a_window(monkeypatch):
    probe_answers(monkeypatch, "")
    assert why_no_window() == ""


def test_the_probe_is_a_program():
    compiled = [sys.executable, "-c", f"compile({picture_window._PROBE!r}, '', 'exec')"]
    subprocess.run(compiled, check=True)


@pytest.mark.parametrize("size", [(120, 160), (480, 640), (1080, 1920)])
def test_help_is_written_at_any_size_and_fits(size):
    image = np.full((*size, 3), 128, np.uint8)
    selection = BoxSelection("cup")
    selection.message = "'cup': refused: " + "a long reason that needs several lines " * 2
    canvas = draw_selection(image, selection)
    assert (image == 128).all()
    columns = (canvas != 128).any(axis=(0, 2))
    assert columns.any()
    assert not columns[-3:].any()


def test_the_box_outlines_its_pixels():
    selection = BoxSelection("cup")
    selection.press_key(" ")
    selection.press(80, 70)
    selection.move(139, 109)
    canvas = draw_selection(np.zeros((120, 160, 3), np.uint8), selection)
    yellow = (canvas == (66, 228, 240)).all(axis=2)
    rows, columns = np.nonzero(yellow)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (80, 139, 70, 109)


class FakeHighgui:
    """OpenCV's windows, without any."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.key, self.visible, self.shown, self.size, self.mouse = -1, 1.0, None, None, None
        for name, function in {
            "namedWindow": lambda title, flags: None,
            "resizeWindow": lambda title, width, height: setattr(self, "size", (width, height)),
            "setMouseCallback": lambda title, callback: setattr(self, "mouse", callback),
            "imshow": lambda title, image: setattr(self, "shown", image),
            "waitKey": lambda ms: self.key,
            "getWindowProperty": lambda title, which: self.visible,
        }.items():
            monkeypatch.setattr(cv2, name, function)


def test_keys_and_mouse_of_the_window_reach_the_selection(monkeypatch):
    gui = FakeHighgui(monkeypatch)
    selection = BoxSelection("cup")
    window = PictureWindow("title", selection)
    image = np.zeros((120, 160, 3), np.uint8)
    assert window.show(image) == []
    assert gui.size == (160, 120)
    assert gui.shown.shape == image.shape
    gui.key = ord(" ") | 0x100000  # some toolkits set higher bits for Num Lock
    window.show(image)
    assert selection.frozen
    gui.key = -1
    gui.mouse(cv2.EVENT_RBUTTONDOWN, 5, 5, 0, None)
    assert selection.box is None
    gui.mouse(cv2.EVENT_LBUTTONDOWN, 10, 20, 0, None)
    gui.mouse(cv2.EVENT_MOUSEMOVE, 30, 40, 0, None)
    assert selection.box == Box(10, 20, 21, 21)
    gui.mouse(cv2.EVENT_LBUTTONUP, 500, 59, 0, None)
    assert window.show(image) == [Box(10, 20, 150, 40)]
    assert window.show(image) == []
    assert not selection.ended
    gui.visible = 0.0
    window.show(image)
    assert selection.ended
