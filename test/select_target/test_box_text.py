"""Boxes as people type them."""

from __future__ import annotations

import re
from array import array

import pytest

from autrack_ros.select_target.box_text import read_box, read_line
from autrack_ros.tracking import Box, InvalidBoxError


@pytest.mark.parametrize(
    "value",
    ["10,20,30.5,40", " 10, 20,30.5 , 40 ", [10, 20, 30.5, 40], array("d", [10, 20, 30.5, 40])],
)
def test_box_of_a_parameter(value):
    assert read_box(value) == Box(10, 20, 30.5, 40)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "accepted is x,y,w,h in pixels"),
        ("cup", "accepted is x,y,w,h in pixels"),
        ("1,2,3", "accepted is x,y,w,h in pixels"),
        ("1,2,3,4,5", "accepted is x,y,w,h in pixels"),
        ("1;2;3;4", "accepted is x,y,w,h in pixels"),
        ("1,2,3,four", "accepted is x,y,w,h in pixels"),
        (7, "accepted is x,y,w,h in pixels"),
        ([1, 2, 3], "accepted is x,y,w,h in pixels"),
        ("1,2,nan,4", "every value must be a finite number"),
        ("1,2,inf,4", "every value must be a finite number"),
        ("1,2,1.5,4", "w and h must be at least 2 px"),
        ("1,2,3,-4", "w and h must be at least 2 px"),
    ],
)
def test_bad_box_is_named_with_what_is_accepted(value, reason):
    with pytest.raises(InvalidBoxError, match=f"box {re.escape(repr(value))}: {reason}"):
        read_box(value)


@pytest.mark.parametrize(
    ("line", "target_id"),
    [
        ("-1,2,30,40", ""),
        ("-1, 2, 30, 40", ""),
        ("-1,2,30,40 cup", "cup"),
        ("-1, 2,30, 40   my red, old cup ", "my red, old cup"),
    ],
)
def test_box_and_id_of_a_line(line, target_id):
    assert read_line(line) == (Box(-1, 2, 30, 40), target_id)


@pytest.mark.parametrize(
    "line", ["", "cup", "cup 1,2,30,40", "1,2,30 cup", "1 2 30 40", "1,2,3,4,5"]
)
def test_bad_line_is_refused(line):
    with pytest.raises(InvalidBoxError, match="accepted is x,y,w,h in pixels"):
        read_line(line)
