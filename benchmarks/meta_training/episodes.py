"""Episodes: a target in a frame of a film, to learn it from, and in another, to find it in."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from autrack_ros.evaluation.results import write_whole
from autrack_ros.networks.lite import LayeredSiamese
from autrack_ros.tracking import AdaptationSettings, AutrackError, Box, Target, TrackingEngine
from autrack_ros.tracking.crops import mean_color
from autrack_ros.training.learning.features import FrozenLayers, feature_extractor
from autrack_ros.training.pairs.maker import BATCH, SEARCH_SIZE
from autrack_ros.training.sources import Source
from autrack_ros.training.sources.base import TrainingObject, View
from autrack_ros.training.validation.held_out import Film, held_out

BLOCK = 128  # episodes a file
SUPPORTS = 2  # crops of the first frame; the update of the package takes 6
SHORT = 0.3  # of a film: half of the gaps are at most so long
LEAST_SIDE = 8  # pixels of a target
QUERY = AdaptationSettings(support_crops=2, support_shift=0.25, support_scale=0.3)


@dataclass(frozen=True, slots=True)
class Episodes:
    """A number B of episodes.

    Attributes:
        templates: B x S x S x 3 uint8, as they are cut.
        template_corners: (B, 4) inclusive corners of the target in them.
        supports: (B, ``SUPPORTS``, C, h, w) float16, the backbone's last map of crops of the same
            frame.
        support_corners: (B, ``SUPPORTS``, 4) of the target in the crops.
        queries: (B, C, h, w) float16, of a crop of another frame.
        query_corners: (B, 4).
    """

    templates: np.ndarray
    template_corners: np.ndarray
    supports: np.ndarray
    support_corners: np.ndarray
    queries: np.ndarray
    query_corners: np.ndarray

    def __len__(self) -> int:
        return len(self.templates)

    def __getitem__(self, chosen: np.ndarray | slice) -> Episodes:
        return Episodes(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def save(self, path: Path) -> None:
        """Write a file, whole or not at all."""
        file = io.BytesIO()
        np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> Episodes:
        """Read a file of ``save``."""
        with np.load(path) as file:
            return cls(**{field.name: file[field.name] for field in fields(cls)})

    @classmethod
    def join(cls, parts: Sequence[Episodes]) -> Episodes:
        """All episodes of some others, in their order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def training_films(sources: Sequence[Source], films: Sequence[Film]) -> list[TrainingObject]:
    """Targets of all films but those that are held out."""
    return [
        thing
        for source in sources
        for thing in source.objects()
        if thing.clip is not None and len(thing.views) > 1 and not held_out("", thing, films)
    ]


def backbone_features(network: LayeredSiamese) -> Callable[[np.ndarray], np.ndarray]:
    """B x S x S x 3 uint8 search regions -> the backbone's last map, (B, C, h, w) float16."""
    frozen = FrozenLayers(network, network.basemodel.layer_count)
    extract = feature_extractor(frozen, SEARCH_SIZE)

    def of(crops: np.ndarray) -> np.ndarray:
        padded = np.concatenate([crops, crops[: -len(crops) % BATCH]])
        maps = [
            extract(torch.from_numpy(padded[first : first + BATCH]).permute(0, 3, 1, 2).float())[-1]
            for first in range(0, len(padded), BATCH)
        ]
        return torch.cat(maps)[: len(crops)].numpy().astype(np.float16)

    return of


def make_episodes(
    engine: TrackingEngine,
    network: LayeredSiamese,
    films: Sequence[TrainingObject],
    count: int,
    seed: int,
    folder: Path,
    report: Callable[[int, int], None],
) -> Iterator[Episodes]:
    """Blocks of episodes, each kept in the folder as soon as it is made.

    Args:
        engine: cuts the crops, as for the update.
        network: its backbone computes the features.
        films: targets, each as likely.
        count: of episodes, a multiple of ``BLOCK``.
        seed: of all that is random.
        folder: the cache.
        report: told the blocks done and wanted.
    """
    features = backbone_features(network)
    names = [thing.name for thing in films]
    key = hashlib.sha256(repr((names, seed, BLOCK, SUPPORTS)).encode()).hexdigest()[:12]
    for number in range(count // BLOCK):
        path = folder / key / f"{number:04d}.npz"
        if not path.is_file():
            random = np.random.default_rng((seed, number))
            _make_block(engine, films, features, random).save(path)
        report(number + 1, count // BLOCK)
        yield Episodes.load(path)


def _make_block(
    engine: TrackingEngine,
    films: Sequence[TrainingObject],
    features: Callable[[np.ndarray], np.ndarray],
    random: np.random.Generator,
) -> Episodes:
    made = [_Episode.make(engine, films, random) for _ in range(BLOCK)]
    supports = features(np.concatenate([one.supports for one in made]))
    return Episodes(
        np.stack([one.target.template for one in made]).astype(np.uint8),
        np.stack([one.target.template_corners for one in made]),
        supports.reshape(BLOCK, SUPPORTS, *supports.shape[1:]),
        np.stack([one.support_corners for one in made]),
        features(np.stack([one.query for one in made])),
        np.stack([one.query_corners for one in made]),
    )


@dataclass(frozen=True, slots=True)
class _Episode:
    """One, in pixels."""

    target: Target
    supports: np.ndarray
    support_corners: np.ndarray
    query: np.ndarray
    query_corners: np.ndarray

    @classmethod
    def make(
        cls,
        engine: TrackingEngine,
        films: Sequence[TrainingObject],
        random: np.random.Generator,
    ) -> _Episode:
        (image, box), (later, later_box) = _pair(films, random)
        target = engine.start(image, box)
        seed = int(random.integers(2**31))
        known = AdaptationSettings(support_crops=SUPPORTS, seed=seed)
        supports, corners = engine.support_crops(image, target, known)
        there = replace(target, first_box=later_box, padding=mean_color(later))
        queries, places = engine.support_crops(later, there, replace(QUERY, seed=seed))
        return cls(target, supports, corners, queries[1], places[1])


def _pair(
    films: Sequence[TrainingObject], random: np.random.Generator
) -> tuple[tuple[np.ndarray, Box], tuple[np.ndarray, Box]]:
    """A target in two frames of its film, in either order of time, half of them mirrored."""
    while True:
        views = films[random.integers(len(films))].views
        reach = (SHORT if random.random() < 0.5 else 1) * (len(views) - 1)
        gap = max(math.ceil(random.random() * reach), 1)
        first = int(random.integers(len(views) - gap))
        pair = [views[first], views[first + gap]]
        if random.random() < 0.5:
            pair.reverse()
        is_mirrored = random.random() < 0.5
        one, other = (_read(view, is_mirrored) for view in pair)
        if min(*one[1][2:], *other[1][2:]) >= LEAST_SIDE:
            return one, other


def _read(view: View, is_mirrored: bool) -> tuple[np.ndarray, Box]:
    image = cv2.imread(str(view.picture))
    if image is None or view.box is None:
        raise AutrackError(f"{view.picture}: no picture with a box")
    if not is_mirrored:
        return image, view.box
    x, y, w, h = view.box
    return np.ascontiguousarray(image[:, ::-1]), Box(image.shape[1] - x - w, y, w, h)
