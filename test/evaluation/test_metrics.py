from __future__ import annotations

import numpy as np
import pytest

from autrack_ros.evaluation import metrics
from autrack_ros.tracking.boxes import Box, iou

TRUTH = np.array([[0.0, 0, 10, 10]])


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([0, 0, 10, 10], 1),
        ([5, 0, 10, 10], 50 / 150),
        ([2, 3, 4, 5], 20 / 100),
        ([10, 0, 10, 10], 0),
        ([20, 20, 1, 1], 0),
        ([np.nan, 0, 10, 10], 0),
    ],
)
def test_iou_by_hand(predicted, expected):
    assert metrics.ious(np.array([predicted], float), TRUTH) == pytest.approx([expected])


def test_equal_boxes_overlap_by_one_at_most():
    boxes = np.random.default_rng(0).uniform(0.1, 300, (1000, 4))
    overlaps = metrics.ious(boxes, boxes)
    assert overlaps.max() == 1
    np.testing.assert_allclose(overlaps, 1)


def test_iou_agrees_with_that_of_boxes():
    generator = np.random.default_rng(0)
    a, b = generator.uniform(1, 30, (2, 100, 4))
    expected = [iou(Box(*left), Box(*right)) for left, right in zip(a, b, strict=True)]
    np.testing.assert_allclose(metrics.ious(a, b), expected)


def test_center_error_by_hand():
    predicted = np.array([[3.0, 4, 10, 10], [0, 0, 16, 18], [np.nan, 0, 1, 1]])
    errors = metrics.center_errors(predicted, TRUTH.repeat(3, axis=0))
    assert errors.tolist() == [5.0, 5.0, np.inf]


def test_success_counts_strictly_larger_overlaps():
    # Half overlap passes 0, 0.05, ... 0.45 and not 0.5 itself: 10 of 21 thresholds.
    assert metrics.success_auc(np.array([0.5])) == pytest.approx(10 / 21)
    assert metrics.success_auc(np.array([1.0])) == pytest.approx(20 / 21)
    assert metrics.success_auc(np.array([0.0])) == 0
    assert metrics.success_auc(np.array([0.5, 1.0])) == pytest.approx(15 / 21)


def test_precision_includes_twenty_pixels():
    assert metrics.precision(np.array([0, 20.0, 20.001, np.inf])) == 0.5


def test_absent_frames_count_in_no_metric():
    truth = np.array([[0, 0, 10, 10], [np.nan] * 4, [0, 0, 0, 0]], float)
    predicted = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 10, 10]], float)
    overlaps = metrics.ious(predicted, truth)
    errors = metrics.center_errors(predicted, truth)
    assert metrics.present(truth).tolist() == [True, False, False]
    np.testing.assert_array_equal(np.isnan(overlaps), [False, True, True])
    np.testing.assert_array_equal(np.isnan(errors), [False, True, True])
    assert metrics.success_auc(overlaps) == pytest.approx(20 / 21)
    assert metrics.precision(errors) == 1


def test_success_and_precision_follow_the_got10k_toolkit():
    """Its definitions, written out: strict > for success, <= for precision, centres of pixels."""
    generator = np.random.default_rng(1)
    truth = generator.uniform(5, 60, (200, 4))
    predicted = truth + generator.normal(0, 8, truth.shape)
    predicted[:, 2:] = np.abs(predicted[:, 2:]) + 1
    overlaps = metrics.ious(predicted, truth)
    thresholds = np.linspace(0, 1, 21)
    success = np.mean([[overlap > bin for bin in thresholds] for overlap in overlaps], axis=0)
    assert metrics.success_auc(overlaps) == pytest.approx(success.mean(), abs=1e-12)
    centers = [boxes[:, :2] + (boxes[:, 2:] - 1) / 2 for boxes in (predicted, truth)]
    errors = np.sqrt(((centers[0] - centers[1]) ** 2).sum(axis=1))
    np.testing.assert_allclose(metrics.center_errors(predicted, truth), errors)


def test_normalized_errors_by_hand():
    truth = np.array([[0.0, 0, 10, 20], [0, 0, 10, 20], [0, 0, 0, 20]])
    predicted = np.array([[3.0, 8, 10, 20], [np.nan, 0, 1, 1], [0, 0, 1, 1]])
    errors = metrics.normalized_errors(predicted, truth)
    np.testing.assert_array_equal(errors, [0.5, np.inf, np.nan])


def test_both_normalized_precisions_by_hand():
    errors = np.array([0.0, 0.2, 0.21, 0.5, np.inf, np.nan])
    assert metrics.normalized_precision(errors) == pytest.approx(2 / 5)
    # Of the 51 thresholds 0, 0.01, ... 0.5 the errors pass 51, 31, 30, 1 and none.
    assert metrics.normalized_precision_auc(errors) == pytest.approx((51 + 31 + 30 + 1) / 5 / 51)


def test_got10k_metrics_leave_the_given_frame_out():
    overlaps = np.array([1.0, 0.5, 0.76, np.nan, 0.3])
    assert metrics.average_overlap(overlaps) == pytest.approx((0.5 + 0.76 + 0.3) / 3)
    assert metrics.success_rate(overlaps, 0.5) == pytest.approx(1 / 3)
    assert metrics.success_rate(overlaps, 0.75) == pytest.approx(1 / 3)


def noisy_boxes(frames: int = 60, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth; the target is absent in frames 10 to 14."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(20, 60, (frames, 4))
    predicted = truth + generator.normal(0, 8, truth.shape)
    predicted[0] = truth[0]
    truth[10:15] = np.nan
    return predicted, truth


def test_attribute_scores_are_those_of_its_frames():
    predicted, truth = noisy_boxes()
    on = np.arange(60) % 2 == 1
    found = metrics.attribute_scores(
        predicted, truth, {"odd": on, "all": on | True, "first": np.arange(60) == 0}
    )
    assert found.keys() == {"odd", "all"}
    assert found["all"] == metrics.scores(predicted, truth)
    overlaps = metrics.ious(predicted, truth)[on]
    assert found["odd"]["ao"] == pytest.approx(np.nanmean(overlaps))
    assert found["odd"]["auc"] == pytest.approx(metrics.success_auc(overlaps))


def test_mean_scores_are_over_sequences():
    rows = [{"auc": 0.2, "ao": 1.0}, {"auc": 0.4, "ao": 0.0}]
    assert metrics.mean_scores(rows) == pytest.approx({"auc": 0.3, "ao": 0.5})
    assert metrics.mean_scores([]) is None


def test_scores_equal_those_of_the_got10k_package():
    pytest.importorskip("got10k")
    from got10k.experiments import ExperimentGOT10k, ExperimentOTB
    from got10k.utils.metrics import center_error, rect_iou

    predicted, truth = noisy_boxes()
    ours = metrics.scores(predicted, truth)
    there = metrics.present(truth)
    overlaps = rect_iou(predicted[there], truth[there])
    errors = center_error(predicted[there], truth[there])
    otb = ExperimentOTB.__new__(ExperimentOTB)  # its constructor downloads the dataset
    otb.nbins_iou, otb.nbins_ce = 21, 51
    success, precision = otb._calc_curves(overlaps, errors)
    got10k = ExperimentGOT10k.__new__(ExperimentGOT10k)
    ao, sr50, _, _ = got10k._evaluate(overlaps[1:], np.ones(1))
    theirs = {"auc": success.mean(), "precision": precision[20], "ao": ao, "sr50": sr50}
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-6)


def test_the_legend_of_pages_explains_every_column():
    assert all(column in metrics.LEGEND for column in metrics.COLUMNS.values())
