"""The triangles of a model, by material."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrack_ros.training.pictures.models.packages import import_package
from autrack_ros.training.sources import DataError

TEXTURE_SIZE = 512  # pixels; the renderer takes the nearest texel, so more would only flicker
MIN_OPACITY = 0.3  # of a material; clearer glass is left out
BLACK = 0.05  # brightness of the darkest material; none is quite black
GREY = np.full(3, 0.7)  # of what has no material
CREASE = 0.7  # cosine between a face and its vertex normal; below it the face is shaded flat
MAX_TRIANGLES = 200_000  # that cutting along a texture's opacity may make


@dataclass(frozen=True, slots=True)
class Part:
    """N triangles of one material.

    Attributes:
        vertices: (N, 3, 3) float64.
        normals: (N, 3, 3) float64 unit vectors, on the side from which the triangle is seen
            anticlockwise.
        uv: (N, 3, 2) float64 texture coordinates, v = 0 at the bottom.
        color: (3,) RGB, 0 to 1.
        texture: HxWx4 uint8 RGBA in place of the colour, or None.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    color: np.ndarray
    texture: np.ndarray | None


def load_parts(obj: Path, rotation: np.ndarray) -> list[Part]:
    """Read a model: turned, centred, in a sphere of radius 1.

    Raises:
        DataError: the file cannot be read or shows nothing, or trimesh is not installed.
    """
    trimesh = import_package("trimesh")
    try:
        loaded = trimesh.load(obj, process=False, group_material=True, split_object=False)
        meshes = loaded.geometry.values() if isinstance(loaded, trimesh.Scene) else [loaded]
        parts = [_part(mesh, rotation) for mesh in meshes if _opacity(mesh) >= MIN_OPACITY]
    except Exception as error:  # whatever trimesh stumbles over in a broken file
        raise DataError(f"model {obj}: {error}") from error
    parts = [part for part in parts if len(part.vertices)]
    if not parts:
        raise DataError(f"model {obj}: it shows nothing")
    vertices = np.concatenate([part.vertices.reshape(-1, 3) for part in parts])
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    radius = np.linalg.norm(vertices - centre, axis=1).max()
    return [replace(part, vertices=(part.vertices - centre) / radius) for part in parts]


def _opacity(mesh: Any) -> float:
    """Opacity of a mesh's material, 0 to 1."""
    material = getattr(mesh.visual, "material", None)  # None: the material file lacks it
    values = [1.0] if material is None else np.ravel(material.kwargs.get("d", 1.0))
    return float(values[0])  # a file may state it twice


def _part(mesh: Any, rotation: np.ndarray) -> Part:
    faces = np.asarray(mesh.faces)
    vertices = (np.asarray(mesh.vertices, np.float64) @ rotation.T)[faces]
    across = np.cross(vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0])
    area = np.linalg.norm(across, axis=1)
    solid = area > 0
    faces, vertices, across = faces[solid], vertices[solid], across[solid] / area[solid, None]
    normals = (np.asarray(mesh.vertex_normals, np.float64) @ rotation.T)[faces]
    cosine = np.einsum("nij,nj->ni", normals, across)[..., None]
    normals = np.where(np.abs(cosine) > CREASE, np.sign(cosine) * normals, across[:, None])
    part = Part(vertices, normals, np.zeros((len(faces), 3, 2)), GREY, None)
    material = getattr(mesh.visual, "material", None)
    if material is None:
        return part
    if mesh.visual.uv is None or material.image is None:
        return replace(part, color=BLACK + (1 - BLACK) * material.diffuse[:3] / 255)
    texture = np.asarray(material.image.convert("RGBA"))
    scale = TEXTURE_SIZE / max(texture.shape[:2])
    if scale < 1:
        texture = cv2.resize(texture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    uv = np.asarray(mesh.visual.uv, np.float64)[faces]
    part = replace(part, uv=uv, color=np.ones(3), texture=texture)
    return part if texture[..., 3].min() > 127 else _cut_along_opacity(part)


def _cut_along_opacity(part: Part) -> Part:
    """Without the transparent part of a texture, which TinyRenderer would show.

    Triangles that are opaque in part are divided, by four, down to a few texels.
    """
    assert part.texture is not None
    height, width = part.texture.shape[:2]
    steps = np.array([(i, j, 6 - i - j) for i in range(7) for j in range(7 - i)]) / 6
    finished: list[np.ndarray] = []
    corners = np.concatenate([part.vertices, part.normals, part.uv], axis=2)
    while True:
        points = np.einsum("pk,nkc->npc", steps, corners[..., 6:])
        columns = (np.floor(points[..., 0] * width) % width).astype(int)
        rows = (np.floor(-points[..., 1] * height) % height).astype(int)
        opaque = (part.texture[rows, columns, 3] > 127).mean(axis=1)
        texels = (np.ptp(corners[..., 6:], axis=1) * (width, height)).max(axis=1)
        # A large triangle may have details between the points.
        divided = (texels > 6) & (opaque < 1) & ((opaque > 0) | (texels > 48))
        if sum(len(block) for block in finished) + 4 * divided.sum() > MAX_TRIANGLES:
            divided[:] = False
        finished.append(corners[~divided & (opaque > 0.5)])
        corners = corners[divided]
        if not len(corners):
            break
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        corners = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
    cut = np.concatenate(finished)
    return replace(part, vertices=cut[..., :3], normals=cut[..., 3:6], uv=cut[..., 6:])
