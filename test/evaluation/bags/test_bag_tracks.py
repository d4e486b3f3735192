"""Scores of runs over bags."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")

from autrack_ros.evaluation.bags.boxes import ABSENT, UNKNOWN
from autrack_ros.evaluation.bags.report import find_troubles, frames_to_show
from autrack_ros.evaluation.bags.tracks import Run, Track, overlaps_of, score, write_tracks
from autrack_ros.tracking import Box

BOX = Box(10, 10, 20, 20)
HALF = Box(10, 20, 20, 20)  # a third of the union with BOX


def tracks() -> list[Track]:
    return [
        Track(100, "idle"),
        Track(101, "tracking", BOX, 1.0),
        Track(102, "tracking", BOX, 0.9),
        Track(103, "uncertain", HALF, 0.3),
        Track(104, "lost", None, 0.05),
        Track(105, "lost", None, 0.05),
        Track(106, "tracking", BOX, 0.8),
        Track(107, "tracking", BOX, 0.8),
    ]


TRUTH = np.array([BOX, BOX, BOX, BOX, BOX, ABSENT, ABSENT, UNKNOWN], float)


def test_overlap_is_the_last_boxs_where_lost_and_left_out_where_nothing_can_be_compared():
    nan = np.nan
    expected = [nan, 1, 1, 1 / 3, 1 / 3, nan, nan, nan]
    np.testing.assert_allclose(overlaps_of(tracks(), TRUTH), expected)


def test_scores_begin_where_the_tracker_was_started():
    numbers = score(tracks(), TRUTH)
    assert numbers["images"] == 8
    assert numbers["first_image"] == 2
    assert numbers["states"] == {"idle": 1, "lost": 2, "tracking": 4, "uncertain": 1}
    assert numbers["compared_images"] == 4
    assert numbers["lost_but_present"] == 1
    assert numbers["boxed_but_absent"] == 1  # the last image is not annotated
    assert numbers["scores"]["ao"] == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert numbers["scores"]["sr50"] == pytest.approx(1 / 3)
    of_long_term = numbers["long_term"]
    # The best F leaves out the doubtful box, and with it the one where the target is absent.
    assert (of_long_term["threshold"], of_long_term["precision"]) == (0.9, 1)
    assert of_long_term["recall"] == pytest.approx(1 / 3)
    assert (of_long_term["absent"], of_long_term["absent_lost"]) == (2, 1)
    assert (of_long_term["present_lost"], of_long_term["wrong_frames"]) == (1, 1)
    assert numbers["mean_score"] == pytest.approx((1 + 0.9 + 0.3 + 0.05 + 0.05 + 0.8 + 0.8) / 7)


def test_nothing_to_compare_gives_no_scores():
    assert "scores" not in score(tracks(), None)
    assert score(tracks(), np.full((8, 4), np.nan))["scores"] is None
    assert score([Track(1, "idle")], None)["mean_score"] is None
    assert score([], np.empty((0, 4)))["images"] == 0


def test_tracks_are_written_as_csv(tmp_path):
    write_tracks(tmp_path / "tracks.csv", tracks(), TRUTH)
    lines = (tmp_path / "tracks.csv").read_text().splitlines()
    assert lines[0] == "image,stamp_ns,state,x,y,width,height,score,overlap"
    assert lines[1] == "1,100,idle,,,,,0.000000,"
    assert lines[4] == "4,103,uncertain,10.000,20.000,20.000,20.000,0.300000,0.333333"
    assert lines[5] == "5,104,lost,,,,,0.050000,0.333333"
    assert len(lines) == 9


def test_troubles_are_stretches_of_low_overlap_or_without_truth_of_doubt():
    run = Run("offline", tracks(), {})
    assert [(t.start, t.end) for t in find_troubles(run, TRUTH)] == [(3, 4)]
    found = [(t.start, t.end, t.why) for t in find_troubles(run, None)]
    assert found == [(3, 3, "uncertain"), (4, 5, "lost")]


def test_the_longest_troubles_are_kept_in_order():
    states = [state for n in range(1, 12) for state in ["tracking", *["lost"] * n]]
    run = Run("offline", [Track(i, state) for i, state in enumerate(states)], {})
    lengths = [t.end - t.start + 1 for t in find_troubles(run, None)]
    assert lengths == [4, 5, 6, 7, 8, 9, 10, 11]


def test_shown_frames_are_evenly_spaced_with_the_ends_of_the_troubles():
    run = Run("offline", [Track(i, "lost" if 501 <= i <= 505 else "x") for i in range(1000)], {})
    shown = frames_to_show(1000, find_troubles(run, None))
    assert {0, 999, 501, 503, 505} <= set(shown)
    assert len(shown) == 24 + 3
    assert shown == sorted(shown)
    assert frames_to_show(3, []) == [0, 1, 2]
