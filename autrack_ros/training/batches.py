"""Training pairs: a template crop and a search region of one object, cut as the tracker cuts them.

A batch is planned with NumPy, a function of the seed and the batch's number alone, and drawn with
torch on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.bank import CropBank
from autrack_ros.training.compose import Layer, Pictures, Shape, draw, to_device
from autrack_ros.training.photometry import Photometry, develop, draw_photometry, noise_tile

BATCH = 32  # pairs
TEMPLATE_SIZE = 128  # pixels
SEARCH_SIZE = 256
THIN = math.log(2)  # |log| of width / height from which an object is hardly rotated
THIN_ROTATION = 5.0  # degrees
LONGEST = math.log(6)  # |log| of width / height that stretching does not exceed
SMALL_GAP = 5  # views
PLACES = 12  # tried for everything that is pasted
MAX_HIDDEN = 0.6  # largest share of the target that an occluder hides
MAX_HIDING = 0.15  # largest share of the target that an object beside it hides
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class PairSettings:
    """What pairs look like. Shares are 0..1 of all pairs, ranges symmetric about no change."""

    seed: int = 0
    source_weights: dict[str, float] = field(default_factory=dict)  # none: all sources alike
    max_gap: int = 40  # views of an object between template and search
    negative_share: float = 0.15  # the search region lacks the target
    thin_share: float = 0.2  # both crops stretched alike
    turn_share: float = 0.15  # width / height changes as of an object that turns
    flip: float = 0.08  # search mirrored against the template
    new_background: float = 0.15  # object cut out of its picture and put before another one
    surroundings: float = 0.4  # another picture where the search region leaves its own
    distractor: float = 0.35  # another object beside the target, sometimes two
    lookalike: float = 0.1  # another object of the same label in the size of the target
    occluder: float = 0.2  # something before part of the target
    shift: float = 0.25  # largest shift of the target, fraction of the search side, each axis
    scale: float = 0.3  # largest |log| of the search scale
    rotation: float = 15.0  # largest rotation between template and search, degrees
    aspect: float = 0.15  # largest |log| change of width / height
    turn_aspect: float = 0.45  # the same of objects that turn
    stretch: float = 0.7  # largest |log| change of width / height of both crops alike
    light: float = 0.7  # brightness, colours and contrast changed
    dark: float = 0.08  # much less (seldom more) light
    grey: float = 0.06  # both crops without colours
    shadow: float = 0.1  # uneven light on the search region
    blur: float = 0.15  # out of focus
    motion: float = 0.2  # moved while the shutter was open
    low_resolution: float = 0.2
    noise: float = 0.25
    jpeg: float = 0.3

    def __post_init__(self) -> None:
        shares = """negative_share thin_share turn_share flip new_background surroundings distractor
            lookalike occluder light dark grey shadow blur motion low_resolution noise jpeg"""
        for name in shares.split():
            self._check(name, 0, 1)
        self._check("shift", 0, 0.5)
        for name in ("scale", "aspect", "turn_aspect", "stretch"):
            self._check(name, 0, 1)
        self._check("rotation", 0, 45)
        if not (isinstance(self.max_gap, int) and self.max_gap >= 0):
            raise ConfigurationError(f"pairs.max_gap = {self.max_gap}: must be a whole number >= 0")
        if not (isinstance(self.seed, int) and self.seed >= 0):
            raise ConfigurationError(f"pairs.seed = {self.seed}: must be a whole number >= 0")
        weights = self.source_weights.values()
        if self.source_weights and (min(weights) < 0 or sum(weights) <= 0):
            raise ConfigurationError(
                f"pairs.source_weights = {self.source_weights}: no weight below 0, one above 0"
            )

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise ConfigurationError(f"pairs.{name} = {value}: must be {low}..{high}")


@dataclass(frozen=True, slots=True)
class PairBatch:
    """B training examples; all crops (B, 3, size, size) float32 BGR 0..255.

    Attributes:
        template: crops of 128 pixels.
        search: crops of 256 pixels.
        template_corners: (B, 4) float32, inclusive corners (x0, y0, x1, y1) of the target in the
            template, pixels.
        corners: the same in the search region; where negative, of another object or of no meaning.
        negative: (B,) bool; the template's object is not to be seen in the search region.
    """

    template: Tensor
    search: Tensor
    template_corners: Tensor
    corners: Tensor
    negative: Tensor


@dataclass(frozen=True, slots=True)
class CropPlan:
    """How B crops of one size are made.

    Attributes:
        size: side, pixels.
        fill: (B, 3) float32 BGR, where no layer reaches.
        layers: from the back to the front.
        corners: (B, 4) float32 inclusive corners of the object.
        photometry: what happens to the composed crops.
    """

    size: int
    fill: np.ndarray
    layers: Sequence[Layer]
    corners: np.ndarray
    photometry: Photometry


@dataclass(frozen=True, slots=True)
class PairPlan:
    """A batch before it is drawn.

    Attributes:
        template_crop: (B,) int64, the target's crop in the bank.
        search_crop: (B,) int64, the crop in the search region; -1 where it is background only.
        negative: (B,) bool.
    """

    template: CropPlan
    search: CropPlan
    template_crop: np.ndarray
    search_crop: np.ndarray
    negative: np.ndarray


class _Objects:
    """Which crops show the same object, label or scene; chooses among them."""

    def __init__(self, bank: CropBank, settings: PairSettings) -> None:
        self.object, self.picture, self.cutout = (
            column.cpu().numpy() for column in (bank.object, bank.picture, bank.cutout)
        )
        source, label = bank.source.cpu().numpy(), bank.label.cpu().numpy()
        self._views = np.lexsort((bank.time.cpu().numpy(), self.object))
        ids, starts, counts = np.unique(
            self.object[self._views], return_index=True, return_counts=True
        )
        self._start, self._count = (np.zeros(ids.max() + 1, int) for _ in range(2))
        self._start[ids], self._count[ids] = starts, counts
        self._rank = np.empty(len(self.object), int)
        self._rank[self._views] = np.arange(len(self.object)) - np.repeat(starts, counts)
        self.scene = _linked(self.object, self.picture)
        first = self._views[starts]
        self._of_source = {s: ids[source[first] == s] for s in np.unique(source)}
        self._kind = source * (label.max() + 1) + label
        order = np.argsort(self._kind[first], kind="stable")
        kinds, kind_starts = np.unique(self._kind[first][order], return_index=True)
        self._of_kind = dict(zip(kinds, np.split(ids[order], kind_starts[1:]), strict=True))
        self._sources, self._weights = self._weighted(bank, settings)

    def _weighted(
        self, bank: CropBank, settings: PairSettings
    ) -> tuple[list[np.ndarray], np.ndarray]:
        names = {bank.source_names[s]: objects for s, objects in self._of_source.items()}
        weights = settings.source_weights or dict.fromkeys(names, 1.0)
        missing = {name for name, weight in weights.items() if weight > 0} - set(names)
        if missing:
            raise ConfigurationError(
                f"pairs.source_weights names {sorted(missing)}; the sources with crops are "
                f"{sorted(names)}"
            )
        wanted = {name: weight for name, weight in weights.items() if weight > 0}
        total = np.array(list(wanted.values()))
        return [names[name] for name in wanted], total / total.sum()

    def _view(self, rng: np.random.Generator, objects: np.ndarray) -> np.ndarray:
        rank = (rng.random(len(objects)) * self._count[objects]).astype(int)
        return self._views[self._start[objects] + rank]

    def targets(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count,) crops: the source by its weight, then an object, then one of its views."""
        chosen = rng.choice(len(self._sources), count, p=self._weights)
        lengths = np.array([len(objects) for objects in self._sources])
        place = (rng.random(count) * lengths[chosen]).astype(int)
        objects = np.array([self._sources[s][i] for s, i in zip(chosen, place, strict=True)])
        return self._view(rng, objects)

    def later(self, rng: np.random.Generator, crops: np.ndarray, max_gap: int) -> np.ndarray:
        """Another view of each crop's object, 0..max_gap views before or after it."""
        limit = np.where(rng.random(len(crops)) < 0.5, min(SMALL_GAP, max_gap), max_gap)
        gap = np.ceil(rng.random(len(crops)) * limit).astype(int)
        gap *= rng.choice([-1, 1], len(crops))
        objects, rank = self.object[crops], self._rank[crops]
        last = self._count[objects] - 1
        leaves = (rank + gap < 0) | (rank + gap > last)
        rank = np.clip(np.where(leaves, rank - gap, rank + gap), 0, last)
        return self._views[self._start[objects] + rank]

    def unlike(
        self, rng: np.random.Generator, crop: int, same_label: bool, other_scene: bool
    ) -> int | None:
        """A crop of another object; None if none is found.

        It is never of the same picture, where the crop's object could stand beside it, and, where
        ``other_scene``, of no picture of a clip that shows the crop's object.
        """
        pool = self._of_kind[self._kind[crop]] if same_label else None
        for attempt in range(ATTEMPTS):
            if pool is None or attempt > ATTEMPTS // 2:
                pool = self._sources[rng.choice(len(self._sources), p=self._weights)]
            other = int(pool[int(rng.random() * len(pool))])
            view = int(self._views[self._start[other] + int(rng.random() * self._count[other])])
            barred = self.picture[view] == self.picture[crop]
            barred |= other_scene and self.scene[view] == self.scene[crop]
            if other != self.object[crop] and not barred:
                return view
        return None


