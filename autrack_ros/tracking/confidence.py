"""What a response map shows besides the place of the target: how high, how sharp, how alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.grid import cell_centers


class ResponseShape(NamedTuple):
    """Three measures of a response map (docs/confidence.md says what to expect of them)."""

    peak: float  # 0..1, the highest response anywhere
    second_peak: float  # 0..1, the highest of a cell outside the box; 0 where there is none
    sharpness: float  # 1 (flat) .. number of cells (a single one responds)


def measure_response(
    response: np.ndarray, response_to_image: np.ndarray, box: Box
) -> ResponseShape:
    """Measure a response map. NaN in the map gives NaN.

    Args:
        response: (rows, cols), 0..1.
        response_to_image: 2x3 without rotation, (column, row) of a cell -> its centre in the image.
        box: the target as it was found in this map, edge coordinates of the image.
    """
    x, y = cell_centers(response.shape, response_to_image)
    in_box = ((box.y <= y) & (y <= box.y + box.h))[:, None] & (box.x <= x) & (x <= box.x + box.w)
    return ResponseShape(
        peak=float(response.max()),
        second_peak=float(np.max(response, where=~in_box, initial=0.0)),
        sharpness=peak_to_correlation_energy(response),
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
