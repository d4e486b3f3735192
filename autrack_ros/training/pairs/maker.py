"""Training pairs: a template crop and a search region of one object, cut as the tracker cuts them.

A batch is planned with NumPy, a function of the seed and the batch's number alone, and drawn with
torch on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autrack_ros.training.pairs.bank import CropBank
from autrack_ros.training.pairs.cast import Cast
from autrack_ros.training.pairs.clutter import Clutter
from autrack_ros.training.pairs.compose import Layer, Pictures, Shape, draw, to_device
from autrack_ros.training.pairs.framing import (
    SEARCH_SIZE,
    TEMPLATE_SIZE,
    Framed,
    framed,
    linear_changes,
    shape_window,
    squaring,
)
from autrack_ros.training.pairs.photometry import Photometry, develop, draw_photometry, noise_tile
from autrack_ros.training.pairs.settings import PairSettings

BATCH = 32  # pairs
THIN = math.log(2)  # |log| of width / height from which an object is hardly rotated
LONGEST = math.log(6)  # |log| of width / height that stretching does not exceed
SQUARE_SIDES = 2.0  # of a square target: side of SiamFC++'s template window
SMALL_PICTURE = 0.5  # share of a crop inside its picture below which the picture is left out


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


class PairMaker:
    """Makes numbered batches of pairs from a bank of crops.

    Args:
        bank: gives the pictures.
        settings: what pairs look like.
        device: where they are drawn.
        box_windows: see ``TrackerSettings``.

    Raises:
        ConfigurationError: a source is weighted that has no crops in the bank, or the bank has too
            few crops to choose another object or a background (``Cast``).
    """

    def __init__(
        self,
        bank: CropBank,
        settings: PairSettings,
        device: torch.device | str = "cpu",
        box_windows: tuple[float, float] | None = None,
    ) -> None:
        self.settings = settings
        self.box_windows = box_windows
        self.device = torch.device(device)
        self._cast = Cast(bank, settings)
        self._pictures = Pictures(bank, self.device)
        self._clutter = Clutter(self._cast, settings, self._pictures.size)
        self._noise = to_device(noise_tile(settings.seed), self.device)
        self._mean_color = bank.mean_color.cpu().numpy()
        # On a CPU one crop at a time stays in the cache.
        self._together = 1 if self.device.type == "cpu" else BATCH

    def batch(self, number: int) -> PairBatch:
        """The batch of this number: the same for the same settings and bank."""
        return self.compose(self.plan(number))

    def compose(self, plan: PairPlan) -> PairBatch:
        """The batch of a plan, which may have been made by another process."""
        template, search = (self._made(part) for part in (plan.template, plan.search))
        return PairBatch(
            template,
            search,
            to_device(plan.template.corners.astype(np.float32), self.device),
            to_device(plan.search.corners.astype(np.float32), self.device),
            to_device(plan.negative, self.device),
        )

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
        s, cast = self.settings, self._cast
        rng = np.random.default_rng((s.seed, number))
        first = cast.targets(rng, BATCH)
        shown, negative, absent, covered = self._shown(rng, first)
        change_z, change_x = self._changes(rng, first, shown)
        zoom_z = zoom_x = 1.0  # of the windows, against SiamFC++'s upon a square
        stretch = np.tile(np.eye(2), (BATCH, 1, 1))
        if self.box_windows:
            # Pictures are stretched instead of windows.
            zoom_z = self.box_windows[0] / SQUARE_SIDES
            zoom_x = self.box_windows[1] / SQUARE_SIDES * TEMPLATE_SIZE / SEARCH_SIZE
            change_z = squaring(cast.outline[first], change_z) @ change_z
            error = rng.uniform(-s.window_aspect, s.window_aspect, BATCH)
            none = np.zeros(BATCH)
            stretch = linear_changes(none, error, none > 0, none)
            stretch = stretch @ squaring(cast.outline[shown], change_x)
            change_x = stretch @ change_x
        ratio = np.exp(rng.normal(0, 0.05, BATCH)) * zoom_z
        template = framed(
            cast.middle[first],
            cast.outline[first],
            change_z,
            TEMPLATE_SIZE,
            ratio,
            np.zeros((BATCH, 2)),
        )
        ratio = np.exp(rng.uniform(-s.scale, s.scale, BATCH)) * zoom_x
        shift = rng.uniform(-s.shift, s.shift, (BATCH, 2))
        near = rng.random((BATCH, 1)) < 1 / 3
        shift *= np.where(near, rng.random((BATCH, 1)), 1)
        search = framed(
            cast.middle[shown], cast.outline[shown], change_x, SEARCH_SIZE, ratio, shift
        )
        template_layers = [
            self._backdrop(rng, self._backdrops(rng, first), cast.cutout[first], TEMPLATE_SIZE),
            self._subject(first, template, np.arange(BATCH), cast.cutout[first], TEMPLATE_SIZE),
        ]
        search_layers = self._search_layers(
            rng, first, shown, search, (ratio, change_x, stretch), (absent, covered)
        )
        light_z, light_x = draw_photometry(rng, s, BATCH, (TEMPLATE_SIZE, SEARCH_SIZE))
        fill = self._mean_color[first]
        return PairPlan(
            CropPlan(TEMPLATE_SIZE, fill, template_layers, template.corners, light_z),
            CropPlan(SEARCH_SIZE, fill, search_layers, search.corners, light_x),
            first,
            np.where(absent, -1, shown),
            negative,
        )

    def _shown(self, rng: np.random.Generator, first: np.ndarray) -> tuple[np.ndarray, ...]:
        """(B,) each: crops for the search regions; which are negative; absent there; covered."""
        shown = self._cast.later(rng, first, self.settings.max_gap)
        negative = rng.random(BATCH) < self.settings.negative_share
        absent, covered = np.zeros((2, BATCH), bool)
        for i in np.flatnonzero(negative):
            kind, is_absent = rng.random(), rng.random() < 0.5
            other = None
            if kind < 0.8:
                other = self._cast.unlike(rng, first[i], kind < 0.5, other_scene=True)
            if other is None:
                absent[i], covered[i] = is_absent, not is_absent
            else:
                shown[i] = other
        return shown, negative, absent, covered

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
        thin = np.zeros(BATCH, bool)
        for i, crops in enumerate((first, shown)):
            own = np.log(self._cast.size[crops, 0] / self._cast.size[crops, 1])
            # What is longer already stays as it is.
            limit = np.maximum(LONGEST, np.abs(own))
            changed = np.clip(own + aspects[i], -limit, limit)
            aspects[i] = changed - own
            thin |= np.abs(changed) > THIN
        # Rotation widens the box of a thin object; in pictures most of them stand or lie.
        angle = np.where(thin, angle / 5, angle)
        between = np.where(thin, between.clip(-3, 3), between)
        shear = np.where(thin, 0, rng.uniform(-0.08, 0.08, BATCH))
        return (
            linear_changes(angle, aspects[0], mirrored, np.zeros(BATCH)),
            linear_changes(angle + between, aspects[1], other, shear),
        )

    def _search_layers(
        self,
        rng: np.random.Generator,
        first: np.ndarray,
        shown: np.ndarray,
        search: Framed,
        look: tuple[np.ndarray, np.ndarray, np.ndarray],
        missing: tuple[np.ndarray, np.ndarray],
    ) -> list[Layer]:
        """Background, things behind, the object, things before it, occluders, covers.

        Args:
            rng: draws everything.
            first: (B,) crops of the templates.
            shown: (B,) crops of the search regions.
            search: their windows.
            look: (B,) scales and (B, 2, 2) changes of the search regions, and of these the part
                (B, 2, 2) that is the window's shape.
            missing: (B,) bool each; where the object is left out, where it is covered.
        """
        s, cast = self.settings, self._cast
        absent, covered = missing
        small = cast.opaque[shown] < SMALL_PICTURE
        moved = rng.random(BATCH) < np.where(small, 3, 1) * s.new_background
        cut_out = cast.cutout[shown] | (moved & ~covered)
        surrounded = (cast.opaque[shown] < 1) & (rng.random(BATCH) < s.surroundings)
        behind = cut_out & ~absent
        beside = self._clutter.beside(rng, first, search.corners, *look)
        backdrops = self._backdrops(rng, first)
        return [
            self._backdrop(rng, backdrops, absent | cut_out | surrounded, SEARCH_SIZE),
            *(layer[behind[layer.canvas]] for layer in beside),
            self._subject(shown, search, np.flatnonzero(~absent), cut_out, SEARCH_SIZE),
            *(layer[~behind[layer.canvas]] for layer in beside),
            self._clutter.occluders(rng, first, search.corners, ~covered),
            self._clutter.covers(rng, first, search.corners, covered),
        ]

    def _backdrops(self, rng: np.random.Generator, first: np.ndarray) -> np.ndarray:
        return np.array([self._cast.background(rng, crop) for crop in first])

    def _backdrop(
        self, rng: np.random.Generator, pictures: np.ndarray, chosen: np.ndarray, size: int
    ) -> Layer:
        """Square windows of pictures that fill the chosen crops, mirrored or not."""
        canvas = np.flatnonzero(chosen)
        count, side = len(canvas), self._pictures.size
        # A search region shows more of the background than a template, as it does of everything.
        step = rng.uniform(0.4, 1, count) * side / SEARCH_SIZE
        middle = rng.uniform(-0.5, 0.5, (count, 2)) * (side - step * size)[:, None]
        linear = np.zeros((count, 2, 2))
        linear[:, 0, 0], linear[:, 1, 1] = step * rng.choice([-1, 1], count), step
        offset = middle + (side - 1) / 2 - linear.sum(axis=2) * (size - 1) / 2
        return Layer(
            canvas,
            pictures[canvas],
            np.concatenate([linear, offset[:, :, None]], axis=2),
            np.full(count, Shape.ALL),
            np.zeros((count, 2, 3)),
            np.tile([0, 0, size, size], (count, 1)),
        )

    def _subject(
        self, crops: np.ndarray, windows: Framed, canvas: np.ndarray, cut_out: np.ndarray, size: int
    ) -> Layer:
        """The objects that the windows are about, with their surroundings or cut out (B,) of them.

        Only what is on the given canvases.
        """
        whole = np.where(self._cast.opaque[crops] == 1, Shape.ALL, Shape.OPACITY)
        own = np.where(self._cast.cutout[crops], Shape.OPACITY, Shape.ELLIPSE)
        to_shape = windows.to_picture.copy()
        to_shape[:, :, 2] -= self._cast.middle[crops]
        to_shape *= (2 / self._cast.size[crops])[:, :, None]
        everything = np.tile([0, 0, size, size], (len(crops), 1))
        return Layer(
            canvas,
            crops[canvas],
            windows.to_picture[canvas],
            np.where(cut_out, own, whole)[canvas],
            to_shape[canvas],
            np.where(cut_out[:, None], shape_window(to_shape, size), everything)[canvas],
        )
