"""Features of the backbone's frozen layers on disk, so that the others train without them.

Pairs pass the frozen layers once. A block of pairs is one ``.npy`` file of records, written whole
or not at all, so that an interrupted run goes on where it stopped; the number of processes does not
change the result.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from autrack_ros.networks.export import to_openvino
from autrack_ros.networks.fuse import fuse_batch_norm
from autrack_ros.networks.lite import LayeredSiamese
from autrack_ros.tracking.runtimes.openvino_runtime import import_openvino
from autrack_ros.training.pairs.maker import BATCH, SEARCH_SIZE, TEMPLATE_SIZE, PairBatch, PairMaker

BLOCK = 512  # pairs per file, a multiple of BATCH

Maps = tuple[Tensor, ...]
Extractor = Callable[[Tensor], Maps]  # (BATCH, 3, S, S) crops -> maps of the frozen layers


class FrozenLayers(nn.Module):
    """The first layers of a network's backbone, batch normalisation folded in."""

    def __init__(self, network: LayeredSiamese, layers: int) -> None:
        super().__init__()
        self.backbone = fuse_batch_norm(network.basemodel)
        self.layers = layers

    def forward(self, crops: Tensor) -> Maps:
        """(B, 3, S, S) BGR 0..255 -> what ``run_layers`` goes on from."""
        return self.backbone.run_layers((crops,), 0, self.layers)


