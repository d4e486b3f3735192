"""What a made clip shows, and the camera that films it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.training.validation.paths import Curve, Path2D
from autrack_ros.training.validation.sprites import Sprite

WIDTH, HEIGHT, FRAMES = 320, 240, 60
SHUTTER = 0.5  # share of a frame's time for which the shutter is open


@dataclass(frozen=True, slots=True)
class Layer:
    """An object on its way through a clip."""

    sprites: Mapping[int, Sprite]
    view: Callable[[float], int]
    path: Path2D
    scale: Curve
    flatness: Curve  # share of its width that is left of a flat object turned away
    angle: Curve  # degrees in the picture

    def pose(self, time: float) -> tuple[Sprite, np.ndarray]:
        """The view, and the 2x3 map from it to the scene."""
        sprite = self.sprites[self.view(time)]
        angle, scale = math.radians(self.angle(time)), self.scale(time)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = turn * (scale * self.flatness(time), scale)
        return sprite, np.column_stack([linear, self.path(time) - linear @ sprite.anchor])

    def outline(self, time: float) -> np.ndarray:
        """Hull of what is opaque, Nx2."""
        sprite, to_scene = self.pose(time)
        return sprite.outline @ to_scene[:, :2].T + to_scene[:, 2]

    def radius(self, time: float) -> float:
        """Distance of its farthest point from the path."""
        return float(np.hypot(*(self.outline(time) - self.path(time)).T).max())

    def paint(self, time: float, corner: np.ndarray, width: int, height: int) -> np.ndarray:
        """What of it is in a window of the scene, pixels as a sprite's."""
        sprite, to_scene = self.pose(time)
        to_scene[:, 2] += to_scene[:, :2].sum(axis=1) / 2 - 0.5 - corner  # edges to pixel centres
        return cv2.warpAffine(sprite.pixels, to_scene, (width, height), flags=cv2.INTER_LINEAR)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything in one clip, and the camera that films it.

    Attributes:
        photo: HxWx3 uint8, what is behind all; larger than a frame.
        pan: upper left corner of the frame in the photo.
        shake: by how much the camera is off; everything moves against it.
        layers: the objects, the farthest first.
        target: index of the one to be tracked.
        light: three gains (BGR).
        softness: sigma of the lens's blur, pixels.
        noise: sigma of the sensor's noise, grey levels.
        quality: of the JPEG files.
    """

    photo: np.ndarray
    pan: Path2D
    shake: Path2D
    layers: Sequence[Layer]
    target: int
    light: Path2D
    softness: float
    noise: float
    quality: int

    def film(self, rng: np.random.Generator, frames: int) -> tuple[list[bytes], np.ndarray]:
        """The frames as JPEG files; and N x 5: x, y, w, h, visible share of the target."""
        files, truth = [], []
        for number in range(frames):
            image = cv2.GaussianBlur(self._expose(number), (0, 0), self.softness)
            image = image * self.light(number) + rng.normal(0, self.noise, image.shape)
            image = np.rint(image).clip(0, 255).astype(np.uint8)
            quality = (cv2.IMWRITE_JPEG_QUALITY, self.quality)
            files.append(cv2.imencode(".jpg", image, quality)[1].tobytes())
            truth.append(self._truth(number + SHUTTER / 2))
        return files, np.array(truth)

    def blur(self, number: int) -> float:
        """How far the fastest thing moves while the shutter is open, pixels."""
        begin, end = number, number + SHUTTER
        moves = [layer.path(end) - layer.path(begin) for layer in self.layers]
        moves.append(self.pan(begin) - self.pan(end))
        shaken = self.shake(begin) - self.shake(end)
        return float(max(np.hypot(*(move + shaken)) for move in moves))

    def attributes(self, frames: int) -> list[str]:
        """What the motion and the light make hard, in the words of OTB."""
        times = range(frames)
        target = self.layers[self.target]
        steps = [math.dist(target.path(time), target.path(time + 1)) for time in times]
        light = [self.light(time)[1] for time in times]
        scales = [target.scale(time) for time in times]
        views = {target.view(time) for time in times}
        found = {
            "motion_blur": max(self.blur(time) for time in times) > 4,
            "fast_motion": max(steps) > 20,
            "illumination_variation": max(light) > 1.4 * min(light),
            "scale_variation": max(scales) > 1.5 * min(scales),
            "in_plane_rotation": np.ptp([target.angle(time) for time in times]) > 20,
            "out_of_plane_rotation": len(views) > 2
            or min(target.flatness(time) for time in times) < 0.85,
        }
        return [word for word, present in found.items() if present]

    def _expose(self, number: int) -> np.ndarray:
        """Mean over the time for which the shutter is open, HxWx3 float32."""
        moments = min(max(math.ceil(self.blur(number) / 1.5), 1), 8)
        total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for moment in range(moments):
            total += self._at(number + SHUTTER * (moment + 0.5) / moments)
        return total / moments

    def _at(self, time: float) -> np.ndarray:
        """What the camera sees at one moment, HxWx3 float32."""
        shake = self.shake(time)
        x, y = self.pan(time) + shake
        center = (float(x) + (WIDTH - 1) / 2, float(y) + (HEIGHT - 1) / 2)
        image = cv2.getRectSubPix(self.photo, (WIDTH, HEIGHT), center).astype(np.float32)
        for layer in self.layers:
            left, top, right, bottom = _bounds(layer.outline(time) - shake)
            left, right = max(left, 0), min(right, WIDTH)
            top, bottom = max(top, 0), min(bottom, HEIGHT)
            if left < right and top < bottom:
                part = layer.paint(time, shake + np.array([left, top]), right - left, bottom - top)
                seen = image[top:bottom, left:right]
                seen *= 1 - part[..., 3:]
                seen += part[..., :3]
        return image

    def _truth(self, time: float) -> tuple[float, ...]:
        """x, y, w, h and visible share of the target."""
        shake = self.shake(time)
        outline = self.layers[self.target].outline(time) - shake
        left, top, right, bottom = _bounds(outline)
        whole, *covers = (
            layer.paint(time, shake + np.array([left, top]), right - left, bottom - top)[..., 3]
            for layer in self.layers[self.target :]
        )
        columns, rows = np.arange(left, right), np.arange(top, bottom)
        inside = ((rows >= 0) & (rows < HEIGHT))[:, None] & (columns >= 0) & (columns < WIDTH)
        seen = whole * inside
        for cover in covers:
            seen = seen * (1 - cover).clip(0, 1)
        low, high = outline.min(axis=0), outline.max(axis=0)
        return *low, *(high - low), float(seen.sum() / whole.sum())


def _bounds(outline: np.ndarray, margin: int = 2) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the whole pixels around an outline."""
    left, top = np.floor(outline.min(axis=0)).astype(int) - margin
    right, bottom = np.ceil(outline.max(axis=0)).astype(int) + margin
    return int(left), int(top), int(right), int(bottom)
