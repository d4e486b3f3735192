"""Plans a made clip: what is in it and what happens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from autrack_ros.training.sources.base import TrainingObject
from autrack_ros.training.validation.held_out import family
from autrack_ros.training.validation.paths import Curve, Path2D, path_of, smooth_step, straight
from autrack_ros.training.validation.scene import HEIGHT, WIDTH, Layer, Scene
from autrack_ros.training.validation.sprites import (
    Sprite,
    inscribed_circle,
    outline_of,
    read_image,
    side_of,
)

EVENTS = ("partial_occlusion", "full_occlusion", "out_of_view")
LONE_EVENTS = ("distractors", "rotation", "illumination")  # with one of these, nothing else happens
MAX_PASSING_SPEED = 7.0  # of what crosses the target, against it, pixels a frame


class Director:
    """Plans a clip: what is in it and what happens.

    Args:
        rng: of everything random.
        objects: what there is to be seen.
        photo: the background, HxWx3 uint8.
        frames: length of the clip.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        objects: Sequence[TrainingObject],
        photo: np.ndarray,
        frames: int,
    ) -> None:
        self.rng, self.objects, self.frames = rng, objects, frames
        zoom = rng.uniform(1.3, 1.8) * max(WIDTH / photo.shape[1], HEIGHT / photo.shape[0])
        method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        self.photo = cv2.resize(photo, None, fx=zoom, fy=zoom, interpolation=method)
        self.brightness = float(self.photo.mean())

    def plan(self, thing: TrainingObject, event: str, look_alike: bool) -> Scene:
        """A scene with ``thing`` as the target."""
        rng = self.rng
        largest = 80 if event != "full_occlusion" else 52  # what covers it must fit the frame
        size = math.exp(rng.uniform(math.log(28), math.log(largest)))
        path = self._target_path(size)
        if event == "out_of_view":
            path = self._excursion(path, size)
        turns = event == "rotation"
        target = self._moving(thing, size, path, np.ones(3), mirrored=False, turns=turns)
        layers, index = [target], 0
        for _ in range(2 if event == "distractors" else int(look_alike)):
            behind = int(rng.integers(2))  # the look-alike is behind the target
            layers.insert(0 if behind else len(layers), self._look_alike(thing, target, size))
            index += behind
        if event in ("partial_occlusion", "full_occlusion"):
            layers.append(self._occluder(thing, target, full=event == "full_occlusion"))
        free = (np.array(self.photo.shape[1::-1]) - (WIDTH, HEIGHT)) / 2
        reach = np.minimum(free - 6, 90) * rng.uniform(0.3, 1)
        shaking = np.full(2, rng.choice([0.5, 3.0]))
        calm = 0.1 if event in LONE_EVENTS else 0.45
        changes = (0.45, 0.65) if event == "illumination" else (0.03, calm)
        depth, tint = rng.uniform(*changes), self._wander(-0.06, 0.06)
        gain = self._wander(1 - 1.3 * depth, 1 + 0.7 * depth)
        return Scene(
            photo=self.photo,
            pan=self._roam(free, reach, (0.2, 0.8)),
            shake=self._roam(np.zeros(2), shaking, (4, 12)),
            layers=layers,
            target=index,
            light=lambda time: gain(time) * np.array([1 + tint(time), 1, 1 - tint(time)]),
            softness=rng.uniform(0.4, 0.9),
            noise=rng.uniform(1, 5),
            quality=int(rng.integers(75, 95)),
        )

    def _wander(self, low: float, high: float, cycles: tuple[float, float] = (0.3, 1.6)) -> Curve:
        """A smooth random function within low..high: three waves of so many cycles a clip."""
        turns = self.rng.uniform(*cycles, 3)
        rates = 2 * math.pi * turns / self.frames
        phases = self.rng.uniform(0, 2 * math.pi, 3)
        sizes = (high - low) / 2 / turns / (1 / turns).sum()
        return lambda time: (low + high) / 2 + float(sizes @ np.sin(rates * time + phases))

    def _roam(
        self, middle: np.ndarray, reach: np.ndarray, cycles: tuple[float, float] = (0.3, 1.6)
    ) -> Path2D:
        """A smooth random path within ``reach`` of ``middle``, both x and y."""
        return path_of(
            *(self._wander(m - r, m + r, cycles) for m, r in zip(middle, reach, strict=True))
        )

    def _target_path(self, size: float) -> Path2D:
        center = np.array([WIDTH, HEIGHT]) / 2
        room = center - 0.75 * size
        reach = room * self.rng.uniform(0.3, 0.9, 2)
        return self._roam(center + self.rng.uniform(-1, 1, 2) * (room - reach), reach)

    def _excursion(self, path: Path2D, size: float) -> Path2D:
        """The same path, but for a while it leads out of the view and back."""
        rng = self.rng
        begin = rng.uniform(0.3, 0.5) * self.frames
        away, outside = rng.uniform(6, 12), rng.uniform(4, 10)
        x, y = path(begin)
        beyond = 1.6 * size + 4
        exits = [(-beyond, y), (WIDTH + beyond, y), (x, -beyond), (x, HEIGHT + beyond)]
        goal = np.array(min(exits, key=lambda point: math.dist(point, (x, y))))

        def excursion(time: float) -> np.ndarray:
            gone = smooth_step((time - begin) / away)
            share = gone - smooth_step((time - begin - away - outside) / away)
            return (1 - share) * path(time) + share * goal

        return excursion

    def _moving(
        self,
        thing: TrainingObject,
        size: float,
        path: Path2D,
        gains: np.ndarray,
        mirrored: bool,
        turns: bool = False,
    ) -> Layer:
        """An object that turns, a little or far, and comes nearer or goes away."""
        rng = self.rng
        spread = rng.choice([0.08, math.log(2) / 2])
        tilts, spans = ((60, 180), (0.6, 1)) if turns else ((3, 30), (0.2, 0.6))
        zoom, tilt = self._wander(-spread, spread), rng.uniform(*tilts)
        last = len(thing.views) - 1
        span = rng.uniform(*spans) * last
        begin = rng.uniform(0, last - span)
        turn = self._wander(begin, begin + span, (0.3, 1))
        flat = rng.uniform(0.7, 1) if last == 0 else 1.0
        views = {round(turn(time / 8)) for time in range(8 * (self.frames + 1))}
        sprites, scale = self._sprites(thing, views, size, gains, mirrored, math.exp(spread))
        return Layer(
            sprites,
            view=lambda time: round(turn(round(time * 8) / 8)),
            path=path,
            scale=lambda time: scale * math.exp(zoom(time)),
            flatness=self._wander(flat, 1),
            angle=self._wander(-tilt, tilt),
        )

    def _look_alike(self, thing: TrainingObject, target: Layer, size: float) -> Layer:
        """Another of its family or label crosses it; else itself, mirrored, in other colours."""
        rng = self.rng
        others = [other for other in self.objects if other is not thing]
        kin = [other for other in others if family(other) == family(thing)]
        kin = kin or [other for other in others if other.label == thing.label]
        same = not kin
        twin = thing if same else kin[rng.integers(len(kin))]
        aside = rng.uniform(-0.3, 0.3, 2) * size
        path = self._crossing(target, 1.5 * size, aside)
        gains = rng.uniform(0.75, 1.25, 3) if same else np.ones(3)
        return self._moving(twin, size * rng.uniform(0.85, 1.15), path, gains, mirrored=same)

    def _occluder(self, thing: TrainingObject, target: Layer, full: bool) -> Layer:
        """A compact one of the other objects; it passes between the target and the camera."""
        rng = self.rng
        others = [other for other in self.objects if family(other) != family(thing)]
        some = rng.choice(len(others), min(6, len(others)), replace=False)
        images = [read_image(others[index].views[0].picture, channels=4) for index in some]
        reach = max(target.radius(time) for time in range(self.frames))
        smallest = min(side_of(target.outline(time)) for time in range(self.frames))
        share = rng.uniform(0.65, 0.9)
        choices = []
        for image in images:
            center, radius = inscribed_circle(image)
            if full:  # a target crossed at the highest speed is wholly behind it for five frames
                scale = (reach + 2.5 * MAX_PASSING_SPEED + 3) / radius
            else:
                scale = share * smallest / side_of(outline_of(image[..., 3] > 127))
            is_compact = radius > 0.3 * min(image.shape[:2])
            choices.append((not is_compact, max(scale, 1.5), image, center, scale))
        *_, image, center, scale = min(choices, key=lambda choice: choice[:2])
        reduced = min(scale, 1.0)
        sprite = Sprite.from_cutout(image, reduced, self._gains(image), center)
        outside = scale * math.hypot(*image.shape[:2]) / 2
        tilt = rng.uniform(-25, 25)
        return Layer(
            {0: sprite},
            view=lambda time: 0,
            path=self._crossing(target, reach + outside, np.zeros(2)),
            scale=lambda time: scale / reduced,
            flatness=lambda time: 1.0,
            angle=lambda time: tilt,
        )

    def _crossing(self, target: Layer, apart: float, aside: np.ndarray) -> Path2D:
        """A straight path that meets the target, ``aside`` of it, and is ``apart`` at the start."""
        paths = [self._meeting(target, aside) for _ in range(50)]

        def distance(path: Path2D) -> float:
            return min(math.dist(path(time), target.path(time)) for time in range(5))

        return max(paths, key=lambda path: min(distance(path), apart))

    def _meeting(self, target: Layer, aside: np.ndarray) -> Path2D:
        moment = self.rng.uniform(0.4, 0.75) * self.frames
        drift = target.path(moment + 0.5) - target.path(moment - 0.5)
        direction = self.rng.uniform(0, 2 * math.pi)
        speed = self.rng.uniform(4, MAX_PASSING_SPEED)
        velocity = drift + speed * np.array([math.cos(direction), math.sin(direction)])
        return straight(target.path(moment) + aside, velocity, moment)

    def _sprites(
        self,
        thing: TrainingObject,
        views: Iterable[int],
        size: float,
        gains: np.ndarray,
        mirrored: bool,
        nearest: float,
    ) -> tuple[dict[int, Sprite], float]:
        """Views of an object, and the scale that shows the first of them at ``size``."""
        images = {view: read_image(thing.views[view].picture, channels=4) for view in sorted(views)}
        first = next(iter(images.values()))
        scale = size / side_of(outline_of(first[..., 3] > 127))
        reduced = min(scale * nearest, 1.0)
        gains = gains * self._gains(first)
        return {
            view: Sprite.from_cutout(image[:, ::-1] if mirrored else image, reduced, gains)
            for view, image in images.items()
        }, scale / reduced

    def _gains(self, image: np.ndarray) -> np.ndarray:
        """Gains that bring a cut-out nearer to the brightness of the background."""
        own = float(image[image[..., 3] > 127][:, :3].mean())
        return np.full(3, np.clip(((self.brightness + 20) / (own + 20)) ** 0.25, 0.6, 1.6))