def _linked(objects: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """(N,) ids: crops with the same one are linked by objects seen together in pictures."""
    scene = np.arange(len(objects))
    while True:
        before = scene
        for ids in (objects, pictures):
            _, place = np.unique(ids, return_inverse=True)
            lowest = np.full(place.max() + 1, len(ids))
            np.minimum.at(lowest, place, scene)
            scene = lowest[place]
        if np.array_equal(before, scene):
            return scene


@dataclass(frozen=True, slots=True)
class _Framed:
    """Windows of the tracker upon n objects.

    Attributes:
        to_picture: (n, 2, 3) from crop to picture pixels.
        corners: (n, 4) inclusive corners of the object in the crop.
    """

    to_picture: np.ndarray
    corners: np.ndarray


def linear_changes(
    degrees: np.ndarray, log_aspect: np.ndarray, mirrored: np.ndarray, shear: np.ndarray
) -> np.ndarray:
    """(n, 2, 2): mirror, then widen and flatten, then shear, then rotate."""
    angle = np.radians(degrees)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1)
    stretch = np.zeros((len(angle), 2, 2))
    stretch[:, 0, 0] = np.exp(log_aspect / 2) * np.where(mirrored, -1, 1)
    stretch[:, 1, 1] = np.exp(-log_aspect / 2)
    sheared = np.tile(np.eye(2), (len(angle), 1, 1))
    sheared[:, 0, 1] = shear
    return rotation.reshape(-1, 2, 2) @ sheared @ stretch


