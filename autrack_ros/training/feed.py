"""Which batch the trainer gets when: from cached features, or composed on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from autrack_ros.training.config import OptimizationSettings
from autrack_ros.training.features import FeatureBatch, FeatureCache, FrozenLayers
from autrack_ros.training.pairs import BATCH, PairMaker


class Feed(Protocol):
    """Pairs 0..validation_pairs-1 are for validation, the following ones for training.

    Attributes:
        identity: what the batches depend on; a training is gone on with only on the same.
    """

    identity: str

    def validation(self) -> Iterator[FeatureBatch]:
        """The validation batches."""

    def training(self, iteration: int) -> FeatureBatch:
        """The training batch of an iteration."""


class CachedFeed:
    """Batches of cached pairs, in a new order in every pass."""

    def __init__(self, cache: FeatureCache, settings: OptimizationSettings) -> None:
        self.identity = cache.folder.name
        self._cache = cache
        self._settings = settings
        self._order = np.empty(0, np.int64)
        self._order_of = -1

    def validation(self) -> Iterator[FeatureBatch]:
        """The validation batches."""
        for start in range(0, self._settings.validation_pairs - BATCH + 1, BATCH):
            yield self._cache.batch(range(start, start + BATCH))

    def training(self, iteration: int) -> FeatureBatch:
        """The training batch of an iteration."""
        settings = self._settings
        number, index = divmod(iteration, settings.pairs // BATCH)
        if number != self._order_of:
            generator = np.random.default_rng((settings.seed, number))
            self._order = generator.permutation(settings.pairs) + settings.validation_pairs
            self._order_of = number
        return self._cache.batch(self._order[index * BATCH : (index + 1) * BATCH].tolist())


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

    def training(self, iteration: int) -> FeatureBatch:
        """The training batch of an iteration."""
        return self._batch(self._validation_batches + iteration)

    def _batch(self, number: int) -> FeatureBatch:
        pairs = self._maker.batch(number)
        with torch.no_grad():
            template, search = self._frozen(pairs.template), self._frozen(pairs.search)
        return FeatureBatch(template, search, pairs.template_corners, pairs.corners, pairs.negative)
