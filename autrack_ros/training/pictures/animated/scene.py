"""How a figure is shown: what it is doing in every view, from where it is seen, in which light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.training.pictures.animated.renderer import CANVAS_SIZE, Look, Renderer
from autrack_ros.training.pictures.animated.surface import Figure
from autrack_ros.training.pictures.views import (
    Viewpoint,
    camera,
    cut_out,
    direction,
    frame,
    projection,
)
from autrack_ros.training.sources import DataError

STEP = (0.08, 0.35)  # of the animation's length, from view to view
MAX_TURN = 75.0  # degrees by which the camera goes round it from the first view to the last
MAX_ELEVATION = 35.0  # degrees above the horizon
STRETCH = 0.07  # by which one is taller, longer or broader than another of its kind


@dataclass(frozen=True, slots=True)
class Scene:
    """N views of a figure, in order of time.

    Attributes:
        phases: of its animation, N.
        viewpoints: N.
        stretch: (3,) float32 by which its x, y and z are multiplied.
        team: (3,) RGB, 0 to 1, of the player.
        tint: (3,) gains of R, G and B.
    """

    phases: Sequence[float]
    viewpoints: Sequence[Viewpoint]
    stretch: np.ndarray
    team: np.ndarray
    tint: np.ndarray


def plan_scene(views: int, rng: np.random.Generator) -> Scene:
    """A scene that ``rng`` decides."""
    time = np.linspace(0, 1, views)
    stretch = (1 + rng.uniform(-STRETCH, STRETCH, 3)).astype(np.float32)
    phases = rng.uniform() + rng.uniform(*STEP) * np.arange(views)
    yaw = rng.uniform(-180, 180) + rng.choice([-1, 1]) * rng.uniform(5, MAX_TURN) * time
    elevation = rng.uniform(0, 30) + rng.uniform(-10, 10) * (time - 0.5)
    light_yaw = yaw[0] + rng.uniform(-80, 80) + rng.uniform(-60, 60) * time
    light_elevation, ambient = rng.uniform(15, 75), rng.uniform(0.45, 0.75)
    hue, saturation, value = (int(rng.integers(*span)) for span in ((180,), (60, 240), (80, 240)))
    team = np.array([[[hue, saturation, value]]], np.uint8)
    team = cv2.cvtColor(team, cv2.COLOR_HSV2RGB)[0, 0] / 255
    warmth = rng.uniform(-0.07, 0.07)
    viewpoints = [
        Viewpoint(
            yaw=yaw[number],
            elevation=min(max(elevation[number], 0), MAX_ELEVATION),
            light_yaw=light_yaw[number],
            light_elevation=light_elevation,
            ambient=ambient,
        )
        for number in range(views)
    ]
    tint = rng.uniform(0.85, 1.2) * np.array([1 + warmth, 1, 1 - warmth])
    return Scene(phases.tolist(), viewpoints, stretch, team, tint)


def shoot(figure: Figure, scene: Scene, renderer: Renderer) -> list[np.ndarray]:
    """Draw a scene.

    Returns:
        A cut-out a view, HxWx4 uint8 BGR and opacity, as ``cut_out`` gives it. All have one scale:
        the longest side of all is ``VIEW_SIZE`` and the margins.

    Raises:
        DataError: the figure shows nothing.
    """
    poses = [figure.pose(phase) for phase in scene.phases]
    if not all(poses):
        raise DataError("a figure shows nothing")
    seen = [
        np.concatenate([surface.positions for surface in surfaces]) * scene.stretch
        for surfaces in poses
    ]
    low = np.min([vertices.min(axis=0) for vertices in seen], axis=0)
    high = np.max([vertices.max(axis=0) for vertices in seen], axis=0)
    centre = (low + high) / 2
    seen = [vertices - centre for vertices in seen]
    radius = max(float(np.linalg.norm(vertices, axis=1).max()) for vertices in seen)
    if not radius > 0:
        raise DataError("a figure is a single point")
    place = np.eye(4)
    place[:3] = np.column_stack([np.diag(scene.stretch), -centre]) / radius
    cameras = [camera(view) for view in scene.viewpoints]
    zoom, scale = frame([vertices / radius for vertices in seen], cameras, CANVAS_SIZE)
    looks = [
        Look(
            projection=projection(zoom) @ matrix @ place,
            viewer=direction(view.yaw, view.elevation),
            light=direction(view.light_yaw, view.light_elevation),
            ambient=view.ambient,
            team=scene.team,
            tint=scene.tint,
        )
        for view, matrix in zip(scene.viewpoints, cameras, strict=True)
    ]
    pictures = renderer.draw(zip(poses, looks, strict=True))
    shares = np.array([1, 1, 1, 1 / 255], np.float32)
    return [cut_out(picture[..., [2, 1, 0, 3]] * shares, scale) for picture in pictures]