def _changed_box(outline: np.ndarray, linear: np.ndarray) -> tuple[np.ndarray, ...]:
    """Middle of outlines, and the corners of their boxes after a change about it; (n, 2) each."""
    middle = (outline.min(axis=1) + outline.max(axis=1)) / 2
    points = (outline - middle[:, None]) @ linear.transpose(0, 2, 1)
    return middle, points.min(axis=1), points.max(axis=1)


def _context_sides(sizes: np.ndarray) -> np.ndarray:
    """``tracking.crops.context_side`` of (n, 2) widths and heights."""
    return np.sqrt(np.prod(sizes + sizes.mean(axis=1, keepdims=True), axis=1))


def _framed(
    outline: np.ndarray, linear: np.ndarray, size: int, ratio: np.ndarray, shift: np.ndarray
) -> _Framed:
    """The windows that a tracker with the right size estimate would cut, moved and scaled.

    Args:
        outline: (n, K, 2) points of the objects in their pictures, on their outer edge.
        linear: (n, 2, 2) changes of the pictures.
        size: side of the crop, pixels; the window is ``size / TEMPLATE_SIZE`` template windows.
        ratio: (n,) scales of the window; above 1 the object looks smaller.
        shift: (n, 2) of the window's middle, fractions of its side.
    """
    middle, low, high = _changed_box(outline, linear)
    side = _context_sides(high - low) * ratio * (size / TEMPLATE_SIZE)
    step = (side / size)[:, None]
    center = (low + high) / 2 + shift * side[:, None]
    canvas_middle = (size - 1) / 2
    back = np.linalg.inv(linear)
    offset = middle + _times(back, center - step * canvas_middle)
    to_picture = np.concatenate([back * step[:, :, None], offset[:, :, None]], axis=2)
    edges = [(corner - center) / step + canvas_middle for corner in (low, high)]
    return _Framed(to_picture, np.concatenate([edges[0] + 0.5, edges[1] - 0.5], axis=1))


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, 2, 2) times (n, 2)."""
    return np.einsum("nij,nj->ni", matrices, vectors)


@dataclass(frozen=True, slots=True)
class _Pasted:
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

    @property
    def half(self) -> np.ndarray:
        """(n, 2) half width and height on the canvas."""
        return np.abs(np.linalg.inv(self.to_shape)).sum(axis=2)

    def hidden(self, corners: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(n, P) shares of boxes (n, 4) that lie under the shapes at the (n, P, 2) places."""
        steps = (np.arange(8) + 0.5) / 8
        grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        points = corners[:, None, :2] + grid * (corners[:, 2:] - corners[:, :2])[:, None]
        offsets = points[:, None] - places[:, :, None]
        reached = np.abs(offsets @ self.to_shape.transpose(0, 2, 1)[:, None])
        return (reached.max(axis=3) < 1).mean(axis=2)

    def layer(self, places: np.ndarray, kept: np.ndarray) -> Layer:
        """Those that are kept, with their middle at the (n, 2) places."""
        maps = []
        for linear, middle in ((self.to_picture, self.picture_middle), (self.to_shape, 0)):
            offset = middle - _times(linear, places)
            maps.append(np.concatenate([linear, offset[:, :, None]], axis=2))
        half = self.half
        low, high = np.floor(places - half), np.ceil(places + half) + 1
        window = np.clip(np.concatenate([low, high], axis=1), 0, SEARCH_SIZE).astype(int)
        whole = Layer(self.canvas, self.picture, maps[0], self.shape, maps[1], window)
        order = np.argsort(self.canvas, kind="stable")
        return whole[order[kept[order]]]


