"""What goes wrong is logged, but not so often that it fills a disk."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from autrack_ros.node.problems import (
    BURST,
    MAX_CHARACTERS,
    PER_SECOND,
    REPEAT_S,
    Problems,
    described,
)
from autrack_ros.tracking import InvalidBoxError


class Log:
    """Takes the place of the node's logger."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def error(self, text: str) -> None:
        self.lines.append(("error", text))

    def warning(self, text: str) -> None:
        self.lines.append(("warning", text))

    def info(self, text: str) -> None:
        self.lines.append(("info", text))


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def problems(log: Log, clock: Clock) -> Problems:
    return Problems(log, clock)


def test_the_same_problem_is_logged_at_once_and_then_every_ten_seconds(
    problems: Problems, log: Log, clock: Clock
) -> None:
    for _ in range(300):  # of an image stream of 30 Hz
        problems.error("broken")
        clock.now += 1 / 30
    assert log.lines == [("error", "broken")]
    clock.now += REPEAT_S
    problems.error("broken")
    assert len(log.lines) == 2


def test_different_problems_are_logged_in_a_burst_and_then_one_a_second(
    problems: Problems, log: Log, clock: Clock
) -> None:
    for number in range(10_000):
        problems.error(f"broken {number}")
    assert [text for _, text in log.lines] == [f"broken {number}" for number in range(BURST)]
    log.lines.clear()
    for number in range(3000):  # another one in every image, for 100 s
        clock.now += 1 / 30
        problems.warning(f"odd {number}")
    assert len(log.lines) == pytest.approx(100 * PER_SECOND, abs=1)


def test_a_quiet_hour_saves_up_one_burst_only(problems: Problems, log: Log, clock: Clock) -> None:
    clock.now += 3600
    for number in range(1000):
        problems.error(f"broken {number}")
    assert len(log.lines) == BURST


def test_a_line_keeps_its_level(problems: Problems, log: Log) -> None:
    problems.error("broken")
    problems.warning("odd")
    problems.info("well")
    assert log.lines == [("error", "broken"), ("warning", "odd"), ("info", "well")]


@pytest.mark.parametrize("level", ["error", "warning", "info"])
def test_what_others_send_can_neither_forge_a_line_nor_make_it_long(
    problems: Problems, log: Log, level: str
) -> None:
    say = getattr(problems, level)
    say("target 'a\n[FATAL] b\x1b[31m日本'")
    say("x" * 20_000)
    first, second = (text for _, text in log.lines)
    assert first == r"target 'a\n[FATAL] b\x1b[31m日本'"
    assert len(second) == MAX_CHARACTERS
    assert second.endswith("x...")


def test_the_last_error_is_known_with_its_age_although_it_was_not_logged(
    problems: Problems, log: Log, clock: Clock
) -> None:
    assert problems.last_error[0] == ""
    for number in range(100):
        problems.error(f"broken {number}")
    clock.now += 4
    problems.warning("odd")
    assert problems.last_error == ("broken 99", 4)
    assert ("error", "broken 99") not in log.lines


def test_an_error_made_for_users_is_shown_as_it_is_and_another_with_its_kind() -> None:
    assert described(InvalidBoxError("box x=nan")) == "box x=nan"
    assert described(MemoryError("no more")) == "MemoryError: no more"


def test_a_line_after_others_were_left_out_says_how_many(
    problems: Problems, log: Log, clock: Clock
) -> None:
    for number in range(BURST + 7):
        problems.error(f"broken {number}")
    clock.now += 2 / PER_SECOND
    problems.warning("odd")
    problems.info("well")
    assert log.lines[BURST:] == [
        ("warning", "odd [7 more lines left out before]"),
        ("info", "well"),
    ]


def test_lines_left_out_are_told_of_although_no_line_follows(
    problems: Problems, log: Log, clock: Clock
) -> None:
    for number in range(BURST + 1):
        problems.error(f"broken {number}")
    problems.tell_left_out()  # too early
    assert len(log.lines) == BURST
    clock.now += 1 / PER_SECOND
    problems.tell_left_out()
    problems.tell_left_out()
    assert log.lines[BURST:] == [("warning", "[1 more line left out before]")]


def test_repetitions_are_no_lines_left_out(problems: Problems, log: Log, clock: Clock) -> None:
    for _ in range(1000):
        problems.error("broken")
    clock.now += REPEAT_S
    problems.tell_left_out()
    assert log.lines == [("error", "broken")]
