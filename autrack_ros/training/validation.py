"""A validation set of clips: films left out of training, and made clips of left-out objects.

A made clip shows an object before a photograph that pans and shakes. The object moves on a smooth
path, turns, grows and shrinks; the light changes; another object passes in front of it, or it
leaves the view; a look-alike may cross it. Every frame is the mean of what is seen while the
shutter is open, so that blur follows from the motion.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from autrack_ros.evaluation.metrics import astray, ends_astray, ious, success_auc
from autrack_ros.evaluation.runner import track
from autrack_ros.networks import NETWORKS
from autrack_ros.networks.siamese import SiameseNetwork
from autrack_ros.tracking.adaptation import AdaptationSettings
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.checkpoint import form
from autrack_ros.tracking.engine import TrackingEngine
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.graphs import find_graphs
from autrack_ros.tracking.presets import Preset
from autrack_ros.tracking.runtimes import Runtime
from autrack_ros.tracking.runtimes.openvino_runtime import OpenVINORuntime
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
from autrack_ros.tracking.tracker import Tracker
from autrack_ros.training.held_out import Film, family, find_films
from autrack_ros.training.sources.base import DataError, Source, TrainingObject
from autrack_ros.training.sources.pictures import read_picture

HIDDEN = 0.1  # a target of which less is visible cannot be tracked right

WIDTH, HEIGHT, FRAMES = 320, 240, 60
MIN_FRAMES = 40
EVENTS = ("partial_occlusion", "full_occlusion", "out_of_view")
LONE_EVENTS = ("distractors", "rotation", "illumination")  # with one of these, nothing else happens
SHUTTER = 0.5  # share of a frame's time for which the shutter is open
MIN_CUTOUT_SIDE_PX = 48.0
MAX_ASPECT = 3.5
MAX_PASSING_SPEED = 7.0  # of what crosses the target, against it, pixels a frame


@dataclass(frozen=True, slots=True)
class Clip:
    """A short video with its truth.

    Attributes:
        name: unique in its set.
        made: composed by ``make_clips``; else filmed.
        files: the frames as encoded pictures (JPEG), all of one size.
        truth: N x 4 float64, edge coordinates, pixels: the whole object, also where it is covered
            or outside the picture.
        visible: N float64, 0..1, share of the object that is in the picture and not covered.
        attributes: the groups it is scored in. Of a made clip what makes it hard, in the words of
            OTB where it has one; of a film its kind and whether there are look-alikes.
    """

    name: str
    made: bool
    files: Sequence[bytes]
    truth: np.ndarray
    visible: np.ndarray
    attributes: tuple[str, ...] = ()

    @property
    def frames(self) -> Iterator[np.ndarray]:
        """The frames, decoded one by one: HxWx3 uint8 BGR.

        Raises:
            DataError: a frame is no picture.
        """
        for number, file in enumerate(self.files, 1):
            image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise DataError(f"clip {self.name}: frame {number} is no readable picture")
            yield image


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What a tracker made of a clip; without frame 1, whose box is given.

    Attributes:
        clip: the clip.
        auc: success AUC of the frames in which the target is to be seen (frame 1 included, as OTB).
        astray: share of these frames without overlap with the target, frame 1 not counted.
        ends_astray: whether the last third is mostly so.
        scores: N-1 float64, 0..1.
        overlaps: N-1 float64, intersection over union; 0 where the target is hidden.
    """

    clip: Clip
    auc: float
    astray: float
    ends_astray: bool
    scores: np.ndarray
    overlaps: np.ndarray


