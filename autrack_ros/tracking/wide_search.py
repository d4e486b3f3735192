"""Where to look for a lost target: around its last place first, then ever farther."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

SPACING = 0.5  # of places to look at, fraction of the search region's side


def places(
    center: tuple[float, float], side: float, width: int, height: int
) -> Iterator[tuple[float, float]]:
    """Centres of search regions that cover an image, nearest first, again and again.

    Neighbours overlap by half, so that a target as large as half a region is wholly inside one.

    Args:
        center: where the target was last, pixels; always the first place.
        side: of the search region, pixels.
        width: of the image, pixels.
        height: of the image, pixels.
    """
    step = SPACING * side

    def along(middle: float, length: int) -> list[float]:
        before, after = math.ceil(middle / step), math.ceil((length - middle) / step)
        values = {min(max(middle + k * step, 0.0), length) for k in range(-before, after + 1)}
        return sorted(values, key=lambda value: (abs(value - middle), value))

    def column(x: float) -> Iterator[tuple[float, tuple[float, float]]]:
        return ((math.dist((x, y), center), (x, y)) for y in rows)

    # One by one: around a tiny target in a large image there are a million.
    columns, rows = along(center[0], width), along(center[1], height)
    while True:
        for _, place in heapq.merge(*map(column, columns)):
            yield place
