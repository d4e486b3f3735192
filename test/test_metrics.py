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