@dataclass(frozen=True, slots=True)
class GroupScore:
    """What a tracker made of clips of one kind.

    Attributes:
        clips: how many.
        auc: success AUC, mean over them.
        astray: share of the frames without overlap with the target (``metrics.astray``), likewise.
        ends_astray: share of the clips that end so.
    """

    clips: int
    auc: float
    astray: float
    ends_astray: float

    @classmethod
    def of(cls, results: Sequence[ClipResult]) -> GroupScore:
        """Of at least one clip."""
        return cls(
            len(results),
            _mean([result.auc for result in results]),
            _mean([result.astray for result in results]),
            _mean([float(result.ends_astray) for result in results]),
        )


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What a tracker made of a validation set."""

    clips: tuple[ClipResult, ...]

    @property
    def auc(self) -> float:
        """Success AUC, mean over all clips."""
        return _mean([result.auc for result in self.clips])

    @property
    def real_auc(self) -> float:
        """Success AUC, mean over the real clips; NaN where there is none."""
        return _mean([result.auc for result in self.clips if not result.clip.made])

    @property
    def made_auc(self) -> float:
        """Success AUC, mean over the made clips; NaN where there is none."""
        return _mean([result.auc for result in self.clips if result.clip.made])

    @property
    def by_attribute(self) -> dict[str, GroupScore]:
        """Of the clips of each attribute; of films and made clips apart as "film" and "made"."""
        groups: dict[str, list[ClipResult]] = defaultdict(list)
        for result in self.clips:
            for word in ("made" if result.clip.made else "film", *result.clip.attributes):
                groups[word].append(result)
        return {word: GroupScore.of(groups[word]) for word in sorted(groups)}

    @property
    def samples(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Scores and overlaps a clip, as ``calibration.cross_validate`` takes them."""
        return [(result.scores, result.overlaps) for result in self.clips]


