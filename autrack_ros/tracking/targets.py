"""Training targets of SiamFC++ (video_analyst, data/target/.../make_densebox_target.py)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = Any  # of NumPy; where a runtime or the training computes with them, of torch


class Targets(NamedTuple):
    """What a prediction should be, one value per cell, float32."""

    cls: Array  # (B, H, W) 1 target, 0 background, -1 ignored
    ctr: Array  # (B, H, W) 0..1, 0 outside the box
    boxes: Array  # (B, H, W, 4) inclusive corners, 0 outside the box


def make_targets(
    corners: np.ndarray, points: np.ndarray, negative: np.ndarray | None = None
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
    # As the official code, also where a float64 box is given.
    corners = corners.astype(np.float32)[:, None, None]
    left_top, right_bottom = points - corners[..., :2], corners[..., 2:] - points
    inside = (left_top > 0).all(axis=-1) & (right_bottom > 0).all(axis=-1)
    small = np.minimum(left_top, right_bottom).prod(axis=-1)
    large = np.maximum(left_top, right_bottom).prod(axis=-1)
    centerness = np.sqrt(np.abs(small / (large + np.float32(1e-5))))
    cls = inside.astype(np.float32)
    if negative is not None:
        cls = np.where(negative[:, None, None], cls - 1, cls)
    return Targets(
        cls=cls,
        ctr=np.where(inside, centerness, np.float32(0)),
        boxes=np.where(inside[..., None], corners, np.float32(0)),
    )
