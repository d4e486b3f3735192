from __future__ import annotations

import numpy as np
import pytest

from autrack_ros.tracking.motion import MotionState

NOISE = 0.04  # variance of a place


def fed(places: np.ndarray, step: float, agility: float, speed: float) -> MotionState:
    state = MotionState.first(places[0], np.eye(places.shape[1]) * NOISE, speed)
    for place in places[1:]:
        state = state.after(step, agility).seen(place, np.eye(places.shape[1]) * NOISE)
    return state


def test_without_agility_it_is_the_line_of_least_squares():
    times = np.arange(12) * 0.1
    noise = np.random.default_rng(0).normal(0, NOISE**0.5, (12, 2))
    places = np.array([1.0, -2.0]) + times[:, None] * [0.5, 0.3] + noise
    state = fed(places, 0.1, agility=0.0, speed=1e5)
    design = np.column_stack([np.ones(12), times - times[-1]])  # place and slope at the end
    line, *_ = np.linalg.lstsq(design, places, rcond=None)
    np.testing.assert_allclose(state.position, line[0], atol=1e-5)
    np.testing.assert_allclose(state.velocity, line[1], atol=1e-5)
    covariance = NOISE * np.linalg.inv(design.T @ design)
    np.testing.assert_allclose(state.covariance[::2, ::2], covariance, rtol=1e-4)


def test_two_equal_places_weigh_alike_and_a_vague_one_hardly_counts():
    start = MotionState(np.zeros(2), np.diag([1.0, 1.0]))
    even = start.seen(np.array([2.0]), np.array([[1.0]]))
    assert even.position == pytest.approx([1.0])
    assert even.position_covariance == pytest.approx(0.5)
    assert start.seen(np.array([2.0]), np.array([[1e6]])).position == pytest.approx([0], abs=1e-5)


def test_time_may_be_divided_in_any_way():
    start = MotionState.first(np.array([1.0, 2.0, 3.0]), np.eye(3) * NOISE, 0.7)
    whole = start.after(0.9, 1.3)
    parts = start.after(0.2, 1.3).after(0.7, 1.3)
    np.testing.assert_allclose(parts.mean, whole.mean)
    np.testing.assert_allclose(parts.covariance, whole.covariance)


def test_agility_is_the_change_of_velocity_within_a_second():
    known = MotionState(np.array([0.0, 2.0]), np.zeros((2, 2)))
    later = known.after(1.0, 0.6)
    np.testing.assert_allclose(later.mean, [2, 2])
    np.testing.assert_allclose(later.covariance, 0.36 * np.array([[1 / 3, 1 / 2], [1 / 2, 1]]))


def test_steady_state_is_that_of_the_riccati_equation():
    step, agility = 0.1, 2.0
    state = fed(np.zeros((400, 1)), step, agility, speed=1.0)
    again = state.after(step, agility).seen(np.zeros(1), np.eye(1) * NOISE)
    np.testing.assert_allclose(again.covariance, state.covariance, rtol=1e-9)
    # In the steady state of the scalar gains: r P = M - M h (h' M h + r)^-1 h' M, all of it known.
    ahead = state.after(step, agility).covariance
    gain = ahead[:, 0] / (ahead[0, 0] + NOISE)
    np.testing.assert_allclose(state.covariance[0, 0], gain[0] * NOISE, rtol=1e-9)


def test_its_errors_are_as_large_as_it_says():
    rng, step, agility = np.random.default_rng(1), 0.1, 1.0
    errors = []
    for _ in range(200):
        truth = MotionState(np.array([0.0, rng.normal(0, 1.0)]), np.zeros((2, 2)))
        state = None
        for _ in range(30):
            moved = truth.after(step, agility)
            truth = MotionState(
                rng.multivariate_normal(moved.mean, moved.covariance), np.zeros((2, 2))
            )
            place = truth.position + rng.normal(0, NOISE**0.5, 1)
            if state is None:
                state = MotionState.first(place, np.eye(1) * NOISE, 1.0)
            else:
                state = state.after(step, agility).seen(place, np.eye(1) * NOISE)
        off = state.mean - truth.mean
        errors.append(off @ np.linalg.solve(state.covariance, off))
    # The mean of 200 chi-square values of 2 degrees is 2 with a deviation of 0.14.
    assert np.mean(errors) == pytest.approx(2.0, abs=0.42)


def test_covariance_stays_positive_over_a_long_time():
    state = fed(np.random.default_rng(2).normal(0, 0.2, (3000, 3)), 0.033, 3.0, 1.0)
    np.testing.assert_allclose(state.covariance, state.covariance.T, atol=1e-15)
    assert np.linalg.eigvalsh(state.covariance).min() > 0