class ValidationSet:
    """Clips that a network is measured on while it is trained.

    Raises:
        DataError: there is no clip.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        if not clips:
            raise DataError("validation set: no clip")
        self.clips = tuple(clips)

    def evaluate(
        self,
        network: SiameseNetwork,
        preset: Preset,
        adaptation: AdaptationSettings | None = None,
        device: torch.device | str = "cpu",
    ) -> ValidationResult:
        """Track every clip from its first box on.

        Args:
            network: left unchanged.
            preset: its tracker settings.
            adaptation: of the template; by default none.
            device: where the network runs.

        Raises:
            FloatingPointError: the network predicts no finite box.
        """
        engine = TrackingEngine(_runtime(network, preset, device), preset)
        tracker = Tracker(engine, adaptation or AdaptationSettings(method="none"))
        return ValidationResult(tuple(_track_clip(tracker, clip) for clip in self.clips))


def _runtime(network: SiameseNetwork, preset: Preset, device: torch.device | str) -> Runtime:
    """What computes: in OpenVINO on a CPU, where the graphs are those of this very network."""
    graphs = find_graphs(preset.network)
    weights = {key: value.cpu().contiguous().numpy() for key, value in network.state_dict().items()}
    # A variant of the network may take the same weights and compute something else.
    if (
        torch.device(device).type == "cpu"
        and graphs is not None
        and type(network) is type(NETWORKS[preset.network]())
        and graphs.weights == {key: form(value) for key, value in weights.items()}
    ):
        return OpenVINORuntime(graphs, weights)
    return TorchRuntime(network, preset, device)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _track_clip(tracker: Tracker, clip: Clip) -> ClipResult:
    tracked = list(track(tracker, clip.frames, Box(*clip.truth[0].tolist())))
    overlaps = ious(np.array([frame.box for frame in tracked]), clip.truth)
    seen = clip.visible >= HIDDEN
    return ClipResult(
        clip,
        success_auc(overlaps[seen]),
        astray(overlaps[seen]),
        ends_astray(overlaps[seen]),
        np.array([frame.score for frame in tracked[1:]]),
        np.where(seen, overlaps, 0.0)[1:],
    )


def film_clips(sources: Iterable[Source], films: Iterable[Film]) -> list[Clip]:
    """The films among sources as clips, in the order of the list.

    A film whose set is not among the sources is left out.

    Raises:
        DataError: a set lacks a film that is named, or a picture cannot be read.
    """
    return [_film_clip(film, thing) for film, thing in find_films(sources, films)]


def _film_clip(film: Film, thing: TrainingObject) -> Clip:
    try:
        files = [view.picture.read_bytes() for view in thing.views]
    except OSError as error:
        raise DataError(f"clip {thing.name}: {error.filename}: {error.strerror}") from error
    truth = np.array([view.box for view in thing.views], float)
    return Clip(thing.name, False, files, truth, np.ones(len(truth)), film.attributes)


def make_clips(
    objects: Sequence[TrainingObject],
    backgrounds: Sequence[Path],
    count: int,
    seed: int,
    frames: int = FRAMES,
    events: Sequence[str] = EVENTS,
) -> list[Clip]:
    """Compose clips of 320 x 240 pixels.

    In clip i event i (modulo their number) happens: by default the target is covered in part,
    covered wholly or leaves the view. In every other round of these events a look-alike crosses it.
    Of ``LONE_EVENTS``, two look-alikes cross it, or it turns far, or the light changes much, and
    nothing covers it. The clip depends on the other arguments and i, not on ``count``.

    Args:
        objects: cut-outs; where one has several views, they show it turning.
        backgrounds: photographs.
        count: clips.
        seed: of everything random.
        frames: length of a clip, at least 40.
        events: of ``EVENTS`` and ``LONE_EVENTS``, in turn.

    Raises:
        ConfigurationError: too few frames, or an unknown event.
        DataError: fewer than three families of usable objects (every view at least 48 pixels, no
            longer than 3.5:1), no background, or a picture that cannot be read.
    """
    if frames < MIN_FRAMES:
        raise ConfigurationError(
            f"validation clips of {frames} frames: their events need at least {MIN_FRAMES}"
        )
    if not events or not {*events} <= {*EVENTS, *LONE_EVENTS}:
        accepted = ", ".join(EVENTS + LONE_EVENTS)
        raise ConfigurationError(f"validation clips: events {events}: accepted are {accepted}")
    usable = [thing for thing in objects if _is_usable(thing)]
    families = len({family(thing) for thing in usable})
    if families < 3 or not backgrounds:
        raise DataError(
            f"validation clips: {families} families of usable cut-outs and {len(backgrounds)} "
            "backgrounds; at least 3 and 1 are needed"
        )
    order = np.random.default_rng(seed).permutation(len(usable))
    clips = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        target = usable[order[number % len(usable)]]
        photo = _read(backgrounds[int(rng.integers(len(backgrounds)))], channels=3)
        director = _Director(rng, usable, photo, frames)
        event = events[number % len(events)]
        look_alike = event not in LONE_EVENTS and number // len(events) % 2 == 0
        scene = director.plan(target, event, look_alike)
        files, truth = scene.film(rng, frames)
        words = (event, *(["look_alike"] if look_alike else []), *scene.attributes(frames))
        name = f"made_{number:03d}_{Path(target.name).stem}"
        clips.append(Clip(name, True, files, truth[:, :4], truth[:, 4], words))
    return clips


def clip_sheet(clips: Sequence[Clip], columns: int = 10) -> np.ndarray:
    """Frames of each clip in a row, evenly spaced, the truth green, red where it is hidden."""
    rows = []
    for clip in clips:
        frames = list(clip.frames)
        tiles = []
        for number in np.linspace(0, len(frames) - 1, columns).round().astype(int):
            tile = cv2.resize(frames[number], (WIDTH, HEIGHT))
            scale = np.tile(np.divide((WIDTH, HEIGHT), frames[number].shape[1::-1]), 2)
            x, y, w, h = clip.truth[number] * scale
            color = (0, 255, 0) if clip.visible[number] >= HIDDEN else (0, 0, 255)
            corners = [(round(x), round(y)), (round(x + w), round(y + h))]
            tiles.append(cv2.rectangle(tile, *corners, color, 1))
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


def _is_usable(thing: TrainingObject) -> bool:
    images = [_read(view.picture, channels=4) for view in thing.views]
    sides = np.array([np.ptp(_outline(image[..., 3] > 127), axis=0) for image in images])
    longest, shortest = sides.max(axis=1), sides.min(axis=1)
    return bool((longest >= MIN_CUTOUT_SIDE_PX).all() and (longest <= MAX_ASPECT * shortest).all())


def _read(path: Path, channels: int) -> np.ndarray:
    """A picture with 3 (BGR) or 4 channels (and opacity), something of it opaque."""
    image = read_picture(path)
    if image is None:
        raise DataError(f"validation clips: {path} is no readable picture")
    if channels == 3:
        return np.ascontiguousarray(image[..., :3])
    if image.shape[2] != 4 or not (image[..., 3] > 127).any():
        raise DataError(f"validation clips: {path} is no cut-out: it needs transparency")
    return image


# --- how a clip is made. Positions are edge coordinates of an unshaken frame, times are in frames.

Curve = Callable[[float], float]
Path2D = Callable[[float], np.ndarray]


def _point(x: Curve, y: Curve) -> Path2D:
    return lambda time: np.array([x(time), y(time)])


def _straight(point: np.ndarray, velocity: np.ndarray, moment: float) -> Path2D:
    """At ``point`` at that moment, with a velocity in pixels a frame."""
    return lambda time: point + velocity * (time - moment)


def _step(value: float) -> float:
    """Smooth step from 0 (value <= 0) to 1 (value >= 1)."""
    inside = min(max(value, 0.0), 1.0)
    return inside * inside * (3 - 2 * inside)


@dataclass(frozen=True, slots=True)
class _Sprite:
    """One view of an object at about the size it is shown at.

    Attributes:
        pixels: HxWx4 float32, BGR (0..255) times opacity, and opacity (0..1).
        outline: Nx2 float64, hull of the areas of the opaque pixels.
        anchor: the point that follows the path.
    """

    pixels: np.ndarray
    outline: np.ndarray
    anchor: np.ndarray

    @classmethod
    def from_cutout(
        cls, image: np.ndarray, scale: float, gains: np.ndarray, anchor: np.ndarray | None = None
    ) -> _Sprite:
        """An HxWx4 cut-out, its colours multiplied by three gains, reduced where scale < 1.

        The anchor, by default the middle, is given in the cut-out's edge coordinates.
        """
        border = ((2, 2), (2, 2), (0, 0))
        opacity = np.pad(image[..., 3:].astype(np.float32) / 255, border)
        colors = np.pad((image[..., :3] * gains).clip(0, 255).astype(np.float32), border)
        pixels = np.concatenate([colors * opacity, opacity], axis=2)
        outline = _outline(image[..., 3] > 127)
        if anchor is None:
            anchor = np.array(image.shape[1::-1]) / 2
        full = np.array(pixels.shape[1::-1])
        size = np.ceil(full * min(scale, 1.0)).astype(int)
        pixels = cv2.resize(pixels, tuple(map(int, size)), interpolation=cv2.INTER_AREA)
        return cls(pixels, (outline + 2) * (size / full), (anchor + 2) * (size / full))


def _outline(opaque: np.ndarray) -> np.ndarray:
    """Hull of the areas of the opaque pixels, Nx2 float64."""
    rows = np.flatnonzero(opaque.any(axis=1))
    first = opaque[rows].argmax(axis=1)
    last = opaque.shape[1] - opaque[rows, ::-1].argmax(axis=1)  # behind the last opaque pixel
    ends = np.concatenate([first, first, last, last])
    corners = np.stack([ends, np.concatenate([rows, rows + 1] * 2)], axis=1)
    return cv2.convexHull(corners.astype(np.int32))[:, 0].astype(float)


def _size(outline: np.ndarray) -> float:
    """Side of the square with the area of an outline's box, pixels."""
    return math.sqrt(np.ptp(outline, axis=0).prod())


