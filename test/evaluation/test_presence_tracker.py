"""Our tracker as it is measured: as the node follows, or bare."""

from __future__ import annotations

import numpy as np
import pytest
from scenes import TARGET, moved, scene

from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings
from autrack_ros.tracking import AdaptationSettings, Follower, Tracker, load_tracker
from autrack_ros.tracking.presence import PresenceSettings, TrackState

FAST = AdaptationSettings(steps=1, support_crops=1)


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return load_tracker(device="cpu", adaptation=FAST)


def clip() -> list[np.ndarray]:
    """The target moves, is gone for eight frames, and is back."""
    here = [scene((moved(TARGET, 3 * step), 4)) for step in range(6)]
    return [*here, *[scene()] * 8, *here[::-1]]


def test_without_recovery_boxes_and_scores_are_those_of_the_bare_tracker(tracker):
    bare, measured = tracker, PresenceTracker(tracker, presence_settings(recover=False))
    first, *others = clip()
    report, own = bare.initialize(first, TARGET), measured.initialize(first, TARGET)
    assert report.losses == own.losses
    assert np.array_equal(bare.adapted_template, measured.target.adapted_template)
    for image in others:
        expected, found = bare.update(image), measured.update(image)
        assert found.box == expected.box
        assert found.score == expected.score
        assert found.state is not TrackState.LOST


def test_without_recovery_a_camera_that_jumps_is_not_followed_either(tracker):
    bare, measured = tracker, PresenceTracker(tracker, presence_settings(recover=False))
    views = [np.roll(scene((TARGET, 4)), jump, axis=1) for jump in (0, 0, 100, 100)]
    for each in (bare, measured):
        each.initialize(views[0], TARGET)
    for image in views[1:]:
        assert measured.update(image).box == bare.update(image).box


def test_with_recovery_answers_are_those_of_the_node_and_the_last_box_where_lost(tracker):
    settings = PresenceSettings(lost_score=0.45)  # noise is no natural picture
    measured, follower = PresenceTracker(tracker, settings), Follower(tracker.engine, settings)
    first, *others = clip()
    measured.initialize(first, TARGET)
    follower.put("a", measured.target, first)
    states, last = [], TARGET
    for image in others:
        expected, found = follower.follow(image)["a"], measured.update(image)
        last = expected.box or last
        assert (found.box, found.score, found.state) == (last, expected.score, expected.state)
        assert found.result is not None
        states.append(found.state)
    assert TrackState.LOST in states


def test_a_new_target_is_not_lost(tracker):
    measured = PresenceTracker(tracker, PresenceSettings(lost_score=0.45))
    first, *others = clip()
    for _ in range(2):
        measured.initialize(first, TARGET)
        assert measured.update(others[0]).state is not TrackState.LOST
        for image in others[5:12]:
            measured.update(image)


def test_the_default_is_what_the_node_runs():
    assert presence_settings(recover=True) == PresenceSettings()
