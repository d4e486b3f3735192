"""Training targets of SiamFC++ (video_analyst, data/target/.../make_densebox_target.py)."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Targets(NamedTuple):
    """What a prediction should be, one value per cell."""

    cls: torch.Tensor  # (B, H, W) 1 target, 0 background, -1 ignored
    ctr: torch.Tensor  # (B, H, W) 0..1, 0 outside the box
    boxes: torch.Tensor  # (B, H, W, 4) inclusive corners, 0 outside the box


def make_targets(
    corners: torch.Tensor, points: torch.Tensor, negative: torch.Tensor | None = None
) -> Targets:
    """Label every point of the response map.

    A point is positive when it lies strictly inside the box: no centre sampling, no scale ranges.

    Args:
        corners: (B, 4) inclusive corners of the target in each search region, pixels.
        points: (H, W, 2) positions of the cells in the search region (``response_grid``).
        negative: (B,) bool, true where the template shows another object than the one in the box.
            Its cells become background, all others are ignored; centre-ness and box stay as they
            are, as in the official code.
    """
    corners = corners.float()  # as the official code, also where a float64 box is given
    x0, y0, x1, y1 = corners[:, None, None, :].unbind(-1)
    left, top = points[..., 0] - x0, points[..., 1] - y0
    right, bottom = x1 - points[..., 0], y1 - points[..., 1]
    sides = torch.stack((left, top, right, bottom), dim=-1)
    inside = (sides > 0).all(dim=-1)
    small = torch.minimum(left, right) * torch.minimum(top, bottom)
    large = torch.maximum(left, right) * torch.maximum(top, bottom)
    centerness = torch.sqrt((small / (large + 1e-5)).abs())
    cls = inside.float()
    if negative is not None:
        cls = torch.where(negative[:, None, None], cls - 1, cls)
    return Targets(
        cls=cls,
        ctr=torch.where(inside, centerness, torch.zeros_like(centerness)),
        boxes=torch.where(inside[..., None], corners[:, None, None, :], 0.0),
    )
