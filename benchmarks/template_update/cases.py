"""The sequences of the study: filmed and made, and what is known of each before it is followed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from autrack_ros.evaluation.datasets import read_all
from autrack_ros.evaluation.metrics import present
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.networks.siamese import SearchFeatures
from autrack_ros.tracking import AdaptationSettings, Box, Target, TrackingEngine
from autrack_ros.tracking.targets import Targets
from autrack_ros.training.sources import SOURCE_KINDS
from autrack_ros.training.validation.clips import HIDDEN, Clip
from autrack_ros.training.validation.held_out import held_out
from autrack_ros.training.validation.made_clips import make_clips
from benchmarks.peers.accuracy import held_out_films
from benchmarks.template_update.settings import StudySettings

CUTOUTS = ("models", "tuxpaint-stamps", "sprites")
CLEAR = 0.5  # visible share of a target from which the loss is taken in a later frame


@dataclass(frozen=True, slots=True)
class Case:
    """A sequence.

    Attributes:
        name: unique in the study.
        group: ``dev`` or ``films``, both filmed, or ``made``.
        words: attributes.
        frames: HxWx3 uint8 BGR; can be gone through again and again.
        truth: N x 4, edge coordinates.
        visible: N, 0..1, share of the target that is to be seen.
    """

    name: str
    group: str
    words: tuple[str, ...]
    frames: Iterable[np.ndarray]
    truth: np.ndarray
    visible: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """Frames that count, N bool."""
        return self.visible >= HIDDEN

    @property
    def side(self) -> float:
        """Side of the square with the area of the first box, pixels."""
        return math.sqrt(self.truth[0, 2] * self.truth[0, 3])


def read_cases(settings: StudySettings) -> list[Case]:
    """All cases, the filmed ones first.

    Raises:
        SourceError, DataError, ConfigurationError: the sequences or pictures are not there.
    """
    films: list[Sequence] = []
    if settings.films is not None:
        readers = held_out_films(settings.films, settings.boxes).readers
        films = [read() for read in readers.values()]
    filmed = [
        Case(item.name, group, (), item.frames, item.truth, present(item.truth).astype(float))
        for group, items in (("dev", read_all(settings.dataset)), ("films", films))
        for item in items
    ]
    made = [
        Case(clip.name, "made", clip.attributes, _Frames(clip), clip.truth, clip.visible)
        for clip in _made_clips(settings)
    ]
    return [*filmed, *made]


def _made_clips(settings: StudySettings) -> list[Clip]:
    if not settings.made_clips:
        return []
    sources = [SOURCE_KINDS["cutouts"](settings.pictures / name, name) for name in CUTOUTS]
    objects = [
        thing for source in sources for thing in source.objects() if held_out(source.name, thing)
    ]
    photos = sorted((settings.pictures / "backgrounds").glob("*.jpg"))
    return make_clips(
        objects, photos, settings.made_clips, settings.seed, settings.frames, settings.events
    )


@dataclass(frozen=True, slots=True)
class _Frames:
    """The frames of a clip, to go through again and again; ``Clip.frames`` ends."""

    clip: Clip

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.clip.frames


@dataclass(frozen=True, slots=True)
class Start:
    """A case with its target started, before any update.

    Attributes:
        image: the first frame.
        target: with its template as it is cut.
        later_search, later_targets: crops around the truth of later frames, and their labels.
    """

    image: np.ndarray
    target: Target
    later_search: SearchFeatures
    later_targets: Targets


def start(engine: TrackingEngine, case: Case, later_frames: int) -> Start:
    """Start the target of a case, and cut what its later frames show around the truth.

    In every one of these frames two regions are cut as support crops are: the centred one and a
    shifted and scaled one.
    """
    clear = np.flatnonzero(case.visible >= CLEAR)
    clear = clear[clear > 0]
    chosen = clear[np.linspace(0, len(clear) - 1, later_frames).round().astype(int)]
    frames = iter(case.frames)
    image = next(frames)
    target = engine.start(image, Box(*case.truth[0].tolist()))
    search, labels = [], []
    for number, frame in enumerate(frames, 1):
        if number in chosen:
            there = replace(target, first_box=Box(*case.truth[number].tolist()))
            settings = AdaptationSettings(support_crops=2, seed=number)
            features, targets = engine.support(frame, there, settings)
            search.append(features)
            labels.append(targets)
    maps = zip(*(features.maps for features in search), strict=True)
    return Start(
        image,
        target,
        SearchFeatures(tuple(map(torch.cat, maps)), search[0].size),
        Targets(*map(np.concatenate, zip(*labels, strict=True))),
    )
