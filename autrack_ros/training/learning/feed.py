"""Which batch the trainer gets when: from cached features, or composed on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from autrack_ros.training.config import OptimizationSettings
from autrack_ros.training.learning.features import FeatureBatch, FeatureCache, FrozenLayers
from autrack_ros.training.pairs.maker import BATCH, PairMaker


class Feed(Protocol):
    """Pairs 0..validation_pairs-1 are for validation, the following ones for training.

    Attributes:
        identity: what the batches depend on; a training is gone on with only on the same.
    """

    identity: str

    def validation(self) -> Iterator[FeatureBatch]:
        """The validation batches."""

    def rounds(self, first: int, end: int) -> Iterator[range]:
        """The iterations first..end-1 in parts; the batches of a part are ready when it comes."""

    def training(self, iteration: int) -> FeatureBatch:
        """The training batch of an iteration."""


class CachedFeed:
    """Batches of cached pairs, in a new order in every pass.

    The pairs come in rounds, so that the features of all need not be on disk at once: those of a
    round are made while the round before is trained on, used in every pass over it, and removed.
    Those of the last round are kept.
    """

    def __init__(self, cache: FeatureCache, settings: OptimizationSettings) -> None:
        self.identity = cache.folder.name
        self._cache = cache
        self._settings = settings
        self._order = np.empty(0, np.int64)
        self._order_of = -1

    def validation(self) -> Iterator[FeatureBatch]:
        """The validation batches."""
        self._cache.fill(range(self._settings.validation_pairs))
        for start in range(0, self._settings.validation_pairs - BATCH + 1, BATCH):
            yield self._cache.batch(range(start, start + BATCH))

    def rounds(self, first: int, end: int) -> Iterator[range]:
        """The iterations first..end-1 by round."""
        length = self._settings.round_iterations
        for start in range(first // length * length, end, length):
            pairs = self._pairs_of(start // length)
            self._cache.fill(pairs)
            if start + length < end:
                self._cache.prefetch(self._pairs_of(start // length + 1))
            yield range(max(first, start), min(end, start + length))
            if start + length < end:
                self._cache.remove(pairs)
        self._cache.close()

    def training(self, iteration: int) -> FeatureBatch:
        """The training batch of an iteration."""
        settings = self._settings
        number, index = divmod(iteration, settings.round_pairs // BATCH)  # of a pass over a round
        if number != self._order_of:
            generator = np.random.default_rng((settings.seed, number))
            pairs = self._pairs_of(number // settings.passes)
            self._order = generator.permutation(settings.round_pairs) + pairs.start
            self._order_of = number
        return self._cache.batch(self._order[index * BATCH : (index + 1) * BATCH].tolist())

    def _pairs_of(self, number: int) -> range:
        settings = self._settings
        start = settings.validation_pairs + number * settings.round_pairs
        return range(start, start + settings.round_pairs)


class LiveFeed:
    """Batches composed when they are asked for, on the pair maker's device; none comes twice."""

    def __init__(
        self, maker: PairMaker, frozen: FrozenLayers, settings: OptimizationSettings
    ) -> None:
        self.identity = f"{maker.settings} {frozen.layers}"
        self._maker = maker
        self._frozen = frozen.to(maker.device)
        self._validation_batches = settings.validation_pairs // BATCH

    def validation(self) -> Iterator[FeatureBatch]:
        """The validation batches."""
        return map(self._batch, range(self._validation_batches))

    def rounds(self, first: int, end: int) -> Iterator[range]:
        """All iterations at once."""
        yield range(first, end)

    def training(self, iteration: int) -> FeatureBatch:
        """The training batch of an iteration."""
        return self._batch(self._validation_batches + iteration)

    def _batch(self, number: int) -> FeatureBatch:
        pairs = self._maker.batch(number)
        with torch.no_grad():
            template, search = self._frozen(pairs.template), self._frozen(pairs.search)
        return FeatureBatch(template, search, pairs.template_corners, pairs.corners, pairs.negative)
