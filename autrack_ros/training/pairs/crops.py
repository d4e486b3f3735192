"""Many crops of one size, of which only what says something is kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """What is kept of one crop.

    Attributes:
        pixels: (h, w, 4) uint8 of a cut-out, BGR and opacity; (h, w, 3) of another crop.
        bounds: x0, y0, x1, y1 of the window in the crop.
        fill: BGR of a cut-out's crop outside the window.
    """

    pixels: np.ndarray
    bounds: tuple[int, ...]
    fill: tuple[int, ...]


class StoredCrops:
    """N crops, each S x S x 4 uint8, BGR and opacity, of which a window is stored.

    A cut-out has one colour and no opacity outside its window. Any other crop is opaque inside its
    window, which has three channels; outside, its edge goes on at opacity 0. A cut-out takes 20 to
    30 kB so, where all of its crop would take 410.

    Args:
        size: S.
        windows: in the order of the crops.
    """

    def __init__(self, size: int, windows: Sequence[StoredWindow]) -> None:
        self.size = size
        self._pixels = [window.pixels for window in windows]
        self.bounds = np.array([window.bounds for window in windows], np.int64).reshape(-1, 4)
        self.fill = np.array([window.fill for window in windows], np.uint8).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> np.ndarray:
        """(S, S, 4) uint8."""
        stored, (x0, y0, x1, y1) = self._pixels[index], self.bounds[index].tolist()
        border = y0, self.size - y1, x0, self.size - x1
        if stored.shape[2] == 4:
            fill = (*self.fill[index].tolist(), 0)
            return cv2.copyMakeBorder(stored, *border, cv2.BORDER_CONSTANT, value=fill)
        whole = cv2.copyMakeBorder(stored, *border, cv2.BORDER_REPLICATE)
        crop = cv2.cvtColor(whole, cv2.COLOR_BGR2BGRA)
        crop[:y0, :, 3] = crop[y1:, :, 3] = crop[:, :x0, 3] = crop[:, x1:, 3] = 0
        return crop

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    @property
    def nbytes(self) -> int:
        """Memory that the windows take."""
        return sum(pixels.nbytes for pixels in self._pixels)

    def windows(self) -> Iterator[StoredWindow]:
        """All crops, as they were given."""
        for index in range(len(self)):
            bounds, fill = self.bounds[index].tolist(), self.fill[index].tolist()
            yield StoredWindow(self._pixels[index], tuple(bounds), tuple(fill))

    def opaque_shares(self) -> np.ndarray:
        """(N,) float64, the share of each crop that is wholly opaque."""
        sides = self.bounds[:, 2:] - self.bounds[:, :2]
        shares = sides.prod(axis=1) / self.size**2
        for index, pixels in enumerate(self._pixels):
            if pixels.shape[2] == 4:
                shares[index] *= float((pixels[..., 3] == 255).mean())
        return shares


def stored_window(crop: np.ndarray, cutout: bool) -> StoredWindow:
    """The window of an (S, S, 4) uint8 crop that has to be kept; of a cut-out one pixel more."""
    seen = crop[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    margin = int(cutout)
    y0, x0 = max(int(rows[0]) - margin, 0), max(int(columns[0]) - margin, 0)
    y1 = min(int(rows[-1]) + 1 + margin, len(crop))
    x1 = min(int(columns[-1]) + 1 + margin, len(crop))
    pixels = crop[y0:y1, x0:x1, : 4 if cutout else 3].copy()
    return StoredWindow(pixels, (x0, y0, x1, y1), tuple(crop[0, 0, :3].tolist()))
