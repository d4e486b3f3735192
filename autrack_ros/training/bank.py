"""All training objects as decoded crops of one size, ready to be composed into pairs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

CROP_SIZE = 320  # pixels
CROP_CONTEXTS = 2.8  # side of a crop, in context sides (tracking.crops.context_side) of its object
OUTLINE_POINTS = 32


@dataclass(frozen=True, eq=False)
class CropBank:
    """N crops, each centred on one view of an object, and M backgrounds.

    Attributes:
        pixels: (N, S, S, 4) uint8, BGR and opacity; opacity is 0 outside the picture or cut-out.
        outline: (N, 32, 2) float32, x and y in crop pixels (pixel centres). A cut-out: the points
            of its hull farthest in 32 directions. A box: its inscribed ellipse at 32 angles, with
            its four extremes among them, so that the outline's bounding box is the object's.
        cutout: (N,) bool; the opacity is the object's own.
        mean_color: (N, 3) float32 BGR 0..255 of the whole picture; of a cut-out's opaque pixels.
        object: (N,) int64; crops of one object are its views.
        label: (N,) int64, into ``label_names``.
        source: (N,) int64, into ``source_names``.
        picture: (N,) int64; crops of one picture must not serve as each other's background.
        time: (N,) int64; number of the view in its object.
        backgrounds: (M, S, S, 3) uint8 BGR, square parts of pictures without a target.
        skipped: pictures that could not be decoded.
    """

    pixels: Tensor
    outline: Tensor
    cutout: Tensor
    mean_color: Tensor
    object: Tensor
    label: Tensor
    source: Tensor
    picture: Tensor
    time: Tensor
    backgrounds: Tensor
    source_names: list[str]
    label_names: list[str]
    skipped: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device | str) -> CropBank:
        """The same bank with every tensor on a device."""
        tensors: dict[str, Any] = {
            column.name: value.to(device)
            for column in fields(self)
            if isinstance(value := getattr(self, column.name), Tensor)
        }
        return replace(self, **tensors)
