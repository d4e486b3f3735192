"""Other things in the search region: beside the target, before part of it, before all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from autrack_ros.training.pairs.cast import Cast
from autrack_ros.training.pairs.compose import Layer, Shape
from autrack_ros.training.pairs.framing import (
    SEARCH_SIZE,
    TEMPLATE_SIZE,
    box_size,
    changed_size,
    context_sides,
    linear_changes,
    shape_window,
    times,
)
from autrack_ros.training.pairs.settings import PairSettings

MAX_HIDDEN = 0.6  # largest share of the target that an occluder hides
MAX_HIDING = 0.15  # largest share of the target that an object beside it hides
SECOND_SHARE = 0.25  # pairs with a distractor that have another
_PLACES = 12  # tried for everything


@dataclass(frozen=True, slots=True)
class Pasted:
    """Things to be put into search regions; n of them, see ``Layer``.

    Attributes:
        canvas: (n,).
        picture: (n,).
        shape: (n,).
        to_shape: (n, 2, 2) from a distance on the canvas to the shape's -1..1.
        to_picture: (n, 2, 2) from a distance on the canvas to one in the picture.
        picture_middle: (n, 2) what of the picture is in the middle.
    """

    canvas: np.ndarray
    picture: np.ndarray
    shape: np.ndarray
    to_shape: np.ndarray
    to_picture: np.ndarray
    picture_middle: np.ndarray

    @classmethod
    def joined(cls, *parts: Pasted) -> Pasted:
        """All of them."""
        columns = ([getattr(part, f.name) for part in parts] for f in fields(cls))
        return cls(*map(np.concatenate, columns))

    @property
    def half(self) -> np.ndarray:
        """(n, 2) half width and height on the canvas."""
        return np.abs(np.linalg.inv(self.to_shape)).sum(axis=2)

    def hidden(self, corners: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(n, P) shares of boxes (n, 4) that lie under the shapes at the (n, P, 2) places."""
        steps = (np.arange(8) + 0.5) / 8
        grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        points = corners[:, None, :2] + grid * (corners[:, 2:] - corners[:, :2])[:, None]
        back = self.to_shape.transpose(0, 2, 1)
        x, y = np.moveaxis((points @ back)[:, None] - (places @ back)[:, :, None], 3, 0)
        return ((np.abs(x) < 1) & (np.abs(y) < 1)).mean(axis=2)

    def layer(self, places: np.ndarray, kept: np.ndarray) -> Layer:
        """Those that are kept, with their middle at the (n, 2) places."""
        maps = []
        for linear, middle in ((self.to_picture, self.picture_middle), (self.to_shape, 0)):
            offset = middle - times(linear, places)
            maps.append(np.concatenate([linear, offset[:, :, None]], axis=2))
        window = shape_window(maps[1], SEARCH_SIZE)
        whole = Layer(self.canvas, self.picture, maps[0], self.shape, maps[1], window)
        order = np.argsort(self.canvas, kind="stable")
        return whole[order[kept[order]]]


