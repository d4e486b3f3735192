"""Models of MegaGlest (``.g3d``): every frame of an animation has its own vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrack_ros.training.pictures.animated.binary import BinaryReader
from autrack_ros.training.pictures.animated.surface import from_the_top
from autrack_ros.training.sources import DataError

VERSION = 4
NAME_BYTES = 64
TEAM_COLOR = 1  # bit of a mesh's properties
DIFFUSE = 1  # bit of a mesh's textures: the colours


@dataclass(frozen=True, slots=True)
class GlestMesh:
    """F frames of V vertices, and T triangles; y is up.

    Attributes:
        positions: (F, V, 3) float32.
        normals: (F, V, 3) float32.
        uv: (V, 2) float32, v = 0 at the top of the texture.
        triangles: (T, 3) uint32 numbers of vertices.
        texture: file name beside the model, empty if it has none.
        color: (3,) float32 RGB, 0 to 1, of what has no texture.
        team_color: whether the player's colour shows where the texture is transparent.
    """

    positions: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    texture: str
    color: np.ndarray
    team_color: bool


def read_glest(data: bytes, where: str) -> list[GlestMesh]:
    """Read a model: one mesh or more.

    Raises:
        DataError: this is no model of that version, or broken; names the file ``where``.
    """
    reader = BinaryReader(data, where)
    reader.expect(b"G3D", VERSION, np.uint8)
    count = reader.number(np.uint16)
    reader.number(np.uint8)  # kind: there is one only
    if not count:
        raise DataError(f"{where}: it has no mesh")
    return [_read_mesh(reader) for _ in range(count)]


def _read_mesh(reader: BinaryReader) -> GlestMesh:
    reader.text(NAME_BYTES)
    frames, vertices, corners = reader.numbers(3)
    color = reader.floats(8)[:3]  # then the specular colour, its power and the opacity
    properties, textures = reader.numbers(2)
    names = [reader.text(NAME_BYTES) for _ in range(textures.bit_count())]
    positions = reader.floats(frames, vertices, 3)
    normals = reader.floats(frames, vertices, 3)
    uv = reader.floats(vertices, 2) if textures else np.zeros((vertices, 2), np.float32)
    triangles = reader.array(np.uint32, corners)
    if not (frames and vertices and corners) or corners % 3 or triangles.max() >= vertices:
        raise DataError(
            f"{reader.where}: a mesh of {frames} frames, {vertices} vertices and {corners} corners "
            "of triangles, or one of a vertex that it lacks"
        )
    return GlestMesh(
        positions=positions,
        normals=normals,
        uv=from_the_top(uv),
        triangles=triangles.reshape(-1, 3),
        texture=names[0] if textures & DIFFUSE else "",
        color=color,
        team_color=bool(properties & TEAM_COLOR),
    )
