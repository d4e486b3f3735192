from __future__ import annotations

import numpy as np
import pytest

from autrack_ros.evaluation.statistics import interval, paired_difference


def test_interval_is_that_of_the_mean():
    values = np.random.default_rng(1).normal(3, 2, 400)
    low, high = interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.015)


def test_interval_of_a_skewed_sample_lies_within_it():
    low, high = interval(np.array([0.0, 0, 0, 1]))
    assert low == 0
    assert 0.5 <= high <= 1


def test_the_same_values_give_the_same_interval():
    values = np.array([0.1, -0.2, 0.3, 0.05])
    assert interval(values) == interval(values.copy())


def test_differences_are_paired():
    reference = np.array([0.1, 0.5, 0.9, 0.3])
    found = paired_difference(reference + np.array([0.1, 0.1, 0.1, 0.1]), reference)
    assert found.mean == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert found.verdict == "better"


def test_changes_up_to_half_a_point_are_ties():
    changes = np.array([0.006, 0.004, 0, -0.004, -0.006, -0.5])
    found = paired_difference(changes, np.zeros(6))
    assert (found.sequences, found.wins, found.ties, found.losses) == (6, 1, 3, 2)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ([0.1, 0.2, 0.3], "better"),
        ([-0.1, -0.2, -0.3], "worse"),
        ([-0.1, 0.2, 0.3], "no difference shown"),
    ],
)
def test_a_verdict_needs_an_interval_without_0(changes, verdict):
    assert paired_difference(np.array(changes), np.zeros(3)).verdict == verdict


def test_two_sequences_have_no_interval():
    found = paired_difference(np.array([0.1, 0.2]), np.zeros(2))
    assert (found.low, found.high) == (None, None)
    assert found.verdict == "no difference shown"
