"""The worst moments of bags."""

from __future__ import annotations

import numpy as np

from autrack_ros.evaluation.bags.moments import (
    DOUBT,
    LOST,
    WRONG,
    Moment,
    SlowImage,
    find_moments,
    find_slow_images,
    worst_first,
)
from autrack_ros.evaluation.long_term import Reports

STATES = {"t": "tracking", "u": "uncertain", "l": "lost"}
NAN = float("nan")


def moments(states: str, overlaps: list[float], annotated: str = "") -> list[tuple[str, int, int]]:
    """``annotated`` has a y for yes in every image; by default all are."""
    named = np.array([STATES[state] for state in states])
    known = np.array([mark == "y" for mark in annotated or "y" * len(states)])
    reports = Reports(np.array(overlaps), np.ones(len(states)), named, known)
    return [(m.kind, m.start, m.end) for m in find_moments("bag", reports)]


def test_a_box_beside_the_target_or_without_one_is_on_a_wrong_thing():
    found = moments("tttttt", [1, 0.1, 0, 0, NAN, 0.9])
    assert found == [(WRONG, 2, 4)]


def test_lost_counts_where_the_target_is_there_only():
    assert moments("tlllt", [1, 0, 0.7, NAN, 0.9]) == [(LOST, 1, 2)]


def test_where_nothing_is_annotated_loss_and_doubt_count():
    assert moments("tuult", [NAN] * 5, "nnnnn") == [(DOUBT, 1, 2), (LOST, 3, 3)]


def test_doubt_does_not_count_where_the_box_is_known_to_be_right():
    assert moments("tut", [1, 0.8, 0.9]) == []


def test_the_worst_kind_and_the_longest_come_first():
    given = [
        Moment("b", LOST, 0, 9),
        Moment("b", WRONG, 3, 3),
        Moment("a", WRONG, 5, 7),
        Moment("b", DOUBT, 0, 99),
        Moment("a", LOST, 1, 10),
    ]
    assert [(m.kind, m.sequence) for m in worst_first(given)] == [
        (WRONG, "a"),
        (WRONG, "b"),
        (LOST, "a"),
        (LOST, "b"),
        (DOUBT, "b"),
    ]


def test_slow_is_twice_the_median_of_the_bag_and_never_the_start():
    seconds = np.array([9, 0.01, 0.01, 0.021, 0.01, 0.02])
    assert find_slow_images("bag", seconds) == [SlowImage("bag", 3, 0.021, 0.01)]
    assert find_slow_images("bag", np.array([1.0])) == []
