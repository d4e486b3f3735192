"""A window with a picture, keys and a mouse.

Tk, which comes with Python, in place of OpenCV's own windows: those of Qt zoom and pan under the
drag of a box, draw no letters but ASCII, do not tell when they are gone, and the
opencv-python-headless of a pip installation has none.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from autrack_ros.drawing import DrawnTarget, draw_overlay
from autrack_ros.select_target.box_selection import BoxSelection
from autrack_ros.tracking import Box

if TYPE_CHECKING:
    from tkinter import Event

_SHORTER_SIDE_PX = 480  # a smaller picture is enlarged at first
_PART_OF_SCREEN = 0.8  # a larger one is reduced at first
_HELP_LINES = 5
_DARK, _LIGHT, _RUBBER = "#181818", "#f5f5f5", "#f0e442"  # those of drawing/style.py


def why_no_window() -> str:
    """Return why no window can be opened here; empty if one can."""
    try:
        import tkinter
    except ImportError:
        return "this Python has no tkinter (Debian and Ubuntu: apt install python3-tk)"
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        return "there is no display (DISPLAY is not set)"
    try:
        tkinter.Tk().destroy()
    except tkinter.TclError as error:
        return str(error)
    return ""


class PictureWindow:
    """A window whose keys and mouse act on a selection.

    Args:
        title: of the window.
        selection: told of keys and mouse; ends when the window is gone, whoever closed it.

    Raises:
        tkinter.TclError: there is no display (see ``why_no_window``).
    """

    def __init__(self, title: str, selection: BoxSelection) -> None:
        import tkinter

        self._tk = tkinter
        self._selection = selection
        self._boxes: list[Box] = []
        self._image_size = (0, 0)  # width, height
        self._scale, self._left, self._top = 1.0, 0, 0  # of the image in the canvas, pixels
        self._image: np.ndarray | None = None  # in the canvas, with the targets
        self._targets: Sequence[DrawnTarget] | None = None
        self._root = tkinter.Tk(className="select_target")
        self._root.title(title)
        self._root.configure(background=_DARK)
        self._help = tkinter.Label(
            self._root, height=_HELP_LINES, anchor="nw", justify="left", padx=6, pady=4,
            background=_DARK, foreground=_LIGHT,
        )  # fmt: skip
        self._help.pack(side="bottom", fill="x")
        self._canvas = tkinter.Canvas(self._root, background=_DARK, highlightthickness=0)
        self._canvas.pack(expand=True, fill="both")
        self._photo = tkinter.PhotoImage(master=self._root)
        self._picture = self._canvas.create_image(0, 0, anchor="nw", image=self._photo)
        self._rims = [
            self._canvas.create_rectangle(0, 0, 0, 0, outline=color, width=width, state="hidden")
            for color, width in ((_DARK, 3), (_RUBBER, 1))
        ]
        self._root.bind("<Key>", lambda event: selection.press_key(event.char))
        self._canvas.bind("<ButtonPress-1>", lambda event: selection.press(*self._pixel(event)))
        self._canvas.bind("<B1-Motion>", lambda event: selection.move(*self._pixel(event)))
        self._canvas.bind("<ButtonRelease-1>", self._release)
        self._canvas.bind("<Destroy>", lambda event: selection.end())

    def show(self, image: np.ndarray, targets: Sequence[DrawnTarget] | None = None) -> list[Box]:
        """Show an image and react to what the person does.

        Args:
            image: HxWx3 uint8 BGR.
            targets: drawn on it, in its coordinates; None if nothing is known of them.

        Returns:
            The boxes finished since the last call, in pixels of the image.
        """
        try:
            self._draw(image, targets)
            self._root.update()
        except self._tk.TclError:
            if not self._selection.ended:  # else somebody closed the window meanwhile
                raise
        boxes, self._boxes = self._boxes, []
        return boxes

    def close(self) -> None:
        """Close the window, if it is still there."""
        with suppress(self._tk.TclError):
            self._root.destroy()

    def _draw(self, image: np.ndarray, targets: Sequence[DrawnTarget] | None) -> None:
        height, width = image.shape[:2]
        if self._image_size != (width, height):
            self._image_size = (width, height)
            self._fit_window()
        room = self._canvas.winfo_width(), self._canvas.winfo_height()
        scale = max(min(room[0] / width, room[1] / height), 1 / min(width, height))
        size = round(width * scale), round(height * scale)
        self._left, self._top = (room[0] - size[0]) // 2, (room[1] - size[1]) // 2
        if image is not self._image or targets != self._targets or scale != self._scale:
            self._photo.configure(data=_ppm(image, targets, scale, size), format="PPM")
            self._image, self._targets, self._scale = image, targets, scale
        self._canvas.coords(self._picture, self._left, self._top)
        self._draw_box(self._selection.box)
        self._help.configure(text="\n".join(self._selection.help), wraplength=room[0] - 12)

    def _draw_box(self, box: Box | None) -> None:
        """Draw the box that is being drawn around its pixels."""
        for rim in self._rims:
            if box is not None:
                edges = self._left, self._top, self._left - 1, self._top - 1
                corners = box.x, box.y, box.x + box.w, box.y + box.h
                places = [e + self._scale * c for e, c in zip(edges, corners, strict=True)]
                self._canvas.coords(rim, *places)
            self._canvas.itemconfigure(rim, state="hidden" if box is None else "normal")

    def _fit_window(self) -> None:
        """Give the window a size that suits the image; the person may change it."""
        width, height = self._image_size
        largest = min(
            _PART_OF_SCREEN * self._root.winfo_screenwidth() / width,
            _PART_OF_SCREEN * self._root.winfo_screenheight() / height,
        )
        scale = min(max(1, _SHORTER_SIDE_PX / min(width, height)), largest)
        self._canvas.configure(width=round(scale * width), height=round(scale * height))
        self._root.geometry("")  # as large as its parts ask for
        self._root.update()

    def _pixel(self, event: Event) -> tuple[int, int]:
        """The image's pixel under the pointer; it may lie outside the image."""
        x, y = event.x - self._left, event.y - self._top
        return int(x // self._scale), int(y // self._scale)

    def _release(self, event: Event) -> None:
        box = self._selection.release(*self._pixel(event), *self._image_size)
        if box is not None:
            self._boxes.append(box)


def _ppm(
    image: np.ndarray, targets: Sequence[DrawnTarget] | None, scale: float, size: tuple[int, int]
) -> bytes:
    """The image in another size; targets are drawn afterwards, so that their names are sharp."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(image, size, interpolation=method)
    if targets is not None:
        scaled = [replace(t, box=Box(*(scale * edge for edge in t.box))) for t in targets]
        picture = draw_overlay(picture, scaled)
    return cv2.imencode(".ppm", picture)[1].tobytes()
