"""Views of a model, by pybullet's TinyRenderer."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrack_ros.training.pictures.models.packages import import_package
from autrack_ros.training.pictures.models.parts import Part
from autrack_ros.training.pictures.views import (
    Viewpoint,
    camera,
    cut_out,
    direction,
    frame,
    projection,
)

MAX_YAW = 70.0  # degrees to either side of the middle view
MAX_ELEVATION = 35.0  # degrees above the horizon
CANVAS_SIZE = 400  # pixels; views are rendered larger and reduced, which smooths them
BODY_TRIANGLES = 10_000  # in one pybullet shape, which takes at most 2 ** 17 vertices


def viewpoints(count: int, flat: bool, rng: np.random.Generator) -> list[Viewpoint]:
    """Viewpoints in order of time: neighbours are a few degrees apart.

    Args:
        count: how many, at least 2.
        flat: the model is far wider than deep: only its front is worth seeing.
        rng: decides the middle view, the rise of the camera and the light.
    """
    middle = rng.uniform(-20, 20) if flat else rng.uniform(-180, 180)
    turn = rng.choice([-1, 1]) * MAX_YAW
    phase = rng.uniform(0, 2 * math.pi)
    light_yaw = middle + rng.uniform(-70, 70)
    light_turn = rng.uniform(-30, 30)
    light_elevation = rng.uniform(20, 70)
    ambient = rng.uniform(0.4, 0.7)
    return [
        Viewpoint(
            yaw=middle + turn * time,
            elevation=MAX_ELEVATION * (0.5 + 0.5 * math.sin(phase + 1.5 * time)),
            light_yaw=light_yaw + light_turn * time,
            light_elevation=light_elevation,
            ambient=ambient,
        )
        for time in np.linspace(-1, 1, count)
    ]


def render(parts: Sequence[Part], views: Sequence[Viewpoint]) -> list[np.ndarray]:
    """Render a model with pybullet's TinyRenderer.

    Args:
        parts: as ``load_parts`` gives them.
        views: where to see them from.

    Returns:
        A HxWx4 uint8 picture a view, BGR and opacity, cut to the model with ``MARGIN`` transparent
        pixels about it. All have one scale: the longest side of all is ``VIEW_SIZE`` and the
        margins. Where nothing is seen the picture is the margins alone.

    Raises:
        DataError: pybullet is not installed.
    """
    pybullet = import_package("pybullet")
    client = pybullet.connect(pybullet.DIRECT)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for number, part in enumerate(parts):
                _add_bodies(pybullet, client, part, Path(scratch) / f"{number}.png")
        cameras = [camera(view) for view in views]
        vertices = np.concatenate([part.vertices.reshape(-1, 3) for part in parts])
        zoom, scale = frame([vertices] * len(views), cameras, CANVAS_SIZE)
        return [
            cut_out(_shoot(pybullet, client, view, matrix, zoom), scale)
            for view, matrix in zip(views, cameras, strict=True)
        ]
    finally:
        pybullet.disconnect(client)


def _add_bodies(pybullet: Any, client: int, part: Part, texture_file: Path) -> None:
    texture = -1
    if part.texture is not None:
        cv2.imwrite(str(texture_file), cv2.cvtColor(part.texture, cv2.COLOR_RGBA2BGR))
        texture = pybullet.loadTexture(str(texture_file), physicsClientId=client)
    for start in range(0, len(part.vertices), BODY_TRIANGLES):
        chosen = slice(start, start + BODY_TRIANGLES)
        vertices, normals, uv = part.vertices[chosen], part.normals[chosen], part.uv[chosen]
        uv = uv - np.floor(uv.min(axis=1, keepdims=True))  # negative ones would be black
        # Both windings, because the renderer shows one side of a triangle only.
        vertices = np.concatenate([vertices, vertices[:, ::-1]]).reshape(-1, 3)
        normals = np.concatenate([normals, -normals[:, ::-1]]).reshape(-1, 3)
        uv = np.concatenate([uv, uv[:, ::-1]]).reshape(-1, 2)
        shape = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=vertices.tolist(),
            indices=list(range(len(vertices))),
            normals=normals.tolist(),
            uvs=uv.tolist(),
            rgbaColor=[*part.color, 1],
            physicsClientId=client,
        )
        body = pybullet.createMultiBody(0, -1, shape, physicsClientId=client)
        if texture >= 0:
            pybullet.changeVisualShape(body, -1, textureUniqueId=texture, physicsClientId=client)


def _shoot(
    pybullet: Any, client: int, view: Viewpoint, matrix: np.ndarray, zoom: float
) -> np.ndarray:
    """A view from a camera's matrix, as ``cut_out`` takes it, its side ``CANVAS_SIZE``."""
    _, _, colors, _, bodies = pybullet.getCameraImage(
        CANVAS_SIZE,
        CANVAS_SIZE,
        viewMatrix=matrix.T.ravel().tolist(),  # column by column, as OpenGL has it
        projectionMatrix=projection(zoom).T.ravel().tolist(),
        lightDirection=direction(view.light_yaw, view.light_elevation).tolist(),
        lightColor=[1, 1, 1],
        lightDistance=10,
        shadow=0,
        lightAmbientCoeff=view.ambient,
        lightDiffuseCoeff=1.1 - view.ambient,
        lightSpecularCoeff=0.2,
        renderer=pybullet.ER_TINY_RENDERER,
        physicsClientId=client,
    )
    shape = (CANVAS_SIZE, CANVAS_SIZE)
    silhouette = np.asarray(bodies).reshape(shape) >= 0
    opacity = silhouette.astype(np.float32)[..., None]
    picture = np.asarray(colors, np.uint8).reshape(*shape, 4)[..., 2::-1]
    return np.dstack([picture * opacity, opacity])
