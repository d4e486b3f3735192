"""A picture of training pairs, to be looked at."""

from __future__ import annotations

import cv2
import numpy as np

from autrack_ros.training.pairs.framing import SEARCH_SIZE, TEMPLATE_SIZE
from autrack_ros.training.pairs.maker import BATCH, PairMaker

GREEN, RED = (0, 255, 0), (0, 0, 255)


def pair_sheet(maker: PairMaker, count: int = 48, columns: int = 8) -> np.ndarray:
    """The first pairs: each template with its box beside its search region.

    Returns:
        HxWx3 uint8 BGR; boxes are green, in the search regions of negative pairs red.
    """
    tiles: list[np.ndarray] = []
    for number in range(-(-count // BATCH)):
        batch = maker.batch(number)
        columns_of = (batch.template, batch.search, batch.template_corners, batch.corners)
        arrays = [column.cpu().numpy() for column in (*columns_of, batch.negative)]
        for template, search, template_corners, corners, negative in zip(*arrays, strict=True):
            tile = np.zeros((SEARCH_SIZE, TEMPLATE_SIZE + SEARCH_SIZE, 3), np.uint8)
            tile[:TEMPLATE_SIZE, :TEMPLATE_SIZE] = _boxed(template, template_corners, GREEN)
            tile[:, TEMPLATE_SIZE:] = _boxed(search, corners, RED if negative else GREEN)
            tiles.append(cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT))
    tiles = tiles[:count]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)


def _boxed(crop: np.ndarray, corners: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """3xHxW float crop as HxWx3 uint8, its box drawn one pixel wide."""
    picture = np.ascontiguousarray(np.rint(crop.transpose(1, 2, 0)).astype(np.uint8))
    x0, y0, x1, y1 = (round(float(value)) for value in corners)
    cv2.rectangle(picture, (x0, y0), (x1, y1), color, 1)
    return picture
