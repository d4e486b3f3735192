"""What tells a target from what is beside it, learnt in its first image and while it is followed.

A network finds what it is shown anywhere, and another thing of the kind scores as high. Here is
learnt what the two differ in, in this very film: Fisher's linear discriminant between the features
of the search region at the target and those beside it (Fisher, The use of multiple measurements in
taxonomic problems, 1936; with one scatter for all that is not the target, as Hariharan et al.,
Discriminative decorrelation for clustering and classification, ECCV 2012). So a look-alike is known
once it was seen beside the target. ATOM and DiMP learn a filter for that by descent; this one has a
closed form and takes less than a millisecond a frame. Measured in docs/lost.md.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.grid import cell_centers
from autrack_ros.tracking.likeness import Evidence

SPREAD = 0.15  # standard deviation of the weights about the target's centre, in parts of its sides
BESIDE = 0.6  # of its sides from its centre on it is something else
LEAST_CELLS = 16  # beside the target; with fewer there is nothing to learn
SHORTEST = 1e-6  # of features; where they are shorter, there are none
RIDGE = 0.1  # added to the scatter's diagonal, in parts of its mean
LEAST_DISTANCE = 20.0  # squared, Mahalanobis's, of target and rest; films have 140 to 850
EVERY = 8  # frames: so often it is learnt
MEMORY = 25  # such frames, over which the mean of what is learnt runs
FIRST_WORTH = 10  # frames that the first image counts as
FIRST_BESIDE = 0.3  # at least that much of what is beside the target stays that of the first image,
FIRST_TARGET = 0.6  # and of the target, so that following another thing does not turn it into that
PREFERENCE = 6.0, 0.3  # slope, and what is known where a cell's score counts half
EVIDENCE = Evidence(10.0, 6.0)  # what is known of the chosen cell beside its score

# The products are small, and threads for them wait for each other on busy cores: a hundred
# milliseconds in place of one.
_on_one_thread = ThreadpoolController().wrap(limits=1, user_api="blas")


class Statistics(NamedTuple):
    """Of the features of search regions, each cell's of length 1.

    Attributes:
        target: (C,) float32, mean at the target.
        beside: (C,) float32, mean beside it.
        scatter: (C, C) float32, covariance beside it.
    """

    target: np.ndarray
    beside: np.ndarray
    scatter: np.ndarray

    def towards(self, other: Statistics, share: float) -> Statistics:
        """Between the two, by a share of the other."""
        return Statistics(
            *(one + share * (another - one) for one, another in zip(self, other, strict=True))
        )


@_on_one_thread
def measure(features: np.ndarray, response_to_image: np.ndarray, box: Box) -> Statistics | None:
    """What one search region tells, with the target in a box.

    Args:
        features: (C, H, W) float32, of the cells.
        response_to_image: 2x3, (column, row) of a cell -> its centre, image pixels.
        box: edge coordinates.

    Returns:
        None where no cell is at the target, or too few are beside it.
    """
    x, y = cell_centers(features.shape, response_to_image)
    away_x = np.abs(x - box.center[0])[None, :] / box.w
    away_y = np.abs(y - box.center[1])[:, None] / box.h
    near = np.exp(-(away_x**2 + away_y**2) / (2 * SPREAD**2)).ravel()
    is_beside = ((away_x > BESIDE) | (away_y > BESIDE)).ravel()
    if near.max() < 1e-3 or is_beside.sum() < LEAST_CELLS:
        return None
    cells = _cells(features)
    others = cells[is_beside]
    beside = others.mean(axis=0)
    others = others - beside
    scatter = others.T @ others / len(others)
    return Statistics((near / near.sum()).astype(np.float32) @ cells, beside, scatter)


class Discriminant:
    """Of one target, wherever it is looked for.

    Args:
        first: what the search region of its first image told.
    """

    def __init__(self, first: Statistics) -> None:
        self._first = first
        self._later: Statistics | None = None  # running mean
        self._sure, self._learnt = 0, 0  # frames
        self._solve()

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """How much each cell is like the target, (H, W) float32: 1 as it, 0 as what is beside it.

        1 everywhere where the two cannot be told apart.
        """
        lengths = np.sqrt(np.einsum("chw,chw->hw", features, features))
        along = np.einsum("c,chw->hw", self._weights, features)
        return along / np.maximum(lengths, SHORTEST) - self._offset

    def learn(self, features: np.ndarray, response_to_image: np.ndarray, box: Box) -> None:
        """Take in one more frame in which the target surely is in the box; see ``measure``.

        Of frames after the first ones one in ``EVERY`` is looked at.
        """
        self._sure += 1
        if self._sure > FIRST_WORTH and self._sure % EVERY:
            return
        seen = measure(features, response_to_image, box)
        if seen is None:
            return
        self._learnt += 1
        rate = 1 / min(self._learnt, MEMORY)
        self._later = seen if self._later is None else self._later.towards(seen, rate)
        self._solve()

    @_on_one_thread
    def _solve(self) -> None:
        """Weights and offset from the statistics."""
        known = self._first
        if self._later is not None:
            first = FIRST_WORTH / (FIRST_WORTH + self._learnt)
            known = self._later.towards(known, max(first, FIRST_BESIDE))
            target = self._later.target
            target = target + max(first, FIRST_TARGET) * (self._first.target - target)
            known = known._replace(target=target)
        apart = known.target - known.beside
        scatter = known.scatter.copy()
        np.fill_diagonal(scatter, scatter.diagonal() + RIDGE * np.trace(scatter) / len(apart))
        solved, weights = cv2.solve(scatter, apart[:, None], flags=cv2.DECOMP_CHOLESKY)
        distance = float(weights[:, 0] @ apart) if solved else 0.0
        if distance >= LEAST_DISTANCE:
            self._weights = weights[:, 0] / distance
            self._offset = float(known.beside @ self._weights)
        else:  # an image without texture, or with nothing else in it
            self._weights, self._offset = np.zeros_like(apart), -1.0


def preference(known: np.ndarray) -> np.ndarray:
    """Factors, 0..1, for the scores of cells of which so much is known."""
    slope, middle = PREFERENCE
    return 1 / (1 + np.exp(np.minimum(-slope * (known - middle), 50)))


def at_boxes(known: np.ndarray, corners: np.ndarray, stride: int, offset: float) -> np.ndarray:
    """What is known at the middle of the box that each cell predicts, (H, W) float32.

    A box that is not finite is told what one of the cells at the border is.

    Args:
        known: (H, W) float32, from ``Discriminant``.
        corners: (H, W, 4) float32 inclusive corners of the boxes, search-region pixels.
        stride: from a cell to the next, pixels.
        offset: position of the first cell, pixels.
    """
    cells = (corners[..., :2] + corners[..., 2:] - 2 * offset) / (2 * stride)
    return cv2.remap(known, cells, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _cells(features: np.ndarray) -> np.ndarray:
    """(H * W, C) float32, each of length 1."""
    cells = features.reshape(len(features), -1).T
    return cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), SHORTEST)
