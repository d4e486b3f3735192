"""What a renderer sees of a figure: triangles with a texture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import cv2
import numpy as np

from autrack_ros.training.sources import DataError

TEXTURE_SIZE = 512  # pixels, longer side at most; a view shows no more


class Opacity(IntEnum):
    """What the opacity of a texture means."""

    NONE = 0
    TEAM_COLOR = 1  # where it is transparent the player's colour shows
    CUT = 2  # what is transparent is not there
    OWN_COLOR = 3  # what is transparent is multiplied by the surface's own colour, as of hair


@dataclass(frozen=True, slots=True)
class Texture:
    """Colours of a surface.

    Attributes:
        name: unique.
        image: HxWx4 uint8 RGBA, row 0 at v = 0.
    """

    name: str
    image: np.ndarray


@dataclass(frozen=True, slots=True)
class Surface:
    """V vertices and T triangles of one texture; y is up.

    Attributes:
        positions: (V, 3) float32.
        normals: (V, 3) float32.
        uv: (V, 2) float32.
        triangles: (T, 3) numbers of vertices.
        texture: its colours.
        opacity: what the texture's opacity means.
        color: RGB, 0 to 1, of ``Opacity.OWN_COLOR``.
    """

    positions: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    texture: Texture
    opacity: Opacity
    color: tuple[float, ...] = (1, 1, 1)


class Figure(Protocol):
    """Something that moves."""

    def pose(self, phase: float) -> Sequence[Surface]:
        """All it shows at a phase of its animation; 0 is the beginning and 1 the end."""
        ...


def from_the_top(uv: np.ndarray) -> np.ndarray:
    """Texture coordinates, (V, 2) float32, whose v runs from the bottom: v = 0 at the top."""
    return np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1)


def read_texture(data: bytes, name: str) -> Texture:
    """Decode a picture file, reduced to ``TEXTURE_SIZE``.

    Raises:
        DataError: it cannot be decoded; begins with ``name``.
    """
    from PIL import Image  # of the extra [train]

    try:
        image = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    except Exception as error:  # whatever Pillow stumbles over in a broken file
        raise DataError(f"{name}: {error}") from error
    scale = TEXTURE_SIZE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Texture(name, image)
