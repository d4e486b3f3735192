"""Keys and mouse in, boxes out."""

from __future__ import annotations

import pytest

from autrack_ros.select_target.box_selection import BoxSelection
from autrack_ros.tracking import Box

SIZE = (160, 120)


@pytest.fixture
def selection() -> BoxSelection:
    frozen = BoxSelection("cup")
    frozen.press_key(" ")
    return frozen


def drag(selection: BoxSelection, start: tuple[int, int], end: tuple[int, int]) -> Box | None:
    selection.press(*start)
    selection.move(*end)
    return selection.release(*end, *SIZE)


def test_space_freezes_and_frees():
    selection = BoxSelection("cup")
    assert not selection.frozen
    selection.press_key(" ")
    assert selection.frozen
    selection.press_key(" ")
    assert not selection.frozen


def test_the_box_covers_all_pixels_from_the_first_to_the_last(selection):
    assert drag(selection, (10, 20), (39, 59)) == Box(10, 20, 30, 40)


@pytest.mark.parametrize("start", [(10, 20), (39, 20), (10, 59), (39, 59)])
def test_a_box_can_be_drawn_from_any_corner(selection, start):
    end = (10 + 39 - start[0], 20 + 59 - start[1])
    assert drag(selection, start, end) == Box(10, 20, 30, 40)


def test_the_box_is_shown_while_it_is_drawn(selection):
    assert selection.box is None
    selection.press(10, 20)
    selection.move(19, 24)
    assert selection.box == Box(10, 20, 10, 5)
    selection.release(19, 24, *SIZE)
    assert selection.box is None


def test_a_box_that_leaves_the_picture_ends_at_its_edge(selection):
    assert drag(selection, (150, 110), (500, 500)) == Box(150, 110, 10, 10)
    selection.press_key(" ")
    assert drag(selection, (10, 10), (-50, -50)) == Box(0, 0, 11, 11)


def test_a_box_frees_the_picture(selection):
    drag(selection, (10, 20), (40, 60))
    assert not selection.frozen


@pytest.mark.parametrize("end", [(10, 20), (10, 60), (40, 20)])
def test_a_click_is_no_box_and_the_picture_stays(selection, end):
    assert drag(selection, (10, 20), end) is None
    assert selection.frozen
    assert "too small" in selection.help[-1]


def test_nothing_can_be_drawn_on_a_moving_picture():
    selection = BoxSelection("cup")
    assert drag(selection, (10, 20), (40, 60)) is None
    assert "freeze the picture first" in selection.help


def test_freeing_the_picture_gives_the_box_up(selection):
    selection.press(10, 20)
    selection.press_key(" ")
    assert selection.release(40, 60, *SIZE) is None


def test_numbers_choose_the_target(selection):
    assert selection.target_id == "cup"
    selection.press_key("3")
    assert selection.target_id == "cup-3"
    assert "now 'cup-3'" in selection.help[2]
    selection.press_key("1")
    assert selection.target_id == "cup"


@pytest.mark.parametrize("key", ["q", "\x1b"])
def test_ends(selection, key):
    selection.press_key(key)
    assert selection.ended


def test_other_keys_do_nothing(selection):
    for key in ("x", "0", "\xff", "\t"):
        selection.press_key(key)
    assert (selection.frozen, selection.ended, selection.again) == (True, False, False)
    assert selection.target_id == "cup"


def test_every_key_is_explained():
    selection = BoxSelection("cup")
    text = " ".join(selection.help)
    selection.press_key(" ")
    for key in ("space: freeze", "q: end", "n: last box", "1-9: target", "drag a box"):
        assert key in f"{text} {' '.join(selection.help)}"
