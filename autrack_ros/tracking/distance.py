"""How far away a target is, from a depth image: a statistic of the target, not of its box.

A box holds background at its rim, may have something in front of it, and depth cameras leave holes.
So the inner part of the box is looked at, each pixel as much as the response map says that it is
the target; of the depths that pile up there, the nearest pile of weight is the target's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import AutrackError

_INNER = 0.7  # of the box's sides
_MOST_PIXELS = 1500  # looked at; more change the median less than a depth camera's noise
_FEWEST_PIXELS = 12
_LEAST_VALID = 0.05  # of the pixels looked at
_NEAREST_M, _FARTHEST_M = 0.05, 200.0
_BIN = 0.01  # of the logarithm of the depth: one percent
_PILE = np.ones(9)  # bins that are counted together: the noise of a depth camera, some relief
_FOREGROUND = 0.5  # of the weight of the largest pile makes a nearer one the target
_PILE_EDGE = 0.1  # of its height, below which a pile ends
_REACH = 20  # bins to either side at most
_LEAST_WEIGHT = 0.02  # where the response map shows nothing
_PARTS = np.array([0.1587, 0.5, 0.8413])  # of the weight: a median, one deviation to each side


class NoDistanceError(AutrackError):
    """The depth image does not show how far away the target is; the message says why."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far away a target is along the optical axis.

    Attributes:
        meters: median of its pixels' depths.
        spread: standard deviation of them, from quantiles, metres: relief and noise.
        share: 0..1, of the weight in the box that is the target's.
    """

    meters: float
    spread: float
    share: float


def measure_distance(
    depth: np.ndarray,
    unit_m: float,
    box: Box,
    response: np.ndarray | None = None,
    response_to_depth: np.ndarray | None = None,
) -> Distance:
    """Measure how far away a target is.

    Args:
        depth: HxW, any numbers; what is not finite or not above 0 is a hole.
        unit_m: metres that a 1 in it means.
        box: the target in the depth image, edge coordinates in pixels.
        response: (rows, cols), 0..1, the target's response map; None where there is none.
        response_to_depth: 2x3, from (column, row) of a cell to edge coordinates of the depth image.

    Raises:
        NoDistanceError: the box is outside the image, or hardly a pixel in it has a depth.
    """
    rows, columns = _pixels(box, *depth.shape)
    values = depth[rows, columns].astype(np.float32)
    values *= np.float32(unit_m)
    with np.errstate(invalid="ignore"):
        valid = (values > _NEAREST_M) & (values < _FARTHEST_M)  # NaN is neither
    count = int(np.count_nonzero(valid))
    if count < max(_FEWEST_PIXELS, _LEAST_VALID * values.size):
        raise NoDistanceError(
            f"{count} of the {values.size} pixels looked at in the box have a depth between "
            f"{_NEAREST_M:g} and {_FARTHEST_M:g} m"
        )
    if response is None or response_to_depth is None:
        weights = np.ones(count, np.float32)
    else:
        weights = _response_at(rows, columns, values.shape, response, response_to_depth)[valid]
    return _foreground(values[valid], weights)


def _pixels(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the pixels to look at in the inner part of the box."""
    (x, y), (w, h) = box.center, (_INNER * box.w, _INNER * box.h)
    inner = Box(x - w / 2, y - h / 2, w, h).clipped(width, height)
    if not inner.w * inner.h >= 1:
        raise NoDistanceError("the middle of the box is outside the depth image")
    stride = max(1, math.ceil(math.sqrt(inner.area / _MOST_PIXELS)))
    rows = slice(int(inner.y), math.ceil(inner.y + inner.h), stride)
    return rows, slice(int(inner.x), math.ceil(inner.x + inner.w), stride)


def _response_at(
    rows: slice,
    columns: slice,
    shape: tuple[int, ...],
    response: np.ndarray,
    response_to_depth: np.ndarray,
) -> np.ndarray:
    """The response map at the middles of pixels, rows x columns."""
    looked_at = np.array(
        [[columns.step, 0, columns.start + 0.5], [0, rows.step, rows.start + 0.5], [0, 0, 1]]
    )
    to_cell = cv2.invertAffineTransform(np.asarray(response_to_depth, np.float64)) @ looked_at
    found = cv2.warpAffine(
        np.ascontiguousarray(response, np.float32),
        to_cell,
        shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.maximum(found, _LEAST_WEIGHT)


def _foreground(values: np.ndarray, weights: np.ndarray) -> Distance:
    """The nearest pile of depths that is large enough: its median, spread and share."""
    bins = (np.log(values / _NEAREST_M) / _BIN).astype(np.int64)
    first = int(bins.min())
    heights = np.bincount(bins - first, weights)
    piles = np.convolve(heights, _PILE, "full")[len(_PILE) // 2 :][: len(heights)]
    padded = np.concatenate([[0.0], piles, [0.0]])
    is_peak = (piles >= padded[:-2]) & (piles >= padded[2:]) & (piles >= _FOREGROUND * piles.max())
    peak = int(np.flatnonzero(is_peak)[0])
    low, high = _ends(piles, peak)
    members = (bins >= first + low) & (bins <= first + high)
    low_m, meters, high_m = _quantiles(values[members], weights[members], _PARTS)
    share = float(weights[members].sum() / weights.sum())
    return Distance(meters, (high_m - low_m) / 2, share)


def _ends(piles: np.ndarray, peak: int) -> tuple[int, int]:
    """First and last bin of the pile about a peak."""
    is_low = piles < _PILE_EDGE * piles[peak]
    before = np.flatnonzero(is_low[: peak + 1])
    after = np.flatnonzero(is_low[peak:])
    low = int(before[-1]) + 1 if len(before) else 0
    high = peak + int(after[0]) - 1 if len(after) else len(piles) - 1
    return max(low, peak - _REACH), min(high, peak + _REACH)


def _quantiles(values: np.ndarray, weights: np.ndarray, parts: np.ndarray) -> list[float]:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    found: list[float] = values[order[np.searchsorted(sums, parts * sums[-1])]].tolist()
    return found
