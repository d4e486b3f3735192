"""What tells a target from what is beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pictures import BOX, OTHER, moved, paint_ball, picture

from autrack_ros.tracking import Box, Follower, PresenceSettings, iou, load_engine
from autrack_ros.tracking.discriminant import (
    EVERY,
    FIRST_WORTH,
    Discriminant,
    at_boxes,
    measure,
    preference,
)

CELLS = 16
TO_IMAGE = np.array([[10.0, 0, 5], [0, 10, 5]])  # cells of 10 pixels that fill 160 x 160
MIDDLE = Box(60, 60, 40, 40)
BESIDE = Box(110, 10, 40, 40)
RANDOM = np.random.default_rng(0)
KINDS = {name: RANDOM.normal(size=64).astype(np.float32) for name in ("target", "twin", "other")}


def region(*things: tuple[str, Box], seed: int = 1) -> np.ndarray:
    """Features, (64, 16, 16): noise, and in the boxes that of a kind on it."""
    features = np.random.default_rng(seed).normal(size=(64, CELLS, CELLS)).astype(np.float32)
    for kind, (x, y, w, h) in things:
        rows, columns = slice(y // 10, (y + h) // 10), slice(x // 10, (x + w) // 10)
        features[:, rows, columns] = 0.2 * features[:, rows, columns] + KINDS[kind][:, None, None]
    return features


def discriminant(*things: tuple[str, Box]) -> Discriminant:
    first = measure(region(("target", MIDDLE), *things), TO_IMAGE, MIDDLE)
    assert first is not None
    return Discriminant(first)


def at(known: np.ndarray, box: Box) -> float:
    """At the cell left above the middle of a box."""
    x, y = box.center
    return float(known[int(y // 10) - 1, int(x // 10) - 1])


def test_it_is_fishers_with_a_ridge():
    features = region(("target", MIDDLE))
    seen = measure(features, TO_IMAGE, MIDDLE)
    cells = features.reshape(64, -1).T
    cells = cells / np.linalg.norm(cells, axis=1, keepdims=True)
    centers = [(10 * column + 5, 10 * row + 5) for row in range(CELLS) for column in range(CELLS)]
    away = np.abs(np.array(centers) - 80) / 40
    others = cells[(away > 0.6).any(axis=1)]
    near = np.exp(-(away**2).sum(axis=1) / (2 * 0.15**2))
    scatter = np.cov(others.T, bias=True)
    assert seen.target == pytest.approx(near @ cells / near.sum(), abs=1e-5)
    assert seen.beside == pytest.approx(others.mean(axis=0), abs=1e-5)
    assert seen.scatter == pytest.approx(scatter, abs=1e-5)
    ridge = 0.1 * np.trace(scatter) / 64 * np.eye(64)
    weights = np.linalg.solve(scatter + ridge, seen.target - seen.beside)
    weights /= weights @ (seen.target - seen.beside)
    expected = ((cells - seen.beside) @ weights).reshape(CELLS, CELLS)
    assert Discriminant(seen)(features) == pytest.approx(expected, abs=1e-3)


def test_it_is_1_at_the_target_and_0_beside_it_wherever_that_is():
    known = discriminant()(region(("target", BESIDE), seed=2))
    assert at(known, BESIDE) == pytest.approx(1, abs=0.25)
    assert known[8:].mean() == pytest.approx(0, abs=0.15)


def test_what_was_seen_beside_the_target_is_told_from_it():
    KINDS["twin"] = KINDS["target"] + 0.7 * KINDS["other"]
    both = region(("target", BESIDE), ("twin", MIDDLE), seed=3)
    unaware, aware = discriminant()(both), discriminant(("twin", BESIDE))(both)
    assert at(unaware, MIDDLE) > 0.5
    assert at(aware, MIDDLE) < 0.3 < 0.7 < at(aware, BESIDE)


def test_it_learns_of_what_comes_later_and_of_one_in_some_frames_only():
    KINDS["twin"] = KINDS["target"] + 0.7 * KINDS["other"]
    both = region(("target", MIDDLE), ("twin", BESIDE), seed=3)
    learning = discriminant()
    before = at(learning(both), BESIDE)
    for _ in range(FIRST_WORTH):
        learning.learn(both, TO_IMAGE, MIDDLE)
    after = learning(both)
    assert at(after, BESIDE) < 0.6 * before
    assert at(after, MIDDLE) > 0.7
    changes = []
    for _ in range(2 * EVERY):
        known = learning(both)
        learning.learn(both, TO_IMAGE, MIDDLE)
        changes.append(not np.array_equal(known, learning(both)))
    assert sum(changes) == 2


def test_following_another_thing_does_not_turn_the_target_into_that():
    learning = discriminant()
    for _ in range(200):
        learning.learn(region(("other", MIDDLE), seed=4), TO_IMAGE, MIDDLE)
    both = learning(region(("target", MIDDLE), ("other", BESIDE), seed=5))
    assert at(both, MIDDLE) > at(both, BESIDE)


@pytest.mark.parametrize(
    "features", [np.ones((64, CELLS, CELLS), np.float32), np.zeros((64, CELLS, CELLS), np.float32)]
)
def test_without_texture_everything_may_be_the_target(features):
    first = measure(features, TO_IMAGE, MIDDLE)
    assert (Discriminant(first)(features) == 1).all()


@pytest.mark.parametrize("box", [Box(-500, 0, 40, 40), Box(-20, -20, 200, 200)])
def test_a_region_without_the_target_or_with_nothing_else_teaches_nothing(box):
    features = region(("target", MIDDLE))
    assert measure(features, TO_IMAGE, box) is None
    learning = discriminant()
    known = learning(features)
    learning.learn(features, TO_IMAGE, box)
    assert np.array_equal(learning(features), known)


def test_what_is_known_is_read_at_the_middle_of_each_predicted_box():
    known = np.arange(256, dtype=np.float32).reshape(CELLS, CELLS)
    x, y = np.meshgrid(np.arange(CELLS), np.arange(CELLS))
    middles = np.stack((x, y), axis=-1).clip(0, 14) * 16 + 16 - 0.5  # the next cell's, by 16 pixels
    corners = np.concatenate((middles - 20, middles + 20), axis=-1).astype(np.float32)
    read = at_boxes(known, corners, 16, -0.5)
    assert read[:15, :15] == pytest.approx(known[1:, 1:], abs=0.5)
    corners[0, 0] = np.nan
    assert np.isfinite(at_boxes(known, corners, 16, -0.5)).all()


def test_preference_rises_with_what_is_known():
    factors = preference(np.array([-100.0, 0, 0.3, 1]))
    assert factors == pytest.approx([0, 0.142, 0.5, 0.985], abs=1e-3)


@pytest.fixture(scope="module")
def engine():
    return load_engine(device="cpu")


def test_the_engine_learns_from_the_first_image(engine):
    image = picture()
    target = engine.start(image, BOX)
    assert target.discriminant is None  # the bare tracker needs none
    learnt = engine.discriminant(image, target)
    ((_, result),) = engine.follow(image, [target])
    known = learnt(result.features)
    peak = np.unravel_index(known.argmax(), known.shape)
    x, y = result.response_to_image @ (peak[1], peak[0], 1)
    assert abs(x - BOX.center[0]) < BOX.w / 4
    assert abs(y - BOX.center[1]) < BOX.h / 4


def test_what_was_beside_the_target_scores_lower_when_that_is_gone(engine):
    """Two balls side by side, then one."""
    both, alone = picture(patches=0), picture(patches=0)
    twin = moved(BOX, 80)
    paint_ball(both, BOX, (40, 60, 200))
    for image in (both, alone):
        paint_ball(image, twin, (200, 120, 40))
    started = engine.start(both, BOX)
    learnt = replace(started, discriminant=engine.discriminant(both, started))
    (_, here), (_, here_learnt) = engine.follow(both, [started, learnt])
    (_, gone), (_, gone_learnt) = engine.follow(alone, [started, learnt])
    assert here_learnt.score == pytest.approx(here.score, abs=0.02)
    assert iou(gone.box, twin) > 0.7
    assert gone_learnt.score < 0.6 * gone.score


def test_with_states_off_nothing_is_learnt(engine):
    follower = Follower(engine, PresenceSettings(lost_score=0))
    follower.put("ball", engine.start(picture(), BOX), picture())
    follower.follow(picture(2))
    assert follower["ball"].discriminant is None
    follower = Follower(engine)
    follower.put("ball", engine.start(picture(), OTHER), picture())
    assert follower["ball"].discriminant is not None