@dataclass(frozen=True, slots=True)
class _Layer:
    """An object on its way through a clip."""

    sprites: Mapping[int, _Sprite]
    view: Callable[[float], int]
    path: Path2D
    scale: Curve
    flatness: Curve  # share of its width that is left of a flat object turned away
    angle: Curve  # degrees in the picture

    def pose(self, time: float) -> tuple[_Sprite, np.ndarray]:
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
class _Scene:
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
    layers: Sequence[_Layer]
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


class _Director:
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

    def plan(self, thing: TrainingObject, event: str, look_alike: bool) -> _Scene:
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
        return _Scene(
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
        return _point(
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
            share = _step((time - begin) / away) - _step((time - begin - away - outside) / away)
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
    ) -> _Layer:
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
        return _Layer(
            sprites,
            view=lambda time: round(turn(round(time * 8) / 8)),
            path=path,
            scale=lambda time: scale * math.exp(zoom(time)),
            flatness=self._wander(flat, 1),
            angle=self._wander(-tilt, tilt),
        )

    def _look_alike(self, thing: TrainingObject, target: _Layer, size: float) -> _Layer:
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

    def _occluder(self, thing: TrainingObject, target: _Layer, full: bool) -> _Layer:
        """A compact one of the other objects; it passes between the target and the camera."""
        rng = self.rng
        others = [other for other in self.objects if family(other) != family(thing)]
        some = rng.choice(len(others), min(6, len(others)), replace=False)
        images = [_read(others[index].views[0].picture, channels=4) for index in some]
        reach = max(target.radius(time) for time in range(self.frames))
        smallest = min(_size(target.outline(time)) for time in range(self.frames))
        share = rng.uniform(0.65, 0.9)
        choices = []
        for image in images:
            center, radius = _inscribed_circle(image)
            if full:  # a target crossed at the highest speed is wholly behind it for five frames
                scale = (reach + 2.5 * MAX_PASSING_SPEED + 3) / radius
            else:
                scale = share * smallest / _size(_outline(image[..., 3] > 127))
            is_compact = radius > 0.3 * min(image.shape[:2])
            choices.append((not is_compact, max(scale, 1.5), image, center, scale))
        *_, image, center, scale = min(choices, key=lambda choice: choice[:2])
        reduced = min(scale, 1.0)
        sprite = _Sprite.from_cutout(image, reduced, self._gains(image), center)
        outside = scale * math.hypot(*image.shape[:2]) / 2
        tilt = rng.uniform(-25, 25)
        return _Layer(
            {0: sprite},
            view=lambda time: 0,
            path=self._crossing(target, reach + outside, np.zeros(2)),
            scale=lambda time: scale / reduced,
            flatness=lambda time: 1.0,
            angle=lambda time: tilt,
        )

    def _crossing(self, target: _Layer, apart: float, aside: np.ndarray) -> Path2D:
        """A straight path that meets the target, ``aside`` of it, and is ``apart`` at the start."""
        paths = [self._meeting(target, aside) for _ in range(50)]

        def distance(path: Path2D) -> float:
            return min(math.dist(path(time), target.path(time)) for time in range(5))

        return max(paths, key=lambda path: min(distance(path), apart))

    def _meeting(self, target: _Layer, aside: np.ndarray) -> Path2D:
        moment = self.rng.uniform(0.4, 0.75) * self.frames
        drift = target.path(moment + 0.5) - target.path(moment - 0.5)
        direction = self.rng.uniform(0, 2 * math.pi)
        speed = self.rng.uniform(4, MAX_PASSING_SPEED)
        velocity = drift + speed * np.array([math.cos(direction), math.sin(direction)])
        return _straight(target.path(moment) + aside, velocity, moment)

    def _sprites(
        self,
        thing: TrainingObject,
        views: Iterable[int],
        size: float,
        gains: np.ndarray,
        mirrored: bool,
        nearest: float,
    ) -> tuple[dict[int, _Sprite], float]:
        """Views of an object, and the scale that shows the first of them at ``size``."""
        images = {view: _read(thing.views[view].picture, channels=4) for view in sorted(views)}
        first = next(iter(images.values()))
        scale = size / _size(_outline(first[..., 3] > 127))
        reduced = min(scale * nearest, 1.0)
        gains = gains * self._gains(first)
        return {
            view: _Sprite.from_cutout(image[:, ::-1] if mirrored else image, reduced, gains)
            for view, image in images.items()
        }, scale / reduced

    def _gains(self, image: np.ndarray) -> np.ndarray:
        """Gains that bring a cut-out nearer to the brightness of the background."""
        own = float(image[image[..., 3] > 127][:, :3].mean())
        return np.full(3, np.clip(((self.brightness + 20) / (own + 20)) ** 0.25, 0.6, 1.6))


def _inscribed_circle(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and radius of the largest circle within which a cut-out is opaque."""
    solid = np.pad((image[..., 3] > 240).astype(np.uint8), 1)
    distance = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return np.array([column - 0.5, row - 0.5]), float(distance.max())
