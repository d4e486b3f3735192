"""Lines of a terminal that is polled."""

from __future__ import annotations

import os

import pytest

from autrack_ros.select_target.terminal_lines import TerminalLines


@pytest.fixture
def pipe():
    read, write = os.pipe()
    yield read, write
    os.close(read)


def test_lines_come_one_by_one(pipe):
    read, write = pipe
    lines = TerminalLines(read)
    assert lines.poll() is None
    os.write(write, b"one\r\ntwo\n\nthr")
    assert [lines.poll() for _ in range(4)] == ["one", "two", "", None]
    os.write(write, b"ee\n")
    assert lines.poll() == "three"
    assert not lines.ended
    os.close(write)


def test_the_last_line_needs_no_end(pipe):
    read, write = pipe
    lines = TerminalLines(read)
    os.write(write, b"one\nlast")
    os.close(write)
    seen = [lines.poll() for _ in range(3)]
    assert [line for line in seen if line is not None] == ["one", "last"]
    assert lines.ended
    assert lines.poll() is None


def test_bytes_that_are_no_text_do_not_break_it(pipe):
    read, write = pipe
    os.write(write, b"\xff\xfe,1\n")
    assert TerminalLines(read).poll().endswith(",1")
    os.close(write)
