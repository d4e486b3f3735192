import pytest

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.presence import Presence, PresenceSettings, TrackState

SETTINGS = PresenceSettings(
    tracking_score=0.5, lost_score=0.2, lost_frames=3, found_score=0.8, found_frames=2
)
T, U, L = TrackState.TRACKING, TrackState.UNCERTAIN, TrackState.LOST


@pytest.mark.parametrize(
    ("scores", "states"),
    [
        ([0.9, 0.5, 0.49, 0.5], [T, T, U, T]),
        ([0.02, 0.02, 0.02], [U, U, L]),
        ([0.0, 0.0, 0.2, 0.0], [U, U, U, L]),  # 0.2 says nothing, neither way
        ([0.0, 0.0, 0.4, 0.0, 0.0], [U, U, U, U, L]),  # 0.4 speaks against it, half as much
        ([0.0, 0.0, 0.9, 0.0, 0.0], [U, U, T, U, L]),  # no frame takes more away than another gave
        ([0.9] * 30 + [0.1] * 8, [T] * 30 + [U] * 7 + [L]),  # not quite 0, so they count less
        (
            [0.9] * 30 + [0.18] * 40,
            [T] * 30 + [U] * 40,
        ),  # hardly too low: the box is poor, the target is not gone
        (
            [0.9] * 30 + [0.1, 0.1, 0.4, 0.4] * 20,
            [T] * 30 + [U] * 80,
        ),  # now better, now worse: it is there
        ([0.0] * 3 + [0.7] * 5, [U, U] + [L] * 6),  # 0.7 would do to go on, not to be found
        ([0.0] * 3 + [0.8, 0.8, 0.4], [U, U, L, L, T, U]),
        ([0.0] * 3 + [0.8, 0.7, 0.8, 0.8], [U, U, L, L, L, L, T]),  # two in a row, no fewer
    ],
)
def test_states_follow_the_scores(scores, states):
    presence, seen = Presence(), []
    for score in scores:
        presence = presence.advance(score, SETTINGS)
        seen.append(presence.state)
    assert seen == states


def test_a_target_that_was_found_can_be_lost_again():
    presence = Presence()
    for score in [0.0] * 3 + [0.9] * 2 + [0.0] * 2:
        presence = presence.advance(score, SETTINGS)
    assert presence.state is U
    assert presence.advance(0.0, SETTINGS).state is L


def after(presence: Presence, scores: list[float]) -> Presence:
    for score in scores:
        presence = presence.advance(score, SETTINGS)
    return presence


def test_a_target_that_never_scores_high_is_lost_at_lower_scores():
    weak, strong = after(Presence(), [0.4] * 30), after(Presence(), [0.9] * 30)
    assert after(strong, [0.02] * 3).state is L
    assert after(strong, [0.11] * 9).state is L
    assert after(weak, [0.11] * 60).state is U  # half of 0.2 is the limit here
    assert after(weak, [0.0] * 3).state is L
    assert after(after(Presence(), [0.19] * 30), [0.01] * 3).state is L  # 0.08 holds for all


def test_without_a_lost_score_no_target_is_lost_and_with_1_every_one():
    never, always = PresenceSettings(lost_score=0), PresenceSettings(1, 1, 1, 1)
    presence = Presence()
    for _ in range(50):
        presence = presence.advance(0.0, never)
    assert presence.state is U
    assert Presence().advance(0.99, always).state is L


def test_how_high_a_target_scores_is_learnt_in_its_first_frames_and_kept():
    weak = after(Presence(), [0.4] * 30)
    later = after(weak, [0.95] * 100 + [0.0] * 3 + [0.9] * 2)
    assert later.state is T
    assert later.usual == pytest.approx(0.4)
    assert after(Presence(), [0.12] * 4).learnt == 4  # too few to go by


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lost_score": 0.6}, r"lost_score 0.6, tracking_score 0.5.*none below"),
        ({"found_score": 1.1}, r"found_score 1.1: accepted are 0 to 1"),
        ({"lost_score": -0.1}, r"lost_score -0.1"),
        ({"lost_score": float("nan")}, r"lost_score nan"),
        ({"lost_frames": 0}, r"lost_frames=0: accepted is 1 to 1000"),
        ({"search_after": 100_001}, r"search_after=100001: accepted is 0 to 100000"),
        ({"doubt_frames": -1}, r"doubt_frames=-1: accepted is 0 to 100000"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        PresenceSettings(**settings)
