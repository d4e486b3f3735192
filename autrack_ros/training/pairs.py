"""Training pairs: a template crop and a search region of one object, cut as the tracker cuts them.

Every pair is a function of the seed and its number alone, whichever process makes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from autrack_ros.tracking.boxes import Box, iou
from autrack_ros.tracking.crops import CropGeometry, context_side, mean_color, resample
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.boxset import BoxSet, Cutout, soft_cutout

TEMPLATE_SIZE = 128
SEARCH_SIZE = 256


@dataclass(frozen=True, slots=True)
class PairSettings:
    """What pairs look like. Probabilities are 0..1, ranges symmetric about no change."""

    seed: int = 0
    set_weights: dict[str, float] = field(
        default_factory=lambda: {
            "vos_short": 0.25,
            "coco_tiny": 0.2,
            "vehicles": 0.2,
            "camvid": 0.15,
            "groceries": 0.2,
        }
    )
    cutout_share: float = 0.15  # pairs whose target is a pasted cut-out
    negative_share: float = 0.12  # pairs whose search region lacks the target
    shift: float = 0.25  # largest shift of the target, fraction of the search side, each axis
    scale: float = 0.3  # largest |log| of the search scale
    rotation: float = 15.0  # degrees between template and search
    aspect: float = 0.15  # largest |log| change of width / height
    flip: float = 0.08  # search mirrored against the template
    new_background: float = 0.15  # object cut out and put before another picture
    surroundings: float = 0.4  # another picture where the search region leaves its own
    distractor: float = 0.35  # another object pasted beside the target
    occluder: float = 0.2  # a patch over part of the target

    def __post_init__(self) -> None:
        shares = ("cutout_share", "negative_share", "flip", "new_background", "surroundings")
        for name in (*shares, "distractor", "occluder"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigurationError(f"pairs.{name} = {value}: must be 0..1")
        if not self.set_weights or min(self.set_weights.values()) < 0:
            raise ConfigurationError(
                f"pairs.set_weights = {self.set_weights}: at least one set, no weight below 0"
            )
        if not 0 <= self.shift <= 0.5:
            raise ConfigurationError(f"pairs.shift = {self.shift}: must be 0..0.5")


@dataclass(frozen=True, slots=True)
class Pair:
    """One training example.

    Attributes:
        template: 128x128x3 uint8 BGR.
        search: 256x256x3 uint8 BGR.
        corners: the target in the search region, float32 inclusive corners (x0, y0, x1, y1),
            pixels.
        negative: the target of the template is not in the search region.
    """

    template: np.ndarray
    search: np.ndarray
    corners: np.ndarray
    negative: bool


@dataclass(frozen=True, slots=True)
class View:
    """How a crop sees a picture: a linear change about a point, then the tracker's square window.

    Attributes:
        box: the object after the linear change, edge coordinates.
        picture_to_view: 2x3 affine, pixel-centre coordinates.
        geometry: the window.
    """

    box: Box
    picture_to_view: np.ndarray
    geometry: CropGeometry

    @property
    def crop_to_picture(self) -> np.ndarray:
        """2x3 affine from crop to picture, both in pixel-centre coordinates."""
        back = cv2.invertAffineTransform(self.picture_to_view)
        return back[:, :2] @ self.geometry.crop_to_image + np.array([[0, 0, 1.0]]) * back[:, 2:]

    @property
    def corners(self) -> np.ndarray:
        """The object in the crop: float32 inclusive corners, crop pixels."""
        return np.array(self.geometry.to_crop(self.box).corners, np.float32)


def ellipse_box(box: Box, linear: np.ndarray) -> Box:
    """Bounding box of the box's inscribed ellipse after a linear change about its centre.

    A rotated object rarely reaches the corners of its box, so this is closer than the rotated
    corners; it is exact for the identity.
    """
    half = np.array([box.w, box.h]) / 2
    w, h = 2 * np.sqrt(((linear * half) ** 2).sum(axis=1))
    return Box.from_pixel_center(*box.pixel_center, float(w), float(h))


def view_of_box(
    box: Box, linear: np.ndarray, size: int, side_ratio: float, shift: tuple[float, float]
) -> View:
    """The window that a tracker with the right size estimate would cut, moved and scaled.

    Args:
        box: the object in its picture.
        linear: 2x2 change of the picture about the object's centre.
        size: side of the crop, pixels; the window is ``size / TEMPLATE_SIZE`` template windows.
        side_ratio: scale of the window; above 1 the object looks smaller.
        shift: of the window's centre, fractions of its side.
    """
    center = np.array(box.pixel_center)
    to_view = np.hstack([linear, (center - linear @ center)[:, None]])
    return _view(ellipse_box(box, linear), to_view, size, side_ratio, shift)


def view_of_cutout(
    cutout: Cutout, linear: np.ndarray, size: int, side_ratio: float, shift: tuple[float, float]
) -> View:
    """As ``view_of_box``; the box is the exact one of the cut-out's outline."""
    points = cutout.outline @ linear.T
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    to_view = np.hstack([linear, np.zeros((2, 1))])
    return _view(Box.from_corners(x0, y0, x1, y1), to_view, size, side_ratio, shift)


