"""Features of the frozen backbone on disk, so that the heads train without it.

Pairs pass the backbone once. A block of pairs is one ``.npy`` file of records, written whole or not
at all, so that an interrupted run goes on where it stopped; the number of processes does not change
the result.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from autrack_ros.tracking.crops import to_tensor
from autrack_ros.tracking.fuse import fuse_batch_norm
from autrack_ros.tracking.siamese import SiameseNetwork
from autrack_ros.training.pairs import SEARCH_SIZE, TEMPLATE_SIZE, PairMaker

BATCH = 32  # crops per call of the backbone

Extractor = Callable[[np.ndarray], list[np.ndarray]]  # BxSxSx3 uint8 -> backbone maps, float32


def feature_extractor(network: SiameseNetwork, size: int) -> Extractor:
    """The network's backbone for batches of ``BATCH`` crops of one size, on one thread.

    With OpenVINO where it is installed: four times as fast as torch on a CPU, equal to 1e-6.
    """
    backbone = fuse_batch_norm(network.basemodel)
    shape = (BATCH, 3, size, size)
    try:
        import openvino
    except ImportError:

        def with_torch(crops: np.ndarray) -> list[np.ndarray]:
            with torch.inference_mode():
                return [features.numpy() for features in backbone(to_tensor(crops))]

        return with_torch
    model = openvino.convert_model(backbone, example_input=torch.zeros(shape), input=[shape])
    options = {
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # several processes would be pinned to the same core
    }
    compiled = openvino.compile_model(model, "CPU", options)

    def with_openvino(crops: np.ndarray) -> list[np.ndarray]:
        output = compiled(to_tensor(crops).contiguous().numpy())
        return [output[index] for index in range(len(compiled.outputs))]

    return with_openvino


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """A batch read back; features float32."""

    template: tuple[torch.Tensor, ...]  # backbone maps, each (B, C, h, w)
    search: tuple[torch.Tensor, ...]  # backbone maps, each (B, C, H, W)
    corners: torch.Tensor  # (B, 4) inclusive corners of the target in the search region
    negative: torch.Tensor  # (B,) bool


class FeatureCache:
    """Backbone features of the pairs 0..count-1.

    Args:
        folder: the cache; a sub-folder named by what the features depend on is used.
        maker: makes the pairs.
        network: its backbone makes the features; frozen.
        count: pairs wanted, rounded up to a multiple of ``BATCH``.
        block: pairs per file, a multiple of ``BATCH``.
    """

    def __init__(
        self,
        folder: Path,
        maker: PairMaker,
        network: SiameseNetwork,
        count: int,
        block: int = 512,
    ) -> None:
        self.block = block
        self.maker = maker
        self.network = network
        self._count = -(-count // BATCH) * BATCH
        self.block_count = -(-self._count // block)
        self.folder = folder / _fingerprint(maker, network)
        self._blocks: list[np.ndarray] = []

    def fill(
        self, workers: int, report: Callable[[int, int], None] = lambda done, total: None
    ) -> int:
        """Make the missing blocks.

        Args:
            workers: processes; 1 works in this one.
            report: called with the blocks done and wanted.

        Returns:
            How many pairs were made; the others were there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        missing = [index for index in range(self.block_count) if not self.path_of(index).is_file()]
        done = self.block_count - len(missing)
        report(done, self.block_count)
        if workers == 1 and missing:
            writer = _BlockWriter(self)
            for index in missing:
                writer.write(index)
                done += 1
                report(done, self.block_count)
        elif missing:
            # Forked, so that the decoded pictures are shared.
            context = multiprocessing.get_context("fork")
            with context.Pool(workers, _start_worker, (self,)) as pool:
                for _ in pool.imap_unordered(_write_block, missing):
                    done += 1
                    report(done, self.block_count)
        self._blocks = [np.load(self.path_of(i), mmap_mode="r") for i in range(self.block_count)]
        return sum(len(self.pairs_of(index)) for index in missing)

    def batch(self, numbers: Sequence[int]) -> FeatureBatch:
        """Read pairs by their numbers; call ``fill`` before."""
        rows = [self._blocks[number // self.block][number % self.block] for number in numbers]

        def column(name: str) -> torch.Tensor:
            return torch.from_numpy(np.stack([row[name] for row in rows]))

        names = self._blocks[0].dtype.names or ()
        maps = {name: column(name).float() for name in names if name[:-1] in ("template", "search")}
        return FeatureBatch(
            template=tuple(maps[name] for name in names if name.startswith("template")),
            search=tuple(maps[name] for name in names if name.startswith("search")),
            corners=column("corners"),
            negative=column("negative"),
        )

    def pairs_of(self, index: int) -> range:
        """Numbers of the pairs of a block."""
        return range(index * self.block, min((index + 1) * self.block, self._count))

    def path_of(self, index: int) -> Path:
        """File of a block."""
        numbers = self.pairs_of(index)
        return self.folder / f"{numbers.start:07d}-{numbers.stop:07d}.npy"


class _BlockWriter:
    """Makes blocks in one process."""

    def __init__(self, cache: FeatureCache) -> None:
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        self._cache = cache
        self._extract_template = feature_extractor(cache.network, TEMPLATE_SIZE)
        self._extract_search = feature_extractor(cache.network, SEARCH_SIZE)

    def write(self, index: int) -> None:
        numbers = self._cache.pairs_of(index)
        batches = [self._batch(numbers[n : n + BATCH]) for n in range(0, len(numbers), BATCH)]
        path = self._cache.path_of(index)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, np.concatenate(batches))
        partial.replace(path)

    def _batch(self, numbers: range) -> np.ndarray:
        pairs = [self._cache.maker.make(number) for number in numbers]
        template = self._extract_template(np.stack([pair.template for pair in pairs]))
        search = self._extract_search(np.stack([pair.search for pair in pairs]))
        columns = {f"template{i}": maps.astype(np.float16) for i, maps in enumerate(template)}
        columns |= {f"search{i}": maps.astype(np.float16) for i, maps in enumerate(search)}
        columns["corners"] = np.stack([pair.corners for pair in pairs])
        columns["negative"] = np.array([pair.negative for pair in pairs])
        kind = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
        records = np.empty(len(pairs), kind)
        for name, column in columns.items():
            records[name] = column
        return records


_worker: _BlockWriter | None = None


def _start_worker(cache: FeatureCache) -> None:
    global _worker
    _worker = _BlockWriter(cache)


def _write_block(index: int) -> None:
    assert _worker is not None
    _worker.write(index)


def _fingerprint(maker: PairMaker, network: SiameseNetwork) -> str:
    """Names what the features depend on: settings, the first pairs as made, and the backbone."""
    digest = hashlib.sha256(repr(maker.settings).encode())
    for number in range(16):
        pair = maker.make(number)
        for array in (pair.template, pair.search, pair.corners):
            digest.update(array.tobytes())
    for key, value in network.basemodel.state_dict().items():
        digest.update(key.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