class PairMaker:
    """Makes numbered batches of pairs from a bank of crops.

    Raises:
        ConfigurationError: a source is weighted that has no crops in the bank; or negative pairs or
            cut-outs are wanted but the bank has nothing else to show.
    """

    def __init__(
        self,
        bank: CropBank,
        settings: PairSettings,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings = settings
        self.device = torch.device(device)
        self._objects = _Objects(bank, settings)
        if len(np.unique(self._objects.scene)) < 2:
            raise ConfigurationError(
                f"pairs: the bank's {len(bank)} crops show a single scene; pairs need at least two "
                "objects that are never seen in one picture or clip"
            )
        self._pictures = Pictures(bank, self.device)
        self._noise = to_device(noise_tile(settings.seed), self.device)
        self._outline = bank.outline.cpu().numpy().astype(float)
        self._mean_color = bank.mean_color.cpu().numpy()
        self._opaque = np.array([bool((crop[..., 3] == 255).all()) for crop in bank.pixels])
        others = np.arange(len(bank), len(bank) + len(bank.backgrounds))
        self._backgrounds = others, np.flatnonzero(self._opaque)
        # On a CPU one crop at a time stays in the cache.
        self._together = 1 if self.device.type == "cpu" else BATCH

    def batch(self, number: int) -> PairBatch:
        """The batch of this number: the same for the same settings and bank."""
        plan = self.plan(number)
        template, search = self._made(plan.template), self._made(plan.search)
        corners = (
            to_device(part.corners.astype(np.float32), self.device)
            for part in (plan.template, plan.search)
        )
        return PairBatch(template, search, *corners, to_device(plan.negative, self.device))

    def _made(self, plan: CropPlan) -> Tensor:
        crops = torch.empty(BATCH, 3, plan.size, plan.size, device=self.device)
        fill = to_device(plan.fill, self.device)[:, :, None, None]
        for start in range(0, BATCH, self._together):
            stop = start + self._together
            part = crops[start:stop]
            part.copy_(fill[start:stop].expand_as(part))
            for layer in plan.layers:
                draw(part, layer.of_canvases(start, stop), self._pictures)
            part.copy_(develop(part, plan.photometry[start:stop], self._noise))
        return crops

    def plan(self, number: int) -> PairPlan:
        """How the batch of this number is made."""
        s = self.settings
        rng = np.random.default_rng((s.seed, number))
        first = self._objects.targets(rng, BATCH)
        shown = self._objects.later(rng, first, s.max_gap)
        negative = rng.random(BATCH) < s.negative_share
        absent, covered = np.zeros(BATCH, bool), np.zeros(BATCH, bool)
        for i in np.flatnonzero(negative):
            kind = rng.random()
            other = self._objects.unlike(rng, first[i], kind < 0.5, True) if kind < 0.8 else None
            if other is not None:
                shown[i] = other
            else:
                absent[i] = rng.random() < 0.5
                covered[i] = not absent[i]
        change_z, change_x = self._changes(rng, first, shown)
        template = _framed(
            self._outline[first],
            change_z,
            TEMPLATE_SIZE,
            np.exp(rng.normal(0, 0.05, BATCH)),
            np.zeros((BATCH, 2)),
        )
        ratio = np.exp(rng.uniform(-s.scale, s.scale, BATCH))
        shift = rng.uniform(-s.shift, s.shift, (BATCH, 2))
        near = rng.random((BATCH, 1)) < 1 / 3
        shift *= np.where(near, rng.random((BATCH, 1)), 1)
        search = _framed(self._outline[shown], change_x, SEARCH_SIZE, ratio, shift)

        cut_out = self._objects.cutout[shown] | (rng.random(BATCH) < s.new_background)
        cut_out &= ~covered | self._objects.cutout[shown]
        behind = cut_out & ~absent
        beside = self._beside(rng, first, search, ratio, change_x)
        backdrops = [self._background(rng, crop) for crop in first]
        surrounded = ~self._opaque[shown] & (rng.random(BATCH) < s.surroundings)
        layers = [
            self._backdrop(rng, backdrops, absent | cut_out | surrounded, SEARCH_SIZE),
            *(layer[behind[layer.canvas]] for layer in beside),
            self._subject(shown, search, ~absent, cut_out, SEARCH_SIZE),
            *(layer[~behind[layer.canvas]] for layer in beside),
            self._occluders(rng, first, search, covered),
        ]
        again = rng.random(BATCH) < 0.5
        others = [
            same if keep else self._background(rng, crop)
            for same, keep, crop in zip(backdrops, again, first, strict=True)
        ]
        template_layers = [
            self._backdrop(rng, others, self._objects.cutout[first], TEMPLATE_SIZE),
            self._subject(first, template, ~np.zeros(BATCH, bool), None, TEMPLATE_SIZE),
        ]
        fill = self._mean_color[first]
        light_z, light_x = draw_photometry(rng, s, BATCH, (TEMPLATE_SIZE, SEARCH_SIZE))
        return PairPlan(
            CropPlan(TEMPLATE_SIZE, fill, template_layers, template.corners, light_z),
            CropPlan(SEARCH_SIZE, fill, layers, search.corners, light_x),
            first,
            np.where(absent, -1, shown),
            negative,
        )

    def _changes(
        self, rng: np.random.Generator, first: np.ndarray, shown: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(B, 2, 2) changes of template and search: a common part and a part between them."""
        s = self.settings
        mirrored = rng.random(BATCH) < 0.5
        other = mirrored ^ (rng.random(BATCH) < s.flip)
        angle = np.clip(rng.normal(0, 4, BATCH), -10, 10)
        largest = np.where(rng.random(BATCH) < 0.5, s.rotation, min(3.0, s.rotation))
        between = rng.uniform(-1, 1, BATCH) * largest
        aspect = rng.normal(0, 0.08, BATCH)
        stretched = rng.random(BATCH) < s.thin_share
        aspect += np.where(stretched, rng.uniform(-s.stretch, s.stretch, BATCH), 0)
        turned = rng.random(BATCH) < s.turn_share
        largest = np.where(turned, s.turn_aspect, s.aspect)
        aspects = [aspect, aspect + rng.uniform(-1, 1, BATCH) * largest]
        for i, crops in enumerate((first, shown)):
            own = self._log_aspect(crops)
            # What is longer already stays as it is.
            limit = np.maximum(LONGEST, np.abs(own))
            aspects[i] = np.clip(own + aspects[i], -limit, limit) - own
        longest = np.maximum(
            *(
                np.abs(self._log_aspect(crops) + aspect)
                for crops, aspect in zip((first, shown), aspects, strict=True)
            )
        )
        thin = longest > THIN
        # Rotation widens the box of a thin object, which in pictures mostly stands or lies.
        angle = np.where(thin, angle / 5, angle)
        between = np.where(
            thin, np.clip(between / 3, -THIN_ROTATION + 2, THIN_ROTATION - 2), between
        )
        shear = rng.uniform(-0.08, 0.08, BATCH)
        return (
            linear_changes(angle, aspects[0], mirrored, np.zeros(BATCH)),
            linear_changes(angle + between, aspects[1], other, np.where(thin, 0, shear)),
        )

    def _log_aspect(self, crops: np.ndarray) -> np.ndarray:
        size = np.ptp(self._outline[crops], axis=1)
        return np.log(size[:, 0] / size[:, 1])

    def _background(self, rng: np.random.Generator, crop: int) -> int:
        """A picture that is opaque everywhere and does not show the crop's object."""
        empty, crops = self._backgrounds
        for _ in range(ATTEMPTS):
            pool = empty if len(empty) and (rng.random() < 0.6 or not len(crops)) else crops
            if not len(pool):
                break
            picture = int(pool[int(rng.random() * len(pool))])
            if pool is empty or self._objects.scene[picture] != self._objects.scene[crop]:
                return picture
        raise ConfigurationError(
            "pairs: no background: the bank has no backgrounds and no opaque crop of another scene"
        )

    def _backdrop(
        self, rng: np.random.Generator, pictures: Sequence[int], chosen: np.ndarray, size: int
    ) -> Layer:
        """Square windows of pictures that fill the chosen crops."""
        canvas = np.flatnonzero(chosen)
        count, side = len(canvas), self._pictures.size
        # A search region shows more of the background than a template, as it does of everything.
        step = rng.uniform(0.4, 1, count) * side / SEARCH_SIZE
        free = (side - step * size)[:, None]
        corner = rng.random((count, 2)) * free
        mirror = rng.choice([-1, 1], count)
        maps = np.zeros((count, 2, 3))
        maps[:, 0, 0], maps[:, 1, 1] = step * mirror, step
        maps[:, :, 2] = corner + (step / 2 - 0.5)[:, None]
        maps[:, 0, 2] += np.where(mirror < 0, step * (size - 1), 0)
        return _filling(canvas, np.asarray(pictures, int)[canvas], maps, Shape.ALL, size)

    def _subject(
        self,
        crops: np.ndarray,
        framed: _Framed,
        chosen: np.ndarray,
        cut_out: np.ndarray | None,
        size: int,
    ) -> Layer:
        """The objects that the windows are about, with their surroundings or cut out of them."""
        shape = np.where(self._opaque[crops], Shape.ALL, Shape.OPACITY)
        if cut_out is not None:
            shape = np.where(cut_out & ~self._objects.cutout[crops], Shape.ELLIPSE, shape)
        canvas = np.flatnonzero(chosen)
        layer = _filling(canvas, crops[canvas], framed.to_picture[canvas], 0, size)
        outline = self._outline[crops[canvas]]
        middle, low, high = _changed_box(outline, np.eye(2)[None])
        to_shape = layer.to_picture.copy()
        to_shape[:, :, 2] -= middle
        to_shape *= (2 / (high - low))[:, :, None]
        return Layer(canvas, layer.picture, layer.to_picture, shape[canvas], to_shape, layer.window)

    def _cut_out(self, canvas: np.ndarray, crops: np.ndarray, to_canvas: np.ndarray) -> _Pasted:
        """Objects cut out of their crops; ``to_canvas`` (n, 2, 2) from picture to canvas."""
        middle, low, high = _changed_box(self._outline[crops], np.eye(2)[None])
        to_picture = np.linalg.inv(to_canvas)
        return _Pasted(
            canvas,
            crops,
            np.where(self._objects.cutout[crops], Shape.OPACITY, Shape.ELLIPSE),
            to_picture * (2 / (high - low))[:, :, None],
            to_picture,
            middle,
        )

    def _beside(
        self,
        rng: np.random.Generator,
        first: np.ndarray,
        search: _Framed,
        ratio: np.ndarray,
        change: np.ndarray,
    ) -> list[Layer]:
        """Other objects beside the target: look-alikes in its size, and one or two of any size."""
        s = self.settings
        some = rng.random(BATCH) < s.distractor
        second = some & (rng.random(BATCH) < 0.25)
        layers = []
        for number, chosen in enumerate((rng.random(BATCH) < s.lookalike, some, second)):
            found = [
                (i, crop)
                for i in np.flatnonzero(chosen)
                if (
                    crop := self._objects.unlike(
                        rng, first[i], number == 0 or rng.random() < 0.5, False
                    )
                )
                is not None
            ]
            canvas, crops = np.array(found, int).reshape(-1, 2).T
            count = len(canvas)
            if number == 0:
                linear = change[canvas]
                size = _box_size_of(self._outline[crops], linear)
                zoom = TEMPLATE_SIZE / ratio[canvas] / _context_sides(size)
            else:
                linear = linear_changes(
                    rng.normal(0, 6, count),
                    rng.normal(0, 0.1, count),
                    rng.random(count) < 0.5,
                    np.zeros(count),
                )
                size = _box_size_of(self._outline[crops], linear)
                areas = _box_size(search.corners[canvas]).prod(axis=1) / size.prod(axis=1)
                zoom = rng.uniform(0.6, 1.5, count) * np.sqrt(areas)
            pasted = self._cut_out(canvas, crops, linear * zoom[:, None, None])
            corners = search.corners[canvas]
            places = _around(rng, corners, pasted.half, 0.8, 1.6)
            anywhere = rng.uniform(0, SEARCH_SIZE - 1, places.shape)
            places = np.where(rng.random((count, PLACES, 1)) < 0.4, anywhere, places)
            fits = pasted.hidden(corners, places) <= MAX_HIDING
            fits &= ((places > 0) & (places < SEARCH_SIZE - 1)).all(axis=2)
            place = places[np.arange(count), fits.argmax(axis=1)]
            layers.append(pasted.layer(place, fits.any(axis=1)))
        return layers

    def _occluders(
        self, rng: np.random.Generator, first: np.ndarray, search: _Framed, covered: np.ndarray
    ) -> Layer:
        """Objects, patches and bars before part of the target; before all of it where covered."""
        canvas = np.flatnonzero(covered | (rng.random(BATCH) < self.settings.occluder))
        count = len(canvas)
        corners, whole = search.corners[canvas], covered[canvas]
        target = _box_size(corners)
        patches = self._patches(rng, canvas, first, target, whole)
        found = [
            (k, crop)
            for k in np.flatnonzero(~whole & (rng.random(count) < 0.5))
            if (crop := self._objects.unlike(rng, first[canvas[k]], False, False)) is not None
        ]
        rows, crops = np.array(found, int).reshape(-1, 2).T
        linear = linear_changes(
            rng.normal(0, 10, len(rows)),
            rng.normal(0, 0.1, len(rows)),
            rng.random(len(rows)) < 0.5,
            np.zeros(len(rows)),
        )
        size = _box_size_of(self._outline[crops], linear)
        areas = target[rows].prod(axis=1) / size.prod(axis=1)
        zoom = rng.uniform(0.5, 1.1, len(rows)) * np.sqrt(areas)
        objects = self._cut_out(canvas[rows], crops, linear * zoom[:, None, None])
        for name in ("picture", "shape", "to_shape", "to_picture", "picture_middle"):
            getattr(patches, name)[rows] = getattr(objects, name)
        places = _around(rng, corners, patches.half.clip(max=SEARCH_SIZE), 0.1, 1.0)
        places[whole] = ((corners[:, None, :2] + corners[:, None, 2:]) / 2)[whole]
        hidden = patches.hidden(corners, places)
        wanted = rng.uniform(0.1, MAX_HIDDEN, (count, 1))
        misses = np.where(hidden <= MAX_HIDDEN, np.abs(hidden - wanted), np.inf)
        chosen = misses.argmin(axis=1)
        rows = np.arange(count)
        return patches.layer(places[rows, chosen], whole | np.isfinite(misses[rows, chosen]))

    def _patches(
        self,
        rng: np.random.Generator,
        canvas: np.ndarray,
        first: np.ndarray,
        target: np.ndarray,
        whole: np.ndarray,
    ) -> _Pasted:
        """Rectangles of (n, 2) targets' size or more and long bars, of other pictures or plain."""
        count = len(canvas)
        half = target / 2 * rng.uniform(0.3, 1, (count, 2))
        bars = ~whole & (rng.random(count) < 0.5)
        thickness = np.sqrt(target.prod(axis=1)) * rng.uniform(0.08, 0.3, count)
        upright = rng.random(count) < 0.6
        half[bars] = np.where(
            upright[:, None],
            np.stack([thickness, thickness * 0 + 2 * SEARCH_SIZE], 1),
            np.stack([thickness * 0 + 2 * SEARCH_SIZE, thickness], 1),
        )[bars]
        half[whole] = (target * rng.uniform(0.65, 0.9, (count, 2)) + 6)[whole]
        turn = linear_changes(
            np.where(whole, 0, rng.normal(0, 8, count)),
            np.zeros(count),
            np.zeros(count, bool),
            np.zeros(count),
        )
        to_shape = turn / half[:, :, None]
        plain = ~whole & (rng.random(count) < 0.4)
        step = np.where(plain, 0, rng.uniform(0.4, 1, count))
        side = self._pictures.size
        return _Pasted(
            canvas.copy(),
            np.array([self._background(rng, crop) for crop in first[canvas]], int),
            np.full(count, Shape.RECTANGLE),
            to_shape,
            np.tile(np.eye(2), (count, 1, 1)) * step[:, None, None],
            rng.uniform(0.2, 0.8, (count, 2)) * side,
        )


def _filling(
    canvas: np.ndarray, pictures: np.ndarray, maps: np.ndarray, shape: int, size: int
) -> Layer:
    """Pictures that fill their crops."""
    count = len(canvas)
    window = np.tile(np.array([0, 0, size, size]), (count, 1))
    return Layer(canvas, pictures, maps, np.full(count, shape), np.zeros((count, 2, 3)), window)


def _box_size(corners: np.ndarray) -> np.ndarray:
    """(n, 2) widths and heights of (n, 4) inclusive corners."""
    return corners[:, 2:] - corners[:, :2] + 1


def _box_size_of(outline: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """(n, 2) widths and heights of outlines after a change."""
    _, low, high = _changed_box(outline, linear)
    return high - low


def _around(
    rng: np.random.Generator, corners: np.ndarray, half: np.ndarray, nearest: float, farthest: float
) -> np.ndarray:
    """(n, PLACES, 2) places about boxes; at distance 1 a thing of (n, 2) half sizes touches."""
    count = len(corners)
    angle = rng.uniform(0, 2 * math.pi, (count, PLACES))
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=2)
    direction /= np.abs(direction).max(axis=2, keepdims=True)
    reach = half + _box_size(corners) / 2
    distance = rng.uniform(nearest, farthest, (count, PLACES, 1))
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    return middle[:, None] + direction * distance * reach[:, None]
