"""The window on a display of its own: what it shows, its keys and mouse, and its end."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from display import display

from autrack_ros.drawing import DrawnTarget
from autrack_ros.select_target.box_selection import BoxSelection
from autrack_ros.select_target.picture_window import PictureWindow, why_no_window
from autrack_ros.tracking import Box

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 160, 120
VERMILLION = (213, 94, 0)  # of lost targets; red, green, blue
PROGRAM = """
import time, numpy as np
from autrack_ros.select_target.box_selection import BoxSelection
from autrack_ros.select_target.picture_window import PictureWindow
selection = BoxSelection("cup")
window = PictureWindow("to be destroyed", selection)
image = np.zeros((120, 160, 3), np.uint8)
end = time.monotonic() + 60
while not selection.ended:
    window.show(image)
    assert time.monotonic() < end, "nobody closed the window"
    time.sleep(0.02)
window.close()
print("ended")
"""


@pytest.fixture(scope="module")
def _display() -> Iterator[None]:
    with display() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", name)
        yield


class Person:
    """Somebody at a window: shows pictures and moves its mouse by the picture's own pixels."""

    def __init__(self) -> None:
        self.selection = BoxSelection("cup")
        self.window = PictureWindow("title", self.selection)
        self.image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self.image[20:60, 10:40] = (0, 0, 255)
        self.show()

    def show(self, *targets: DrawnTarget) -> list[Box]:
        return self.window.show(self.image, targets or None)

    def event(self, name: str, x: float = 0, y: float = 0, **details: Any) -> None:
        """Send an event at the middle of a pixel."""
        scale = self.window._scale
        place = {
            "x": round(self.window._left + scale * (x + 0.5)),
            "y": round(self.window._top + scale * (y + 0.5)),
        }
        self.window._canvas.event_generate(name, **place, **details)

    def type(self, key: str) -> None:
        self.window._root.event_generate("<Key>", keysym=key, when="now")

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> list[Box]:
        self.event("<ButtonPress-1>", *start)
        self.event("<B1-Motion>", *end)
        self.event("<ButtonRelease-1>", *end)
        return self.show()

    def seen(self) -> np.ndarray:
        """What the canvas shows, height x width x 3 RGB."""
        photo = self.window._photo
        data = photo.tk.call(str(photo), "data", "-format", "ppm")
        header, pixels = bytes(data)[:15], bytes(data)[-photo.width() * photo.height() * 3 :]
        assert header.startswith(b"P6")
        return np.frombuffer(pixels, np.uint8).reshape(photo.height(), photo.width(), 3)

    def drawn_box(self) -> list[float]:
        return [
            value
            for rim in self.window._rims[1:]
            if self.window._canvas.itemcget(rim, "state") == "normal"
            for value in self.window._canvas.coords(rim)
        ]


@pytest.fixture
def person(_display: None) -> Iterator[Person]:
    somebody = Person()
    somebody.window._root.focus_force()
    somebody.show()
    yield somebody
    somebody.window.close()


def test_without_a_display_there_is_no_window(monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    assert "display" in why_no_window()


def test_a_display_that_is_not_there_gives_no_window(monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    monkeypatch.setenv("DISPLAY", ":987")
    assert 'couldn\'t connect to display ":987"' in why_no_window()


def test_without_tk_there_is_no_window(monkeypatch):
    monkeypatch.setitem(sys.modules, "tkinter", None)
    assert "apt install python3-tk" in why_no_window()


@pytest.mark.usefixtures("_display")
def test_a_display_that_answers_gives_a_window():
    assert why_no_window() == ""


def test_a_small_picture_is_enlarged_and_a_large_one_fits_the_screen(person):
    assert person.seen().shape == (480, 640, 3)
    person.image = np.zeros((3000, 4000, 3), np.uint8)
    person.show()
    height, width = person.seen().shape[:2]
    assert (width <= 0.81 * 1280, height <= 0.81 * 900) == (True, True)
    assert width / height == pytest.approx(4 / 3, abs=0.01)


def test_keys_reach_the_selection(person):
    person.type("space")
    assert person.selection.frozen
    person.type("3")
    person.type("Shift_L")
    assert person.selection.target_id == "cup-3"
    person.type("Escape")
    assert person.selection.ended


def test_a_drag_is_a_box_in_pixels_of_the_image(person):
    person.type("space")
    assert person.drag((10, 20), (39, 59)) == [Box(10, 20, 30, 40)]
    assert person.show() == []


def test_the_box_is_drawn_around_its_pixels(person):
    person.type("space")
    person.event("<ButtonPress-1>", 10, 20)
    person.event("<B1-Motion>", 39, 59)
    person.show()
    assert person.drawn_box() == [40, 80, 159, 239]  # four times as large
    person.event("<ButtonRelease-1>", 39, 59)
    person.show()
    assert person.drawn_box() == []


def test_the_wheel_changes_nothing_of_a_drag(person):
    person.type("space")
    for button in ("<Button-4>", "<Button-4>", "<Button-5>"):
        person.event(button, 20, 30)
    person.show()
    assert person.drag((10, 20), (39, 59)) == [Box(10, 20, 30, 40)]


@pytest.mark.parametrize("size", [(900, 500), (300, 700)])
def test_a_drag_is_right_in_a_window_of_any_shape(person, size):
    person.window._root.geometry("{}x{}".format(*size))
    person.window._root.update()
    person.show()
    assert person.window._left > 0 or person.window._top > 0
    person.type("space")
    assert person.drag((10, 20), (39, 59)) == [Box(10, 20, 30, 40)]
    assert person.drag((10, 20), (39, 59)) == []  # the picture moves again


def test_what_is_followed_is_drawn_with_its_state(person):
    assert not (person.seen() == VERMILLION).all(axis=2).any()
    lost = DrawnTarget(Box(80, 60, 40, 30), state="lost")
    person.show(lost)
    drawn = person.seen()
    rows, columns = np.nonzero((drawn == VERMILLION).all(axis=2)[:440])  # without the legend
    assert (columns.min(), rows.min()) == pytest.approx((320, 240), abs=5)
    assert (columns.max(), rows.max()) == pytest.approx((480, 360), abs=5)
    person.show(replace(lost, label="cup"))
    assert (person.seen() != drawn).any()


def test_the_help_and_a_long_answer_fit(person):
    person.selection.message = "'cup': refused: " + "a long reason, for several lines " * 4
    person.show()
    label = person.window._help
    assert person.selection.message in label.cget("text")
    assert label.winfo_reqwidth() <= person.window._canvas.winfo_width()


@pytest.mark.usefixtures("_display")
def test_names_outside_ascii_are_in_the_help_as_they_are():
    selection = BoxSelection("Möwe")
    window = PictureWindow("title", selection)
    window.show(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert "'Möwe'" in window._help.cget("text")
    window.close()


def test_closing_the_window_ends_the_selection(person):
    person.window._root.destroy()
    assert person.selection.ended
    assert person.show() == []
    person.window.close()


@pytest.mark.skipif(shutil.which("xdotool") is None, reason="needs xdotool")
@pytest.mark.parametrize("how", ["windowclose", "windowkill"])
@pytest.mark.usefixtures("_display")
def test_a_window_that_somebody_else_destroys_ends_the_program(how):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            end = time.monotonic() + 30
            search = ["xdotool", "search", "--onlyvisible", "--name", "to be destroyed"]
            while not (found := subprocess.run(search, capture_output=True, text=True).stdout):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.2)
            subprocess.run(["xdotool", how, found.split()[0]], check=True)
            process.wait(10)
        finally:
            process.kill()
        assert "Traceback" not in process.stderr.read()
