"""Long-term metrics, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autrack_ros.evaluation import long_term
from autrack_ros.evaluation.long_term import Accuracy, Reports

NAN = np.nan


def reports(
    overlaps: list[float],
    scores: list[float] | None = None,
    lost: tuple[int, ...] = (),
    uncertain: tuple[int, ...] = (),
) -> Reports:
    """Frame 1 included; NaN: absent. LOST and UNCERTAIN are the frames of these indices."""
    count = len(overlaps)
    given = np.full(count, 0.5) if scores is None else np.array(scores)
    index = np.arange(count)
    states = np.select(
        [np.isin(index, lost), np.isin(index, uncertain)], ["lost", "uncertain"], "tracking"
    )
    return Reports(np.array(overlaps), given, states, np.ones(count, bool))


def test_frame_1_counts_nowhere():
    _, mean, _ = long_term.best_accuracy({"a": reports([1, 0.4, 0.8])})
    assert mean.precision == mean.recall == pytest.approx(0.6)
    assert long_term.count(reports([1, 0.4, 0.8])).frames == 2


def test_precision_counts_absent_frames_that_are_reported_and_recall_lost_ones():
    _, mean, _ = long_term.best_accuracy({"a": reports([1, 0.8, 0.8, NAN, 0.6], lost=(4,))})
    assert mean.precision == pytest.approx((0.8 + 0.8 + 0) / 3)
    assert mean.recall == pytest.approx((0.8 + 0.8) / 3)
    assert mean.f_score == pytest.approx(1.6 / 3)


def test_the_threshold_is_the_one_with_the_best_mean():
    # Without the frames below 0.6: precision 0.9, recall 0.6; with all: 0.3 and 0.6.
    one = reports([1, 0.9, 0.9, 0.0, NAN, NAN, NAN], [1, 0.8, 0.6, 0.5, 0.2, 0.3, 0.1])
    threshold, mean, rows = long_term.best_accuracy({"one": one})
    assert threshold == 0.6
    assert (
        rows["one"] == mean == Accuracy(pytest.approx(0.9), pytest.approx(0.6), pytest.approx(0.72))
    )
    # A second one, all of whose frames are needed, moves it for both.
    other = reports([1, *[1.0] * 6], [1, *[0.1] * 6])
    threshold, mean, rows = long_term.best_accuracy({"one": one, "other": other})
    assert threshold == 0.1
    assert rows["one"] == Accuracy(pytest.approx(0.3), pytest.approx(0.6), pytest.approx(0.4))
    assert mean.precision == pytest.approx((0.3 + 1) / 2)


def test_a_sequence_without_a_report_has_precision_1_and_recall_0():
    _, mean, _ = long_term.best_accuracy({"a": reports([1, 0.8, 0.8], lost=(1, 2))})
    assert mean == Accuracy(1.0, 0.0, 0.0)


def test_many_scores_give_a_bounded_number_of_thresholds():
    random = np.random.default_rng(0)
    overlaps, scores = random.random(5001), random.random(5001)
    threshold, mean, _ = long_term.best_accuracy({"a": reports([*overlaps], [*scores])})
    assert threshold == scores[1:].min()  # nothing is absent: all reports count
    assert mean.precision == pytest.approx(overlaps[1:].mean())


def test_frames_and_events_are_counted():
    #              0  1    2    3    4    5    6    7    8    9    10
    overlaps = [1.0, 0.8, 0.0, 0.0, NAN, NAN, 0.0, 0.2, 0.7, NAN, 0.9]
    counted = long_term.count(reports(overlaps, lost=(3, 5, 6), uncertain=(1, 4, 8)))
    assert counted.frames == 10
    assert counted.absent == 3
    assert counted.absent_lost == 1
    assert counted.present_lost == 2
    assert counted.returns == 2
    assert counted.frames_until_found == (2, 0)
    assert counted.wrong_frames == 3  # 2, 4 and 9: with a box that overlaps nothing
    assert counted.wrong_stretches == 3
    assert counted.wrong_tracking == 2  # 2 and 9: in 4 it was not sure
    assert counted.right_frames == 3  # 1, 8 and 10; 7 overlaps by a fifth
    assert counted.right_tracking == 1  # 10
    told = counted.as_dict()
    assert (told["found"], told["median_frames_until_found"]) == (2, 1.0)


def test_a_target_that_leaves_again_or_is_lost_was_not_found():
    assert long_term.count(reports([1, NAN, 0.4, NAN, 0.9], lost=(4,))).frames_until_found == ()
    assert long_term.count(reports([1, NAN, 0.4, NAN, 0.9])).frames_until_found == (0,)
    assert long_term.count(reports([1, NAN, 0.4, NAN, 0.9])).returns == 2


def test_frames_that_are_not_annotated_are_neither_there_nor_absent():
    row = reports([1, 0.5, NAN, NAN, 0.9])
    unknown = replace(row, annotated=np.array([1, 1, 0, 0, 1], bool))
    counted = long_term.count(unknown)
    assert (counted.frames, counted.absent, counted.returns, counted.wrong_frames) == (2, 0, 0, 0)
    assert long_term.best_accuracy({"a": unknown})[1].precision == pytest.approx(0.7)


def test_the_summary_adds_up_counts_and_averages_accuracies():
    told = long_term.summary({"a": reports([1, 0.8, NAN], lost=(2,)), "b": reports([1, 0.6, 0.0])})
    assert told["precision"] == pytest.approx((0.8 + 0.3) / 2)
    assert (told["frames"], told["absent"], told["absent_lost"]) == (4, 1, 1)
    assert told["sequences"]["b"]["wrong_frames"] == told["wrong_frames"] == 1
    assert told["median_frames_until_found"] is None
    cells = dict(zip(long_term.COLUMNS, long_term.cells(told), strict=True))
    assert cells["absent, called LOST"] == "1 of 1"
    assert cells["present, called LOST"] == "0 of 3"
    assert cells["on a wrong thing"] == "1 of 4"
    assert cells["median frames"] == "-"