class Clutter:
    """Plans what is put into search regions; ``first`` are the template's crops everywhere.

    What it puts there is never the template's object.
    """

    def __init__(self, cast: Cast, settings: PairSettings, picture_size: int) -> None:
        self._cast = cast
        self._settings = settings
        self._picture_size = picture_size

    def beside(
        self,
        rng: np.random.Generator,
        first: np.ndarray,
        corners: np.ndarray,
        ratio: np.ndarray,
        change: np.ndarray,
        stretch: np.ndarray,
    ) -> list[Layer]:
        """Other objects beside the target: a look-alike, a distractor, another distractor.

        Args:
            rng: draws everything.
            first: (B,) crops.
            corners: (B, 4) of the target in the search region.
            ratio: (B,) the search region's scale; a look-alike is seen as large.
            change: (B, 2, 2) of the search region; a look-alike is changed alike.
            stretch: (B, 2, 2) of it the window's shape, by which all things are changed.
        """
        count = len(first)
        distracted = rng.random(count) < self._settings.distractor
        again = distracted & (rng.random(count) < SECOND_SHARE)
        alike = np.flatnonzero(rng.random(count) < self._settings.lookalike)
        canvas, crops = self._others(rng, alike, first, same_label_share=1)
        sizes = changed_size(self._cast.outline[crops], change[canvas])
        zoom = TEMPLATE_SIZE / ratio[canvas] / context_sides(sizes)
        things = [self._cut_out(canvas, crops, change[canvas] * zoom[:, None, None])]
        for chosen in (distracted, again):
            canvas, crops = self._others(rng, np.flatnonzero(chosen), first, same_label_share=0.5)
            sized = self._sized(rng, canvas, crops, corners[canvas], (0.6, 1.5), stretch[canvas])
            things.append(sized)
        return [self._placed_beside(rng, pasted, corners[pasted.canvas]) for pasted in things]

    def occluders(
        self, rng: np.random.Generator, first: np.ndarray, corners: np.ndarray, free: np.ndarray
    ) -> Layer:
        """Objects, patches and bars before part of the target, where ``free`` (B,) allows it."""
        canvas = np.flatnonzero(free & (rng.random(len(first)) < self._settings.occluder))
        kind = rng.random(len(canvas))
        with_object, crops = self._others(rng, canvas[kind < 0.5], first, same_label_share=0)
        patch, bar = canvas[(kind >= 0.5) & (kind < 0.75)], canvas[kind >= 0.75]
        pasted = Pasted.joined(
            self._sized(rng, with_object, crops, corners[with_object], (0.5, 1.1)),
            self._patches(rng, patch, first, _patch_halves(rng, corners[patch])),
            self._patches(rng, bar, first, _bar_halves(rng, corners[bar])),
        )
        corners = corners[pasted.canvas]
        places = _around(rng, corners, pasted.half.clip(max=SEARCH_SIZE), 0.1, 1)
        hidden = pasted.hidden(corners, places)
        wanted = rng.uniform(0.1, MAX_HIDDEN, (len(corners), 1))
        misses = np.where(hidden <= MAX_HIDDEN, np.abs(hidden - wanted), np.inf)
        best = misses.argmin(axis=1)[:, None]
        fits = np.isfinite(np.take_along_axis(misses, best, axis=1))[:, 0]
        return pasted.layer(np.take_along_axis(places, best[..., None], axis=1)[:, 0], fits)

    def covers(
        self, rng: np.random.Generator, first: np.ndarray, corners: np.ndarray, covered: np.ndarray
    ) -> Layer:
        """Rectangles of other pictures before all of the target where ``covered`` (B,)."""
        canvas = np.flatnonzero(covered)
        corners = corners[canvas]
        # Even what the soft edge lets through is outside the target.
        half = box_size(corners) * rng.uniform(0.6, 0.9, (len(canvas), 2)) + 6
        pasted = self._patches(rng, canvas, first, half, tilt=0, plain_share=0.2)
        return pasted.layer((corners[:, :2] + corners[:, 2:]) / 2, np.ones(len(canvas), bool))

    def _others(
        self,
        rng: np.random.Generator,
        canvas: np.ndarray,
        first: np.ndarray,
        same_label_share: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Crops of other objects than the template's, and the canvases that they are for."""
        found = [
            self._cast.unlike(rng, first[row], bool(rng.random() < same_label_share))
            for row in canvas
        ]
        there = np.array([crop is not None for crop in found], bool)
        return canvas[there], np.array([crop for crop in found if crop is not None], int)

    def _cut_out(self, canvas: np.ndarray, crops: np.ndarray, to_canvas: np.ndarray) -> Pasted:
        """Objects cut out of their crops; ``to_canvas`` (n, 2, 2) from picture to canvas."""
        to_picture = np.linalg.inv(to_canvas)
        shape = np.where(self._cast.cutout[crops], Shape.OPACITY, Shape.ELLIPSE)
        to_shape = to_picture * (2 / self._cast.size[crops])[:, :, None]
        return Pasted(canvas, crops, shape, to_shape, to_picture, self._cast.middle[crops])

    def _sized(
        self,
        rng: np.random.Generator,
        canvas: np.ndarray,
        crops: np.ndarray,
        corners: np.ndarray,
        sizes: tuple[float, float],
        stretch: np.ndarray | None = None,
    ) -> Pasted:
        """Objects, a little turned and stretched, in between two sizes relative to boxes (n, 4)."""
        count = len(canvas)
        linear = linear_changes(
            rng.normal(0, 6, count),
            rng.normal(0, 0.1, count),
            rng.random(count) < 0.5,
            np.zeros(count),
        )
        if stretch is not None:
            linear = stretch @ linear
        areas = changed_size(self._cast.outline[crops], linear).prod(axis=1)
        zoom = rng.uniform(*sizes, count) * np.sqrt(box_size(corners).prod(axis=1) / areas)
        return self._cut_out(canvas, crops, linear * zoom[:, None, None])

    def _patches(
        self,
        rng: np.random.Generator,
        canvas: np.ndarray,
        first: np.ndarray,
        half: np.ndarray,
        tilt: float = 8,
        plain_share: float = 0.4,
    ) -> Pasted:
        """Rectangles of (n, 2) half sizes, ``tilt`` degrees askew: of a picture or one colour."""
        count = len(canvas)
        none = np.zeros(count)
        turn = linear_changes(rng.normal(0, 1, count) * tilt, none, none > 0, none)
        step = np.where(rng.random(count) < plain_share, 0, rng.uniform(0.4, 1, count))
        return Pasted(
            canvas,
            np.array([self._cast.background(rng, crop) for crop in first[canvas]], int),
            np.full(count, Shape.RECTANGLE),
            turn / half[:, :, None],
            np.eye(2) * step[:, None, None],
            rng.uniform(0.2, 0.8, (count, 2)) * self._picture_size,
        )

    def _placed_beside(
        self, rng: np.random.Generator, pasted: Pasted, corners: np.ndarray
    ) -> Layer:
        places = _around(rng, corners, pasted.half, 0.8, 1.6)
        anywhere = rng.uniform(0, SEARCH_SIZE - 1, places.shape)
        places = np.where(rng.random((*places.shape[:2], 1)) < 0.4, anywhere, places)
        fits = pasted.hidden(corners, places) <= MAX_HIDING
        fits &= ((places > 0) & (places < SEARCH_SIZE - 1)).all(axis=2)
        first_fit = fits.argmax(axis=1)[:, None, None]
        return pasted.layer(np.take_along_axis(places, first_fit, axis=1)[:, 0], fits.max(axis=1))


def _patch_halves(rng: np.random.Generator, corners: np.ndarray) -> np.ndarray:
    return box_size(corners) / 2 * rng.uniform(0.3, 1, (len(corners), 2))


def _bar_halves(rng: np.random.Generator, corners: np.ndarray) -> np.ndarray:
    """Through the whole search region, more often upright."""
    count = len(corners)
    half = np.full((count, 2), 2.0 * SEARCH_SIZE)
    thickness = np.sqrt(box_size(corners).prod(axis=1)) * rng.uniform(0.08, 0.3, count)
    half[np.arange(count), (rng.random(count) < 0.4).astype(int)] = thickness
    return half


def _around(
    rng: np.random.Generator, corners: np.ndarray, half: np.ndarray, nearest: float, farthest: float
) -> np.ndarray:
    """(n, P, 2) places about boxes; at distance 1 a thing of (n, 2) half sizes touches."""
    count = len(corners)
    angle = rng.uniform(0, 2 * math.pi, (count, _PLACES))
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=2)
    direction /= np.abs(direction).max(axis=2, keepdims=True)
    reach = half + box_size(corners) / 2
    distance = rng.uniform(nearest, farthest, (count, _PLACES, 1))
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    return middle[:, None] + direction * distance * reach[:, None]
