"""Which crops of the bank are together in a pair."""

from __future__ import annotations

import numpy as np

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.pairs.bank import CropBank
from autrack_ros.training.pairs.settings import PairSettings

SMALL_GAP = 5  # views
ATTEMPTS = 20
EMPTY_SHARE = 0.6  # backgrounds without a target; other crops make the rest


class Cast:
    """The crops of a bank by object, label and scene, and choices among them.

    Crops are of one scene where objects seen together in pictures link them: those of one picture
    or clip. Another object's crop of the same scene may show the target, too.

    Attributes:
        middle: (N, 2) float64, of the object's box, crop pixels (pixel centres).
        size: (N, 2) float64, width and height of the object's box.
        outline: (N, 2, K) float64, points of the object's edge counted from the middle.
        cutout: (N,) bool, the bank's.
        opaque: (N,) float64, share of the crop that lies inside its picture, or of a cut-out.

    Raises:
        ConfigurationError: a source is weighted that has no crops in the bank; all crops are of one
            scene; or nothing in the bank can be a background.
    """

    def __init__(self, bank: CropBank, settings: PairSettings) -> None:
        points = bank.outline.cpu().numpy().astype(float).transpose(0, 2, 1)
        low, high = points.min(axis=2), points.max(axis=2)
        self.middle, self.size = (low + high) / 2, high - low
        self.outline = np.ascontiguousarray(points - self.middle[:, :, None])
        self.cutout = bank.cutout.cpu().numpy()
        self.opaque = bank.pixels.opaque_shares()
        self._object, self._picture = bank.object.cpu().numpy(), bank.picture.cpu().numpy()
        self._scene = linked(self._object, self._picture)
        if self._scene.max() == self._scene.min():
            raise ConfigurationError(
                f"pairs: the bank's {len(bank)} crops show a single scene; pairs need at least two "
                "objects that are never seen in one picture or clip"
            )
        self._views = np.lexsort((bank.time.cpu().numpy(), self._object))
        ids, starts, counts = np.unique(
            self._object[self._views], return_index=True, return_counts=True
        )
        self._start, self._count = (np.zeros(ids.max() + 1, int) for _ in range(2))
        self._start[ids], self._count[ids] = starts, counts
        self._rank = np.empty(len(bank), int)
        self._rank[self._views] = np.arange(len(bank)) - np.repeat(starts, counts)
        source, label = bank.source.cpu().numpy(), bank.label.cpu().numpy()
        self._kind = source * (label.max() + 1) + label
        first = self._views[starts]
        self._of_kind = _grouped(self._kind[first], ids)
        of_source = _grouped(source[first], ids)
        self._sources, self._weights = _weighted(
            {bank.source_names[number]: objects for number, objects in of_source.items()},
            settings.source_weights,
        )
        self._empty = np.arange(len(bank), len(bank) + len(bank.backgrounds))
        self._full = np.flatnonzero(self.opaque == 1)
        if not len(self._empty) and len(np.unique(self._scene[self._full])) < 2:
            raise ConfigurationError(
                "pairs: the bank has no backgrounds, nor opaque crops of two scenes in their place"
            )

    def _view(self, rng: np.random.Generator, objects: np.ndarray) -> np.ndarray:
        rank = (rng.random(len(objects)) * self._count[objects]).astype(int)
        return self._views[self._start[objects] + rank]

    def targets(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count,) crops: the source by its weight, then an object, then one of its views."""
        chosen = self._weights.searchsorted(rng.random(count))
        lengths = np.array([len(objects) for objects in self._sources])
        place = (rng.random(count) * lengths[chosen]).astype(int)
        objects = np.array([self._sources[s][i] for s, i in zip(chosen, place, strict=True)])
        return self._view(rng, objects)

    def later(self, rng: np.random.Generator, crops: np.ndarray, max_gap: int) -> np.ndarray:
        """Another view of each crop's object, 0..max_gap views before or after it."""
        limit = np.where(rng.random(len(crops)) < 0.5, min(SMALL_GAP, max_gap), max_gap)
        gap = np.ceil(rng.random(len(crops)) * limit).astype(int)
        gap *= rng.choice([-1, 1], len(crops))
        objects, rank = self._object[crops], self._rank[crops]
        last = self._count[objects] - 1
        leaves = (rank + gap < 0) | (rank + gap > last)
        rank = np.clip(np.where(leaves, rank - gap, rank + gap), 0, last)
        return self._views[self._start[objects] + rank]

    def unlike(
        self,
        rng: np.random.Generator,
        crop: int,
        same_label: bool,
        other_scene: bool = False,
    ) -> int | None:
        """A crop of another object and picture, of the same label if possible; or None.

        Where ``other_scene``, its surroundings never show the crop's object either.
        """
        pool = self._of_kind[self._kind[crop]] if same_label else None
        for attempt in range(ATTEMPTS):
            if pool is None or attempt > ATTEMPTS // 2:
                pool = self._sources[self._weights.searchsorted(rng.random())]
            other = int(pool[int(rng.random() * len(pool))])
            view = int(self._views[self._start[other] + int(rng.random() * self._count[other])])
            barred = self._picture[view] == self._picture[crop]
            barred |= other_scene and self._scene[view] == self._scene[crop]
            if other != self._object[crop] and not barred:
                return view
        return None

    def background(self, rng: np.random.Generator, crop: int) -> int:
        """A picture, numbered as in ``Pictures``, that is opaque and of another scene."""
        while True:
            empty = not len(self._full) or (len(self._empty) and rng.random() < EMPTY_SHARE)
            pool = self._empty if empty else self._full
            picture = int(pool[int(rng.random() * len(pool))])
            if empty or self._scene[picture] != self._scene[crop]:
                return picture


def linked(objects: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """(N,) scenes: equal for crops that shared objects and pictures link."""
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


def _grouped(keys: np.ndarray, values: np.ndarray) -> dict[int, np.ndarray]:
    """The values of every key."""
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    return dict(zip(found.tolist(), np.split(values[order], starts[1:]), strict=True))


def _weighted(
    sources: dict[str, np.ndarray], weights: dict[str, float]
) -> tuple[list[np.ndarray], np.ndarray]:
    """The objects of every source that has a weight, and the running sums of the weights, to 1."""
    wanted = {name: weight for name, weight in weights.items() if weight > 0}
    wanted = wanted or dict.fromkeys(sources, 1.0)
    missing = set(wanted) - set(sources)
    if missing:
        raise ConfigurationError(
            f"pairs.source_weights names {sorted(missing)}; the sources with crops are "
            f"{sorted(sources)}"
        )
    sums = np.cumsum(list(wanted.values()))
    return [sources[name] for name in wanted], sums / sums[-1]
