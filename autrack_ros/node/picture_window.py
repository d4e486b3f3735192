"""An OpenCV window with a picture, keys and a mouse: little code, because no test sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import cv2
import numpy as np

from autrack_ros.node.box_selection import BoxSelection
from autrack_ros.tracking import Box

_PROBE_S = 15.0
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def why_no_window() -> str:
    """Return why no window can be opened here; empty if one can."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return "there is no display (DISPLAY is not set)"
    # In a process of its own: Qt aborts the whole process when it cannot reach the display.
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_S
        )
    except subprocess.TimeoutExpired:
        return f"the display {os.environ.get('DISPLAY', '')} does not answer"
    if probe.returncode == 0:
        return ""
    if "not implemented" in probe.stderr:
        return "this OpenCV has no windows (opencv-python-headless)"
    reason = (probe.stderr.strip().splitlines() or ["no reason given"])[0]
    return f"OpenCV cannot open one: {reason}"


class PictureWindow:
    """A window whose keys and mouse act on a selection."""

    def __init__(self, title: str, selection: BoxSelection) -> None:
        self._title = title
        self._selection = selection
        self._size = (1, 1)
        self._boxes: list[Box] = []
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.setMouseCallback(title, self._on_mouse)

    def show(self, image: np.ndarray) -> list[Box]:
        """Show an HxWx3 uint8 BGR image; return the boxes finished since the last call."""
        height, width = image.shape[:2]
        if self._size != (width, height):
            self._size = (width, height)
            cv2.resizeWindow(self._title, width, height)
        cv2.imshow(self._title, draw_selection(image, self._selection))
        key = cv2.waitKey(10)
        if key >= 0:
            self._selection.press_key(chr(key & 0xFF))
        if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self._selection.ended = True  # closed with the mouse
        boxes, self._boxes = self._boxes, []
        return boxes

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()

    def _on_mouse(self, event: int, x: int, y: int, flags: int, data: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN:
            self._selection.press(x, y)
        elif event == cv2.EVENT_MOUSEMOVE:
            self._selection.move(x, y)
        elif event == cv2.EVENT_LBUTTONUP:
            box = self._selection.release(x, y, *self._size)
            if box is not None:
                self._boxes.append(box)


def draw_selection(image: np.ndarray, selection: BoxSelection) -> np.ndarray:
    """Draw the help and the box that is being drawn on a copy of an HxWx3 uint8 BGR image."""
    canvas = image.copy()
    scale = max(0.4, image.shape[0] / 900)
    line_px = int(30 * scale) + 2
    columns = max(10, int(image.shape[1] / (19 * scale)))  # letters are 18 px wide on average
    lines = [line for text in selection.help for line in textwrap.wrap(text, columns)]
    for row, text in enumerate(lines, start=1):
        # Dark under light: readable on any picture.
        for color, thickness in (((24, 24, 24), 3), ((245, 245, 245), 1)):
            place = (6, row * line_px)
            cv2.putText(canvas, text, place, _FONT, scale, color, thickness, cv2.LINE_AA)
    if selection.box is not None:
        x, y, width, height = (int(value) for value in selection.box)
        corner = (x + width - 1, y + height - 1)
        for color, thickness in (((24, 24, 24), 3), ((66, 228, 240), 1)):
            cv2.rectangle(canvas, (x, y), corner, color, thickness)
    return canvas
