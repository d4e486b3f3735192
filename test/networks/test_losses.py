import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch

from autrack_ros.networks.losses import centerness_loss, focal_loss, iou_loss
from autrack_ros.tracking.grid import response_grid
from autrack_ros.tracking.targets import make_targets


def test_focal_loss_without_focus_is_half_of_cross_entropy():
    logits = torch.tensor([[[0.3, -1.2, 2.0]]])
    labels = torch.tensor([[[1.0, 0.0, 0.0]]])
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
    assert focal_loss(logits, labels, 0.5, 0.0).item() == pytest.approx(0.5 * entropy.item())


def test_focal_loss_of_one_cell_follows_the_formula():
    p = 1 / (1 + math.exp(-0.7))
    labels = torch.ones(1, 1, 1)
    loss = focal_loss(torch.full((1, 1, 1), 0.7), labels, 0.25, 2.0)
    assert loss.item() == pytest.approx(-0.25 * (1 - p) ** 2 * math.log(p), rel=1e-5)


def test_ignored_cells_do_not_count():
    labels = torch.tensor([[[1.0, -1.0]]])
    one = focal_loss(torch.tensor([[[0.5, 9.0]]]), labels, 0.25, 2.0)
    other = focal_loss(torch.tensor([[[0.5, -9.0]]]), labels, 0.25, 2.0)
    assert one == other > 0


def test_a_perfect_centreness_has_no_loss():
    labels = torch.tensor([[[0.25, 0.5, 0.0]]])
    logits = torch.logit(labels.clamp(min=1e-3))
    assert centerness_loss(logits, labels).item() == pytest.approx(0, abs=1e-6)


def test_iou_loss_counts_inclusive_pixels():
    predicted = torch.tensor([[[[0.0, 0.0, 9.0, 9.0]]]])
    truth = torch.tensor([[[[0.0, 0.0, 9.0, 4.0]]]])
    positive = torch.ones(1, 1, 1, dtype=torch.bool)
    assert iou_loss(predicted, truth, positive).item() == pytest.approx(-math.log(0.5))


def test_disjoint_boxes_have_a_finite_loss():
    predicted = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]], requires_grad=True)
    truth = torch.tensor([[[[50.0, 50.0, 60.0, 60.0]]]])
    loss = iou_loss(predicted, truth, torch.ones(1, 1, 1, dtype=torch.bool))
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(predicted.grad).all()


def test_a_batch_without_positives_has_no_box_loss():
    zeros = torch.zeros(1, 2, 2, 4)
    assert iou_loss(zeros, zeros, torch.zeros(1, 2, 2, dtype=torch.bool)).item() == 0
    assert centerness_loss(torch.ones(1, 2, 2), torch.zeros(1, 2, 2)).item() == 0


def test_points_on_the_border_of_the_box_are_negative():
    points = response_grid(17, 17, 303, 8)
    assert points[0, 0].tolist() == [87, 87]
    targets = make_targets(np.array([[87.0, 87.0, 103.0, 103.0]]), points)
    assert targets.cls.sum() == 1
    assert targets.cls[0, 1, 1] == 1
    assert targets.ctr[0, 1, 1] == pytest.approx(1)


def test_a_negative_pair_keeps_only_its_box_as_background():
    points = response_grid(17, 17, 303, 8)
    box = np.array([[100.0, 100.0, 200.0, 200.0]]).repeat(2, axis=0)
    targets = make_targets(box, points, negative=np.array([False, True]))
    inside = targets.cls[0] == 1
    assert (targets.cls[1][inside] == 0).all()
    assert (targets.cls[1][~inside] == -1).all()
    np.testing.assert_array_equal(targets.ctr[0], targets.ctr[1])
