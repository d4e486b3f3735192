"""Meshes of 0 A.D. (``.pmd``), with the bones that bend them and the points where props hang."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrack_ros.training.pictures.animated.binary import BinaryReader
from autrack_ros.training.pictures.animated.skeleton import NO_BONE, STILL, bone_matrices
from autrack_ros.training.pictures.animated.surface import from_the_top
from autrack_ros.training.sources import DataError

VERSION = 4
MAX_TEXTURE_COORDINATES = 8  # pairs of a vertex


@dataclass(frozen=True, slots=True)
class Mesh:
    """V vertices, T triangles and B bones; y is up.

    Attributes:
        positions: (V, 3) float32, at rest.
        normals: (V, 3) float32 unit vectors, at rest.
        uv: (V, 2) float32, v = 0 at the top of the texture.
        triangles: (T, 3) uint16 numbers of vertices.
        bones: (V, 4) numbers of bones, 0 to B; B is one that never moves.
        weights: (V, 4) float32 shares of these bones, their sum is 1.
        rest: (B, 4, 4) float32 from the coordinates of a bone to those of the mesh.
        unrest: (B, 4, 4) float32 inverse of ``rest``.
        points: by name, where props hang: 4x4 from the prop's coordinates to those of the bone,
            and its number, B for the one that never moves.
    """

    positions: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    rest: np.ndarray
    unrest: np.ndarray
    points: dict[str, tuple[np.ndarray, int]]

    def bent(self, posed: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions and normals, (V, 3) each, with the bones elsewhere.

        Args:
            posed: (B, 4, 4) in place of ``rest``.
            place: 4x4, moves the whole.
        """
        moves = place @ np.concatenate([posed @ self.unrest, STILL[None]])
        rows = moves[self.bones, :3].reshape(-1, 4, 12)
        skin = (self.weights[:, None] @ rows).reshape(-1, 3, 4)
        turns = skin[..., :3]
        positions = (turns @ self.positions[..., None])[..., 0] + skin[..., 3]
        return positions, (turns @ self.normals[..., None])[..., 0]


def read_mesh(data: bytes, where: str) -> Mesh:
    """Read a mesh.

    Raises:
        DataError: this is no mesh of that version, or broken; names the file ``where``.
    """
    reader = BinaryReader(data, where)
    reader.expect(b"PSMD", VERSION)
    _, count, coordinates = reader.numbers(3)
    if not count or not 1 <= coordinates <= MAX_TEXTURE_COORDINATES:
        raise DataError(f"{where}: {count} vertices with {coordinates} texture coordinates each")
    layout = [("positions", "<f4", 3), ("normals", "<f4", 3), ("uv", "<f4", (coordinates, 2))]
    vertices = reader.array([*layout, ("bones", "u1", 4), ("weights", "<f4", 4)], count)
    triangles = reader.array(np.uint16, 3 * reader.number()).reshape(-1, 3)
    rest = bone_matrices(reader.floats(reader.number(), 7))
    points = {}
    for _ in range(reader.number()):
        name = reader.text()
        at = bone_matrices(reader.floats(1, 7))[0]
        bone = reader.number(np.uint8)
        points[name] = at, len(rest) if bone == NO_BONE else bone
    bones, weights = _skin(vertices["bones"].astype(np.intp), vertices["weights"], len(rest))
    if not len(triangles) or triangles.max() >= count:
        raise DataError(f"{where}: it has no triangle, or one of a vertex that it lacks")
    if max([bones.max(), *(bone for _, bone in points.values())]) > len(rest):
        raise DataError(f"{where}: it refers to a bone that it lacks; it has {len(rest)}")
    positions, normals = vertices["positions"].copy(), vertices["normals"].copy()
    if not np.isfinite(positions).all():
        raise DataError(f"{where}: a position is not finite")
    uv = from_the_top(vertices["uv"][:, 0])
    return Mesh(
        positions, normals, uv, triangles, bones, weights, rest, np.linalg.inv(rest), points
    )


def _skin(bones: np.ndarray, weights: np.ndarray, still: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares without the bones that are none; vertices with none follow the ``still`` one."""
    weights = np.where(bones == NO_BONE, 0, weights).astype(np.float32)
    bones = np.where(bones == NO_BONE, still, bones)
    loose = weights.sum(axis=1) <= 0
    bones[loose], weights[loose] = still, 0.25
    return bones, weights / weights.sum(axis=1, keepdims=True)
