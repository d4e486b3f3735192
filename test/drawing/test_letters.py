"""Names outside ASCII on pictures."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from PIL import ImageFont
from test_drawing import changed, grey

from autrack_ros.drawing import DrawnTarget, draw_overlay, letters
from autrack_ros.drawing.letters import Face, cover_of
from autrack_ros.drawing.style import Sizes
from autrack_ros.drawing.text import draw_text, printable
from autrack_ros.tracking.boxes import Box


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    """What fontconfig said in a test is forgotten after it."""
    yield
    for remembered in (letters._match, letters._faces, letters.cover_of):
        remembered.cache_clear()


SCRIPTS = ("möwe", "чайка", "γλάρος")
LETTERS = ":charset=f6 447 3bb"  # one of each

needs_fonts = pytest.mark.skipif(
    shutil.which("fc-list") is None
    or not subprocess.run(["fc-list", LETTERS], capture_output=True).stdout,
    reason="the system has no font for these scripts",
)


@needs_fonts
def test_names_are_drawn_in_their_script() -> None:
    image, box = grey(144, 176), Box(20, 40, 40, 40)
    for name in SCRIPTS:
        asked = "".join(letter if letter.isascii() else "?" for letter in name)
        pictures = [draw_overlay(image, [DrawnTarget(box, text)]) for text in (name, asked)]
        assert changed(*pictures).any()
        assert changed(image, pictures[0])[:30].any()


def test_a_name_of_several_scripts_takes_a_font_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"greek": "DejaVuSans.ttf", "latin": "DejaVuSerif.ttf"}
    try:
        paths = {name: ImageFont.truetype(file).path for name, file in files.items()}
    except OSError:
        pytest.skip("the system has no DejaVu fonts")
    greek = Face(paths["greek"], 0, frozenset(map(ord, "βδ")))
    latin = Face(paths["latin"], 0, frozenset(range(32, 127)))
    monkeypatch.setattr(letters, "_match", lambda charset: greek if "3b2" in charset else latin)
    assert letters._faces("abβδ") == {"a": latin, "b": latin, "β": greek, "δ": greek}
    both, single = cover_of("βδ ab", 20), cover_of("βδ", 20)
    assert both.shape[0] == single.shape[0] == 60
    assert both.shape[1] > single.shape[1]
    assert (both[:, : single.shape[1] - 2] == single[:, :-2]).all()


@needs_fonts
def test_text_outside_ascii_is_cut_at_the_edges_of_the_picture() -> None:
    sizes, whole = Sizes(1, 0.5, 1), grey(60, 100)
    draw_text(whole, "möwe", 20, 40, sizes)
    for left, bottom in ((-5, 40), (80, 40), (20, 3), (20, 65), (-500, -500), (500, 500)):
        canvas = grey(60, 100)
        draw_text(canvas, "möwe", left, bottom, sizes)
        seen = whole[max(0, 40 - bottom) :, max(0, 20 - left) :]
        part = canvas[max(0, bottom - 40) :, max(0, left - 20) :]
        rows, columns = min(len(seen), len(part)), min(seen.shape[1], part.shape[1])
        assert (seen[:rows, :columns] == part[:rows, :columns]).all()


def test_without_fonts_letters_outside_ascii_are_question_marks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    image, box = grey(144, 176), Box(20, 40, 40, 40)
    names = ("möwe", "m?we", "mwe")
    pictures = [draw_overlay(image, [DrawnTarget(box, name)]) for name in names]
    assert not changed(pictures[0], pictures[1]).any()
    assert changed(pictures[0], pictures[2]).any()


def test_what_is_no_letter_is_a_question_mark() -> None:
    assert printable("a\nb\x07") == "a?b?"
