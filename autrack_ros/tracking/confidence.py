"""What a response map shows besides the place of the target: how high, how sharp, how alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autrack_ros.tracking.boxes import Box

LOOK_ALIKE = 0.5  # of the peak: where the second one is higher, there are two of them,
LEAST_RESPONSE = 0.1  # if it is so high; below it may be anything


class ResponseShape(NamedTuple):
    """What a response map shows (docs/confidence.md says what to expect of the numbers)."""

    peak: float  # 0..1, the highest response anywhere
    second_peak: float  # 0..1, the highest of a cell that sees something outside the box, or 0
    sharpness: float  # 1 (flat) .. number of cells (a single one responds)
    look_alike: Box | None  # that cell's box where there are two of them, coordinates as given


def measure_response(response: np.ndarray, corners: np.ndarray, box: Box) -> ResponseShape:
    """Measure a response map. Where that holds NaN, peak and sharpness are NaN.

    Cells beside a target respond, too, and predict the target's box. So a cell is taken for another
    thing's where the middle of the box that it predicts is outside.

    Args:
        response: (rows, cols), 0..1.
        corners: (rows, cols, 4), inclusive corners of the boxes that the cells predict,
            search-region pixels; a box that is not finite is of nothing.
        box: the target as it was found in this map, edge coordinates of the search region.
    """
    x0, y0, x1, y1 = box.corners
    with np.errstate(invalid="ignore"):  # of corners that are not finite
        x, y = np.moveaxis(corners[..., :2] + corners[..., 2:], -1, 0) / 2
    is_outside = (x < x0) | (x > x1) | (y < y0) | (y > y1)
    is_outside &= np.isfinite(corners).all(axis=-1)
    elsewhere = np.where(is_outside, response, 0.0)
    cell = np.unravel_index(elsewhere.argmax(), elsewhere.shape)
    peak, second = float(response.max()), float(elsewhere[cell])
    is_one = second > max(LOOK_ALIKE * peak, LEAST_RESPONSE)
    return ResponseShape(
        peak=peak,
        second_peak=second,
        sharpness=peak_to_correlation_energy(response),
        look_alike=Box.from_corners(*corners[cell].tolist()) if is_one else None,
    )


def peak_to_correlation_energy(response: np.ndarray) -> float:
    """Average peak-to-correlation energy (APCE) of a response map: high where one peak stands out.

    (max - min)^2 over the mean of (response - min)^2 (Wang, Liu, Huang: Large Margin Object
    Tracking with Circulant Feature Maps, CVPR 2017). It does not change when the map is scaled or
    shifted, and lies between 1 and the number of cells; of a flat map it is 1.
    """
    height = response.astype(np.float64) - response.min()
    top = float(height.max())
    if top == 0:
        return 1.0
    return 1 / float(np.mean(np.square(height / top)))
