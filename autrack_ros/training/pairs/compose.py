"""Crops of the bank drawn on top of each other, in batches, on any device.

A layer is planned with NumPy (which picture, where, of what shape) and drawn with torch: one affine
map from the canvas to the picture, bilinear, as the tracker cuts its windows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from autrack_ros.training.pairs.bank import CropBank

# Beyond the edge of its crop a picture goes on mirrored, this far (fractions of half a crop: less
# than what lies between the edge and the object in the middle), then as its last line.
MIRRORED = 0.6
SOFT_ELLIPSE = 0.1  # width of the soft edge, fraction of the radius
SOFT_RECTANGLE = 0.04


class Shape(IntEnum):
    """What of a picture is drawn."""

    ALL = 0  # everything, opaque
    OPACITY = 1  # what is opaque in the picture
    ELLIPSE = 2  # the inside of a soft super-ellipse
    RECTANGLE = 3  # the inside of a soft rectangle


@dataclass(frozen=True, slots=True)
class Layer:
    """At most one picture for each canvas of a batch; n in all.

    Attributes:
        canvas: (n,) int64, ascending: which canvas each is drawn on.
        picture: (n,) int64, into ``Pictures``.
        to_picture: (n, 2, 3) affine map from canvas to picture pixels (pixel centres).
        shape: (n,) int64, a ``Shape``.
        to_shape: (n, 2, 3) affine map from canvas pixels to coordinates in which a super-ellipse or
            rectangle reaches from -1 to 1.
        window: (n, 4) int64 x0, y0, x1, y1: nothing is drawn outside, canvas pixels.
    """

    canvas: np.ndarray
    picture: np.ndarray
    to_picture: np.ndarray
    shape: np.ndarray
    to_shape: np.ndarray
    window: np.ndarray

    def __len__(self) -> int:
        return len(self.canvas)

    def __getitem__(self, which: np.ndarray) -> Layer:
        return Layer(*(getattr(self, column.name)[which] for column in fields(self)))

    def of_canvases(self, start: int, stop: int) -> Layer:
        """The part on canvases start..stop-1, counted from start."""
        part = self[(self.canvas >= start) & (self.canvas < stop)]
        return Layer(part.canvas - start, *(getattr(part, f.name) for f in fields(part)[1:]))


class Pictures:
    """The crops 0..N-1 of a bank and its backgrounds N..N+M-1, on one device.

    On a CPU crops are unpacked when they are taken. On a GPU all of them lie there, unpacked.
    """

    def __init__(self, bank: CropBank, device: torch.device) -> None:
        self.device = device
        self.size = bank.pixels.size
        self._stored = bank.pixels
        self._backgrounds = bank.backgrounds
        self._unpacked: Tensor | None = None
        if device.type != "cpu":
            count = len(self._stored) + len(self._backgrounds)
            shape = count, self.size, self.size, 4
            self._unpacked = torch.empty(shape, dtype=torch.uint8, device=device)
            for number, row in enumerate(self._unpacked):
                row.copy_(torch.from_numpy(self._picture(number)))

    def take(self, index: np.ndarray) -> Tensor:
        """(n,) indices -> (n, 4, S, S) float32 BGR and opacity, 0..255."""
        if self._unpacked is not None:
            taken = self._unpacked.index_select(0, to_device(index, self.device))
        else:
            taken = torch.from_numpy(np.stack([self._picture(i) for i in index.tolist()]))
        return taken.permute(0, 3, 1, 2).float()

    def _picture(self, number: int) -> np.ndarray:
        """(S, S, 4) uint8."""
        if number < len(self._stored):
            return self._stored[number]
        background = self._backgrounds[number - len(self._stored)]
        return cv2.cvtColor(background.numpy(), cv2.COLOR_BGR2BGRA)


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """A plan's array on the device, without waiting for it."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def draw(canvases: Tensor, layer: Layer, pictures: Pictures) -> None:
    """Draw a layer over (B, 3, H, W) float32 canvases, in place."""
    if not len(layer):
        return
    x0, y0 = layer.window[:, :2].min(axis=0)
    x1, y1 = layer.window[:, 2:].max(axis=0)
    if x0 >= x1 or y0 >= y1:
        return
    window = int(x0), int(y0), int(x1), int(y1)
    size = np.full((len(layer), 2), pictures.size, float)
    places = _values(_normalized(layer.to_picture, size), window, canvases.device)
    reach = 1 + MIRRORED
    drawn = functional.grid_sample(
        pictures.take(layer.picture),
        places.clamp_(-reach, reach).permute(0, 2, 3, 1),
        padding_mode="reflection",
        align_corners=False,
    )
    opacity = _opacity(drawn[:, 3:], layer, window)
    color = drawn[:, :3]
    below = canvases[:, :, window[1] : window[3], window[0] : window[2]]
    if len(layer) == len(canvases):
        below.copy_(color) if opacity is None else below.lerp_(color, opacity)
        return
    rows = to_device(layer.canvas, canvases.device)
    below[rows] = color if opacity is None else below[rows].lerp_(color, opacity)


def _opacity(drawn: Tensor, layer: Layer, window: tuple[int, int, int, int]) -> Tensor | None:
    """(n, 1, h, w) 0..1, or None where all of every picture is drawn."""
    if (layer.shape == Shape.ALL).all():
        return None
    opacity = drawn / 255
    shaped = layer.shape >= Shape.ELLIPSE
    if shaped.any():
        to_shape = np.where(shaped[:, None, None], layer.to_shape, 0)
        x, y = _values(to_shape, window, drawn.device).pow_(4).unbind(1)
        larger, smaller = torch.maximum(x, y), torch.minimum(x, y)
        ellipse = layer.shape[:, None, None] == Shape.ELLIPSE
        soft = np.where(ellipse, SOFT_ELLIPSE, SOFT_RECTANGLE)
        # x^4 + y^4 = 1 is the super-ellipse, max(x^4, y^4) = 1 the rectangle; near the edge
        # 1 - r^4 is 4 (1 - r).
        inside = 1 - larger - smaller * _float(ellipse, drawn.device)
        inside *= _float(1 / (4 * soft), drawn.device)
        opacity *= inside.clamp_(0, 1)[:, None]
    if (layer.shape == Shape.ALL).any():
        everything = to_device(layer.shape == Shape.ALL, drawn.device)
        opacity.masked_fill_(everything[:, None, None, None], 1)
    return opacity


def _normalized(to_picture: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Affine maps whose results are -1..1 from edge to edge of a picture, not its pixels."""
    scaled = to_picture * (2 / size)[:, :, None]
    scaled[:, :, 2] += 1 / size - 1
    return scaled


def _float(array: np.ndarray, device: torch.device) -> Tensor:
    return to_device(array.astype(np.float32), device)


def _values(maps: np.ndarray, window: tuple[int, int, int, int], device: torch.device) -> Tensor:
    """(n, 2, 3) affine maps of canvas pixels -> (n, 2, h, w) float32, x and y in a window."""
    x0, y0, x1, y1 = window
    across, down, start = _float(maps, device)[..., None, None].unbind(2)
    x = torch.arange(x0, x1, dtype=torch.float32, device=device)
    y = torch.arange(y0, y1, dtype=torch.float32, device=device)[:, None]
    return across * x + (down * y + start)
