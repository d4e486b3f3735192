"""Where to look for a lost target: a coarse-to-fine scan that grows to the whole image."""

from __future__ import annotations

import heapq
import math

import cv2
import numpy as np

Place = tuple[float, float]  # middle of a search region, pixels

ZOOM = 2.0  # of coarse regions: in them a target is seen half as large as in a fine one
SPACING = 0.75  # of coarse regions, fraction of their sides
FINE_PLACES = 4  # at least as many are looked at finely in a first round, the best first
REACH = 0.25  # of a fine region: a target so far from its middle is seen, fraction of the sides


class WideSearch:
    """A scan of an image for a target, a few search regions a frame.

    A round goes over the image in coarse regions, nearest to the last place first. Their responses
    are too weak to tell the target, but rank where it may be: the best places are looked at finely
    meanwhile. Then a new round begins, which looks at twice as many; after one that looked at all,
    a short one. So a target whose rank is low is found as well, where nothing stirs the ranks.

    Args:
        center: where the target was last, pixels.
        sides: width and height of a fine search region, pixels.
        width: of the image, pixels.
        height: of the image, pixels.

    Attributes:
        zoom: 1..ZOOM, sides of a coarse region in those of a fine one.
    """

    def __init__(self, center: Place, sides: tuple[float, float], width: int, height: int) -> None:
        self.sides = sides
        # No coarser than what shows the whole image.
        self.zoom = min(ZOOM, max(1.0, max(width / sides[0], height / sides[1]) / SPACING))
        across, down = (SPACING * self.zoom * side for side in sides)
        regions = [(x, y) for x in _middles(width, across) for y in _middles(height, down)]
        self._round = sorted(regions, key=lambda middle: math.dist(middle, center), reverse=True)
        self._peaks: list[tuple[float, float, float]] = []  # heap of (-response, x, y)
        self._fine_places = FINE_PLACES
        self._begin()

    def next_places(self, count: int) -> tuple[list[Place], list[Place]]:
        """Where to look in the next frame.

        Args:
            count: of regions; there are fewer where a round ends.

        Returns:
            fine and coarse regions.
        """
        fine: list[Place] = []
        coarse: list[Place] = []
        while len(fine) + len(coarse) < count:
            wants_fine = len(fine) < count // 2 or not self._coarse
            place = self._best_place() if wants_fine else None
            if place is not None:
                fine.append(place)
            elif self._coarse:
                coarse.append(self._coarse.pop())
            elif fine or coarse:
                break
            else:
                self._begin()
        return fine, coarse

    def learn(self, response: np.ndarray, response_to_image: np.ndarray) -> None:
        """Take the peaks of a coarse region's response as places to look at finely.

        Args:
            response: (rows, cols) float32, 0..1.
            response_to_image: 2x3, (column, row) of a cell -> its centre, pixels.
        """
        is_peak = response >= cv2.dilate(response, np.ones((3, 3), np.uint8))
        for row, column in np.argwhere(is_peak):
            x, y = response_to_image @ (column, row, 1.0)
            heapq.heappush(self._peaks, (-float(response[row, column]), float(x), float(y)))

    def _begin(self) -> None:
        self._coarse = self._round.copy()  # the nearest last
        self._fine_places = 2 * self._fine_places if self._peaks else FINE_PLACES
        self._peaks = []
        self._looked: list[Place] = []  # finely

    def _best_place(self) -> Place | None:
        """The highest peak that no fine region of the round has shown; None at its end."""
        if not self._coarse and len(self._looked) >= self._fine_places:
            return None
        while self._peaks:
            _, x, y = heapq.heappop(self._peaks)
            if not any(self._shows(looked, (x, y)) for looked in self._looked):
                self._looked.append((x, y))
                return x, y
        return None

    def _shows(self, middle: Place, place: Place) -> bool:
        """Whether a fine region about ``middle`` shows a target at ``place``."""
        distances = zip(middle, place, self.sides, strict=True)
        return all(abs(a - b) <= REACH * side for a, b, side in distances)


def _middles(length: int, step: float) -> list[float]:
    """Of equal parts of a length, none longer than the step."""
    count = math.ceil(length / step)
    return [(index + 0.5) * length / count for index in range(count)]
