"""How much a target looks like itself, and what that says beside the score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autrack_ros.tracking import CheckpointError, ConfigurationError
from autrack_ros.tracking.likeness import (
    EVERY,
    LEARNT,
    Evidence,
    Resemblance,
    likeness,
)

SLOPE_KEY, OFFSET_KEY = Evidence.keys()


def maps(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 32, 8, 8)).astype(np.float32)


def test_likeness_is_the_mean_cosine_of_the_places():
    one, two = maps(0), maps(1)
    by_hand = [
        np.dot(one[0, :, y, x], two[0, :, y, x])
        / (np.linalg.norm(one[0, :, y, x]) * np.linalg.norm(two[0, :, y, x]))
        for y in range(8)
        for x in range(8)
    ]
    assert likeness((one,), (two,)) == pytest.approx(np.mean(by_hand), abs=1e-6)
    assert likeness((one,), (3 * one,)) == pytest.approx(1, abs=1e-6)
    assert likeness((one,), (-one,)) == pytest.approx(-1, abs=1e-6)


def test_likeness_of_a_map_without_a_value_is_0():
    assert likeness((np.zeros((32, 8, 8), np.float32),), (maps(0)[0],)) == 0


def test_the_odds_against_score_and_likeness_add_up():
    evidence = Evidence(slope=12.0, offset=5.0)
    for score, relative in ((0.9, 1.0), (0.9, 0.6), (0.3, 0.8)):
        alike = 1 / (1 + math.exp(-(12 * (relative - 1) + 5)))
        against = (1 - score) / score + (1 - alike) / alike
        assert evidence(score, relative) == pytest.approx(1 / (1 + against))


def test_evidence_stays_between_0_and_the_score_and_rises_with_both():
    evidence = Evidence(slope=12.0, offset=5.0)
    scores, relatives = np.linspace(0, 1, 11), np.linspace(-1, 1.3, 12)
    table = np.array([[evidence(s, r) for r in relatives] for s in scores.tolist()])
    assert (table >= 0).all()
    assert (table <= scores[:, None]).all()
    assert (np.diff(table, axis=0) > 0).all()
    assert (np.diff(table[1:], axis=1) > 0).all()


def test_evidence_comes_back_from_the_metadata_of_weights():
    evidence = Evidence(slope=12.25, offset=-0.1)
    assert Evidence.from_metadata({"other": "1", **evidence.to_metadata()}) == evidence
    assert Evidence.from_metadata({"other": "1"}) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {SLOPE_KEY: "12"},
        {OFFSET_KEY: "5"},
        {SLOPE_KEY: "twelve", OFFSET_KEY: "5"},
        {SLOPE_KEY: "-1", OFFSET_KEY: "5"},
        {SLOPE_KEY: "12", OFFSET_KEY: "nan"},
    ],
)
def test_metadata_that_are_no_evidence_are_refused_with_the_keys(metadata):
    with pytest.raises(CheckpointError, match=f"{SLOPE_KEY} and {OFFSET_KEY}"):
        Evidence.from_metadata(metadata)


@pytest.mark.parametrize(("slope", "offset"), [(0, 5), (math.inf, 5), (12, math.nan)])
def test_numbers_that_are_not_accepted_are_named(slope, offset):
    with pytest.raises(ConfigurationError, match="slope"):
        Evidence(slope, offset)


def test_what_is_followed_is_looked_at_every_few_frames_once_it_is_known():
    known = Resemblance()
    for _ in range(LEARNT):
        assert known.is_due(0.95)
        known.learn(0.6, 0.95)
    assert [known.is_due(0.95) for _ in range(EVERY)] == [False] * (EVERY - 1) + [True]


def test_it_is_looked_at_in_each_frame_while_the_score_is_low():
    known = Resemblance(usual=0.6, looks=LEARNT, frames=0)
    assert known.is_due(0.5)
    known.learn(0.6, 0.5)
    assert known.is_due(0.5)


def test_the_usual_likeness_is_the_mean_of_the_first_likely_looks():
    known = Resemblance()
    known.learn(0.1, 0.4)
    assert known.relative(0.3) == 1  # as long as nothing is known
    known.learn(0.6, 0.9)
    known.learn(0.7, 0.9)
    assert known.usual == pytest.approx(0.65)
    assert known.latest == pytest.approx(0.7 / 0.6)
    for _ in range(LEARNT):
        known.learn(0.65, 0.9)
    known.learn(0.0, 0.9)
    assert known.usual == pytest.approx(0.65)
    assert known.relative(0.325) == pytest.approx(0.5)


def test_what_is_found_teaches_nothing_and_is_looked_at_at_once():
    known = Resemblance()
    known.learn(0.8, 0.9)
    known.learn(0.2, 0.4)
    known.start_again()
    assert known.latest == 1
    assert known.is_due(0.95)
    known.learn(0.2, 0.95)
    assert known.usual == pytest.approx(0.8)
    assert known.latest == pytest.approx(0.25)