def _view(
    box: Box, to_view: np.ndarray, size: int, side_ratio: float, shift: tuple[float, float]
) -> View:
    side = context_side(box.w, box.h) * side_ratio * size / TEMPLATE_SIZE
    cx, cy = box.pixel_center
    center = (cx + shift[0] * side, cy + shift[1] * side)
    return View(box, to_view, CropGeometry(center, side, size))


def linear_change(angle_degrees: float, log_aspect: float, mirrored: bool) -> np.ndarray:
    """2x2: mirror, then widen and flatten, then rotate."""
    a = math.radians(angle_degrees)
    rotation = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    stretch = np.diag(
        [math.exp(log_aspect / 2) * (-1 if mirrored else 1), math.exp(-log_aspect / 2)]
    )
    return rotation @ stretch


def paste(crop: np.ndarray, cutout: Cutout, crop_to_cutout: np.ndarray) -> np.ndarray:
    """Draw a cut-out over a crop; returns a new HxWx3 uint8 image."""
    size = crop.shape[1], crop.shape[0]
    warped = cv2.warpAffine(
        cutout.image, crop_to_cutout, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    opacity = warped[..., 3:].astype(np.float32) / 255
    return (crop + opacity * (warped[..., :3].astype(np.float32) - crop) + 0.5).astype(np.uint8)


class Photometry:
    """Changes of light, sharpness and quality; drawn once for a pair, with a part for each crop."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.grey = rng.random() < 0.06
        self.gain = math.exp(rng.normal(0, 0.15))

    def apply(self, image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
        """Change an HxWx3 uint8 image; ``strength`` scales the probabilities of damage (0..1)."""
        if rng.random() < 0.2 * strength:
            image = _motion_blur(image, rng)
        if rng.random() < 0.2 * strength:
            image = _lower_resolution(image, rng)
        image = self._light(image, rng, strength)
        if rng.random() < 0.25 * strength:
            spread = int(rng.integers(2, 14))
            noise = np.empty(image.shape, np.int16)
            cv2.setRNGSeed(int(rng.integers(2**31)))
            cv2.randn(noise, 0, spread)
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        if rng.random() < 0.3 * strength:
            quality = int(rng.integers(25, 85))
            encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        return image

    def _light(self, image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
        levels = np.arange(256) / 255.0
        if rng.random() < 0.7:
            gamma = math.exp(rng.normal(0, 0.2 * strength))
            gains = self.gain * np.exp(rng.normal(0, 0.15 * strength) + rng.normal(0, 0.05, 3))
            offset = rng.normal(0, 0.04 * strength)
            table = np.clip(levels[:, None] ** gamma * gains + offset, 0, 1) * 255
            image = cv2.LUT(image, table.astype(np.uint8)[:, None, :])
        if self.grey:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        elif rng.random() < 0.3:
            grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            saturation = float(rng.uniform(0.4, 1.4))
            image = cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)
        return image


def _motion_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(rng.integers(3, 16))
    angle = rng.uniform(0, math.pi)
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    dx, dy = middle * math.cos(angle), middle * math.sin(angle)
    start = (round(middle - dx), round(middle - dy))
    cv2.line(kernel, start, (round(middle + dx), round(middle + dy)), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _lower_resolution(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    factor = rng.uniform(0.2, 0.7)
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


class PairMaker:
    """Makes numbered pairs from sets of boxes and cut-outs.

    Raises:
        ConfigurationError: a set is weighted that was not given, or cut-outs are wanted but
            none given.
    """

    def __init__(
        self, sets: Sequence[BoxSet], cutouts: Sequence[Cutout], settings: PairSettings
    ) -> None:
        self.settings = settings
        self.cutouts = list(cutouts)
        by_name = {boxes.name: boxes for boxes in sets}
        missing = set(settings.set_weights) - set(by_name)
        if missing:
            raise ConfigurationError(
                f"pairs.set_weights names {sorted(missing)}; the sets read are {sorted(by_name)}"
            )
        if settings.cutout_share > 0 and not self.cutouts:
            raise ConfigurationError(
                f"pairs.cutout_share = {settings.cutout_share} but no cut-outs were given"
            )
        self.sets = [by_name[name] for name in settings.set_weights]
        weights = np.array(list(settings.set_weights.values()))
        self._set_probability = weights / weights.sum()

    def make(self, number: int) -> Pair:
        """The pair of this number: the same for the same settings and data."""
        rng = np.random.default_rng((self.settings.seed, number))
        negative = bool(rng.random() < self.settings.negative_share)
        if rng.random() < self.settings.cutout_share:
            template, search, corners = self._synthetic(rng, negative)
        else:
            template, search, corners = self._real(rng, negative)
        search = self._clutter(rng, search, corners)
        light = Photometry(rng)
        return Pair(
            light.apply(template, rng, strength=0.5),
            light.apply(search, rng, strength=1.0),
            corners,
            negative,
        )

    def _pick_set(self, rng: np.random.Generator) -> BoxSet:
        return self.sets[rng.choice(len(self.sets), p=self._set_probability)]

    def _changes(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Linear changes of template and search: a common part and a part between them."""
        s = self.settings
        mirrored = bool(rng.random() < 0.5)
        angle, aspect = rng.normal(0, 4), rng.normal(0, 0.08)
        other = mirrored != bool(rng.random() < s.flip)
        return (
            linear_change(angle, aspect, mirrored),
            linear_change(
                angle + rng.uniform(-s.rotation, s.rotation),
                aspect + rng.uniform(-s.aspect, s.aspect),
                other,
            ),
        )

    def _jitter(self, rng: np.random.Generator) -> tuple[float, tuple[float, float]]:
        s = self.settings
        shift = rng.uniform(-s.shift, s.shift, 2)
        return math.exp(rng.uniform(-s.scale, s.scale)), (float(shift[0]), float(shift[1]))

    def _real(
        self, rng: np.random.Generator, negative: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        boxes = self._pick_set(rng)
        index = int(rng.integers(len(boxes.objects)))
        other = int(rng.choice(boxes.same_track(index)))
        if negative:
            other = self._unlike(rng, boxes, index)
        first, second = boxes.objects[index], boxes.objects[other]
        change_z, change_x = self._changes(rng)
        view_z = view_of_box(
            first.box, change_z, TEMPLATE_SIZE, math.exp(rng.normal(0, 0.05)), (0, 0)
        )
        view_x = view_of_box(second.box, change_x, SEARCH_SIZE, *self._jitter(rng))
        picture = boxes.pictures[first.picture]
        padding = mean_color(picture)
        template = resample(picture, view_z.crop_to_picture, TEMPLATE_SIZE, padding)
        if rng.random() < self.settings.new_background:
            cutout = soft_cutout(boxes.pictures[second.picture], second.box)
            if cutout is not None:
                search, corners = self._staged(rng, cutout, change_x)
                return template, search, corners
        search = resample(
            boxes.pictures[second.picture], view_x.crop_to_picture, SEARCH_SIZE, padding
        )
        if rng.random() < self.settings.surroundings:
            search = self._extend(rng, search, boxes.pictures[second.picture], view_x)
        return template, search, view_x.corners

    def _extend(
        self, rng: np.random.Generator, search: np.ndarray, picture: np.ndarray, view: View
    ) -> np.ndarray:
        """Another picture in place of the padding: small pictures of large objects end too soon."""
        inside = np.full(picture.shape[:2], 255, np.uint8)
        mask = cv2.warpAffine(
            inside, view.crop_to_picture, search.shape[1::-1], flags=cv2.WARP_INVERSE_MAP
        )
        if mask.all():
            return search
        return np.where(mask[..., None] > 0, search, self._background(rng, len(search)))

    def _unlike(self, rng: np.random.Generator, boxes: BoxSet, index: int) -> int:
        """Another object, in half the cases of the same label; not of its track or picture.

        Without that care the target itself could stand in the search region of a negative pair.
        """
        pool: Sequence[int] = boxes.same_label(index) if rng.random() < 0.5 else ()
        barred = set(boxes.same_track(index)) | set(boxes.same_picture(index))
        for _ in range(20):
            other = int(rng.choice(pool)) if len(pool) else int(rng.integers(len(boxes.objects)))
            if other not in barred:
                return other
            pool = ()
        raise ConfigurationError(
            f"pairs.negative_share > 0 but set {boxes.name} has too few different objects"
        )

    def _synthetic(
        self, rng: np.random.Generator, negative: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        cutout = self.cutouts[rng.integers(len(self.cutouts))]
        change_z, change_x = self._changes(rng)
        template, _ = self._staged(rng, cutout, change_z, template=True)
        if negative:
            different = [c for c in self.cutouts if c is not cutout]
            cutout = different[rng.integers(len(different))]
        search, corners = self._staged(rng, cutout, change_x)
        return template, search, corners

    def _staged(
        self, rng: np.random.Generator, cutout: Cutout, change: np.ndarray, template: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """A cut-out before a random background: the crop and the object's corners in it."""
        if template:
            view = view_of_cutout(
                cutout, change, TEMPLATE_SIZE, math.exp(rng.normal(0, 0.05)), (0, 0)
            )
        else:
            view = view_of_cutout(cutout, change, SEARCH_SIZE, *self._jitter(rng))
        crop = self._background(rng, view.geometry.size)
        return paste(crop, cutout, view.crop_to_picture), view.corners

    def _background(self, rng: np.random.Generator, size: int) -> np.ndarray:
        boxes = self._pick_set(rng)
        picture = boxes.pictures[rng.integers(len(boxes.pictures))]
        height, width = picture.shape[:2]
        side = int(rng.uniform(0.4, 1.0) * min(height, width))
        left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
        return cv2.resize(picture[top : top + side, left : left + side], (size, size))

    def _clutter(
        self, rng: np.random.Generator, search: np.ndarray, corners: np.ndarray
    ) -> np.ndarray:
        """Distractors beside the target and patches over part of it."""
        target = Box.from_corners(*map(float, corners))
        if rng.random() < self.settings.distractor:
            search = self._paste_beside(rng, search, target, 0.15, rng.uniform(0.6, 1.5))
        if rng.random() < self.settings.occluder:
            search = self._paste_beside(rng, search, target, 0.35, rng.uniform(0.4, 0.9), over=True)
        return search

    def _paste_beside(
        self,
        rng: np.random.Generator,
        search: np.ndarray,
        target: Box,
        max_covered: float,
        size_ratio: float,
        over: bool = False,
    ) -> np.ndarray:
        """Another object of ``size_ratio`` times the target's size, covering little of it."""
        if self.cutouts and rng.random() < 0.4:
            cutout = self.cutouts[rng.integers(len(self.cutouts))]
        else:
            boxes = self._pick_set(rng)
            thing = boxes.objects[rng.integers(len(boxes.objects))]
            soft = soft_cutout(boxes.pictures[thing.picture], thing.box)
            if soft is None:
                return search
            cutout = soft
        change = linear_change(rng.normal(0, 10), rng.normal(0, 0.1), bool(rng.random() < 0.5))
        free = view_of_cutout(cutout, change, SEARCH_SIZE, 1.0, (0, 0))
        zoom = size_ratio * math.sqrt(target.area / free.box.area)
        w, h = free.box.w * zoom, free.box.h * zoom
        for _ in range(8):
            if over:
                cx = rng.uniform(target.x - w / 4, target.x + target.w + w / 4)
                cy = rng.uniform(target.y - h / 4, target.y + target.h + h / 4)
            else:
                cx, cy = rng.uniform(0, SEARCH_SIZE, 2)
            placed = Box(float(cx) - w / 2, float(cy) - h / 2, w, h)
            if _covered(target, placed) <= max_covered:
                break
        else:
            return search
        x0, y0 = placed.x, placed.y
        to_crop = free.picture_to_view * zoom
        to_crop[:, 2] += (x0 - free.box.x * zoom, y0 - free.box.y * zoom)
        return paste(search, cutout, cv2.invertAffineTransform(to_crop))


def _covered(target: Box, other: Box) -> float:
    """Share of the target that the other box covers."""
    overlap = iou(target, other)
    return overlap * (target.area + other.area) / (1 + overlap) / target.area


def pair_sheet(maker: PairMaker, count: int = 48, columns: int = 8) -> np.ndarray:
    """Pairs 0..count-1 side by side, the target's box green, red where the pair is negative."""
    tiles = []
    for number in range(count):
        pair = maker.make(number)
        search = pair.search.copy()
        x0, y0, x1, y1 = (round(float(value)) for value in pair.corners)
        cv2.rectangle(search, (x0, y0), (x1, y1), (0, 0, 255) if pair.negative else (0, 255, 0), 2)
        template = np.zeros((SEARCH_SIZE, TEMPLATE_SIZE, 3), np.uint8)
        template[:TEMPLATE_SIZE] = pair.template
        tiles.append(cv2.copyMakeBorder(np.hstack([template, search]), 2, 2, 2, 2, 0))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)
