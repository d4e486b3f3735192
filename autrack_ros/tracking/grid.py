"""Where the cells of a response map lie in the search region."""

from __future__ import annotations

import numpy as np


def grid_offset(cells: int, search_size: int, stride: int, origin: float | None = None) -> float:
    """Position of the first cell of a map, search-region pixels (pixel centres).

    Without an ``origin`` the map is centred in the search region (video_analyst's ``score_offset``;
    its integer division is exact for every published size).
    """
    return (search_size - 1 - (cells - 1) * stride) / 2 if origin is None else origin


def cell_centers(
    shape: tuple[int, ...], response_to_image: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the columns, (cols,), and the rows, (rows,), of a map lie in the image, pixels.

    Args:
        shape: of the map, (..., rows, cols).
        response_to_image: 2x3 without rotation, (column, row) of a cell -> its centre in the image.
    """
    rows, cols = shape[-2:]
    (scale_x, _, offset_x), (_, scale_y, offset_y) = response_to_image
    return scale_x * np.arange(cols) + offset_x, scale_y * np.arange(rows) + offset_y


def response_grid(
    rows: int, cols: int, search_size: int, stride: int, origin: float | None = None
) -> np.ndarray:
    """Points of the response map in the search region: (rows, cols, 2) float32, (x, y) pixels."""
    x = np.arange(cols) * stride + grid_offset(cols, search_size, stride, origin)
    y = np.arange(rows) * stride + grid_offset(rows, search_size, stride, origin)
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)