def feature_extractor(frozen: FrozenLayers, size: int) -> Extractor:
    """The frozen layers for batches of ``BATCH`` crops of one size, on one CPU thread.

    In OpenVINO: four times as fast as torch, equal to 1e-6.
    """
    core = import_openvino().Core()
    options = {
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # several processes would be pinned to the same core
    }
    model = to_openvino(frozen, (torch.zeros(BATCH, 3, size, size),))
    compiled = core.compile_model(model, "CPU", options)

    def with_openvino(crops: Tensor) -> Maps:
        output = compiled(crops.contiguous().numpy())
        return tuple(torch.from_numpy(output[index]) for index in range(len(compiled.outputs)))

    return with_openvino


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Pairs as the trained layers see them."""

    template: Maps  # maps of the frozen layers, each (B, C, h, w) float32
    search: Maps  # each (B, C, H, W) float32
    template_corners: Tensor  # (B, 4) inclusive corners of the target in the template
    corners: Tensor  # (B, 4) of the target in the search region
    negative: Tensor  # (B,) bool: the target is not in the search region


class FeatureCache:
    """Features of numbered pairs, as many at a time as are wanted.

    Args:
        folder: the cache; a sub-folder named by what the features depend on is used.
        maker: makes the pairs.
        frozen: makes the features.
        workers: processes that make them; 1 works in this one. No influence on the result.
        report: called with the blocks done and wanted.
    """

    def __init__(
        self,
        folder: Path,
        maker: PairMaker,
        frozen: FrozenLayers,
        workers: int = 1,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.block = BLOCK
        self.maker = maker
        self.frozen = frozen
        self.folder = folder / _fingerprint(maker, frozen)
        self._workers = workers
        self._report = report
        self._blocks: dict[int, np.ndarray] = {}
        self._writer: _BlockWriter | None = None
        self._pool: Pool | None = None
        self._making: dict[int, AsyncResult[None]] = {}

    def fill(self, numbers: range) -> int:
        """Make the blocks that hold these pairs, but for those that exist.

        Returns:
            How many blocks were missing.
        """
        wanted = self._blocks_of(numbers)
        missing = [index for index in wanted if not self.path_of(index).is_file()]
        done = len(wanted) - len(missing)
        self._report(done, len(wanted))
        self.prefetch(numbers)
        if self._workers == 1 and missing and self._writer is None:
            self._writer = _BlockWriter(self)
        for index in missing:
            if self._writer is not None:
                self._writer.write(index)
            else:
                self._making.pop(index).get()
            done += 1
            self._report(done, len(wanted))
        for index in wanted:
            self._making.pop(index, None)
        self._blocks |= {index: np.load(self.path_of(index), mmap_mode="r") for index in wanted}
        return len(missing)

    def prefetch(self, numbers: range) -> None:
        """Begin to make blocks for a later ``fill``, if there are processes for it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._workers == 1:
            return
        if self._pool is None:
            # Forked, so that the decoded crops are shared; once, before the training has threads.
            context = multiprocessing.get_context("fork")
            self._pool = context.Pool(self._workers, _start_worker, (self,))
        for index in self._blocks_of(numbers):
            if index not in self._making and not self.path_of(index).is_file():
                self._making[index] = self._pool.apply_async(_write_block, (index,))

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
            self._pool = None
            self._making = {}

    def remove(self, numbers: range) -> None:
        """Remove the blocks that hold these pairs."""
        for index in self._blocks_of(numbers):
            self._blocks.pop(index, None)
            self.path_of(index).unlink(missing_ok=True)

    def batch(self, numbers: Sequence[int]) -> FeatureBatch:
        """Read pairs by their numbers; call ``fill`` before."""
        rows = [self._blocks[number // self.block][number % self.block] for number in numbers]

        def column(name: str) -> Tensor:
            return torch.from_numpy(np.stack([row[name] for row in rows]))

        def maps(crop: str) -> Maps:
            names = rows[0].dtype.names or ()
            return tuple(column(name).float() for name in names if name[:-1] == crop)

        return FeatureBatch(
            template=maps("template"),
            search=maps("search"),
            template_corners=column("template_corners"),
            corners=column("corners"),
            negative=column("negative"),
        )

    def pairs_of(self, index: int) -> range:
        """Numbers of the pairs of a block."""
        return range(index * self.block, (index + 1) * self.block)

    def path_of(self, index: int) -> Path:
        """File of a block."""
        return self.folder / f"{index * self.block:08d}.npy"

    def _blocks_of(self, numbers: range) -> range:
        return range(numbers.start // self.block, -(-numbers.stop // self.block))


class _BlockWriter:
    """Makes blocks in one process."""

    def __init__(self, cache: FeatureCache) -> None:
        torch.set_num_threads(1)
        self._cache = cache
        self._extract_template = feature_extractor(cache.frozen, TEMPLATE_SIZE)
        self._extract_search = feature_extractor(cache.frozen, SEARCH_SIZE)

    def write(self, index: int) -> None:
        numbers = self._cache.pairs_of(index)
        batches = [self._batch(number // BATCH) for number in numbers[::BATCH]]
        path = self._cache.path_of(index)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, np.concatenate(batches))
        partial.replace(path)

    def _batch(self, number: int) -> np.ndarray:
        pairs = self._cache.maker.batch(number)
        template = self._extract_template(pairs.template)
        search = self._extract_search(pairs.search)
        columns = {f"template{i}": maps.half() for i, maps in enumerate(template)}
        columns |= {f"search{i}": maps.half() for i, maps in enumerate(search)}
        columns["template_corners"] = pairs.template_corners
        columns["corners"] = pairs.corners
        columns["negative"] = pairs.negative
        arrays = {name: column.numpy() for name, column in columns.items()}
        kind = [(name, array.dtype, array.shape[1:]) for name, array in arrays.items()]
        records = np.empty(BATCH, kind)
        for name, array in arrays.items():
            records[name] = array
        return records


_worker: _BlockWriter | None = None


def _start_worker(cache: FeatureCache) -> None:
    global _worker
    _worker = _BlockWriter(cache)


def _write_block(index: int) -> None:
    assert _worker is not None
    _worker.write(index)


def _fingerprint(maker: PairMaker, frozen: FrozenLayers) -> str:
    """Names what the features depend on: settings, the first pairs as made, and the layers."""
    digest = hashlib.sha256(f"{maker.settings} {frozen.layers}".encode())
    first: PairBatch = maker.batch(0)
    for column in fields(first):
        digest.update(getattr(first, column.name).cpu().numpy().tobytes())
    for key, value in frozen.state_dict().items():
        digest.update(key.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
