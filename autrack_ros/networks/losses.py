"""The losses of SiamFC++ (video_analyst, model/loss/loss_impl): focal, centre-ness, IoU."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

from autrack_ros.networks.siamese import Prediction
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.tracking.targets import Targets

TINY = 1.18e-38  # floor of the official code before a logarithm: the smallest normal float32


class Losses(NamedTuple):
    """Weighted terms, each a scalar tensor."""

    cls: torch.Tensor
    ctr: torch.Tensor
    reg: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """Sum of the terms."""
        return self.cls + self.ctr + self.reg


class LossTerms(NamedTuple):
    """As ``LossSettings``, of tensors: an exported graph takes them as an input."""

    focal_alpha: torch.Tensor
    focal_gamma: torch.Tensor
    ctr_weight: torch.Tensor
    reg_weight: torch.Tensor


def focal_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    alpha: float | torch.Tensor,
    gamma: float | torch.Tensor,
) -> torch.Tensor:
    """Sigmoid focal loss, summed over all cells, divided by the number of positives."""
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    p = torch.sigmoid(logits)
    positive = -alpha * (1 - p) ** gamma * log_p
    negative = -(1 - alpha) * p**gamma * log_not_p
    loss = torch.where(labels == 1, positive, torch.where(labels == 0, negative, 0.0))
    return loss.sum() / (labels > 0).sum().clamp(min=1)


def centerness_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy above the entropy of the soft label, mean over cells with a label."""
    labelled = labels != 0
    entropy = -(torch.xlogy(labels, labels) + torch.xlogy(1 - labels, 1 - labels))
    loss = F.binary_cross_entropy_with_logits(logits, labels, reduction="none") - entropy
    return torch.where(labelled, loss, 0.0).sum() / labelled.sum().clamp(min=1)


def overlap_of(boxes: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """IoU, 0..1, of inclusive corner boxes: (..., 4) and (..., 4) -> (...)."""
    overlap_sides = torch.minimum(boxes[..., 2:], targets[..., 2:]) - torch.maximum(
        boxes[..., :2], targets[..., :2]
    )
    intersection = _area((overlap_sides + 1).clamp(min=0))
    area = _area(boxes[..., 2:] - boxes[..., :2] + 1)
    target_area = _area(targets[..., 2:] - targets[..., :2] + 1)
    return intersection / (area + target_area - intersection)


def iou_loss(boxes: torch.Tensor, targets: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """-log IoU of inclusive corner boxes, mean over positive cells."""
    overlap = overlap_of(boxes, targets)
    loss = -torch.log(overlap.clamp(min=TINY))
    return torch.where(positive, loss, 0.0).sum() / positive.sum().clamp(min=1)


def _area(sides: torch.Tensor) -> torch.Tensor:
    """Areas (...) of sides (..., 2)."""
    # Not ``prod``: its gradient waits for the device, which a CUDA graph cannot hold.
    return sides[..., 0] * sides[..., 1]


def tracking_loss(
    prediction: Prediction, targets: Targets, settings: LossSettings | LossTerms
) -> Losses:
    """The three weighted terms of the training loss of a batch."""
    return Losses(
        cls=focal_loss(prediction.cls, targets.cls, settings.focal_alpha, settings.focal_gamma),
        ctr=settings.ctr_weight * centerness_loss(prediction.ctr, targets.ctr),
        reg=settings.reg_weight * iou_loss(prediction.boxes, targets.boxes, targets.cls > 0),
    )
