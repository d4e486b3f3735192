"""Many pictures in a few files: JPEG for the colours, PNG for the opacity.

Safetensors holds bytes and tables and runs no code, so files from elsewhere are safe to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from autrack_ros.training.sources.base import DataError

SHARD_BYTES = 60_000_000
HEADER_BYTES = 100_000  # more than the names and shapes in a shard take
JPEG_QUALITY = 92
THREADS = 2  # OpenCV encodes and decodes outside the interpreter's lock

Table = dict[str, Tensor]


def write_shards(
    folder: Path, stem: str, pictures: Iterable[np.ndarray], table: Table
) -> list[str]:
    """Write pictures as ``<stem>-00000.safetensors`` and so on, each at most 60 MB.

    Args:
        folder: exists.
        stem: begins the files' names.
        pictures: N of them, (h, w, 3) uint8 BGR or (h, w, 4), then with opacity.
        table: columns, each with N rows; they travel with their pictures.

    Returns:
        The files' names, in order.
    """
    names: list[str] = []
    row_bytes = 16 + sum(column[:1].nbytes for column in table.values())
    for rows, colors, opacities in _packed(pictures, row_bytes):
        shard = {name: column[rows].clone() for name, column in table.items()}
        shard["jpeg"], shard["jpeg_ends"] = _joined(colors)
        shard["png"], shard["png_ends"] = _joined(opacities)
        names.append(f"{stem}-{len(names):05d}.safetensors")
        save_file(shard, folder / names[-1])
    return names


def read_shards(folder: Path, names: Sequence[str]) -> tuple[list[np.ndarray], Table]:
    """Read what ``write_shards`` wrote.

    Args:
        folder: of the files.
        names: of all files, in order.

    Returns:
        The pictures and their table.

    Raises:
        DataError: a file is missing or damaged.
    """
    pictures: list[np.ndarray] = []
    tables: list[Table] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for name in names:
            try:
                shard = load_file(folder / name)
                colors = _parted(shard.pop("jpeg"), shard.pop("jpeg_ends"))
                opacities = _parted(shard.pop("png"), shard.pop("png_ends"))
                pictures += pool.map(_decode, colors, opacities)
            except (OSError, SafetensorError, KeyError, ValueError, cv2.error) as error:
                raise DataError(f"{folder / name}: damaged or missing ({error})") from error
            tables.append(shard)
    columns = tables[0] if tables else {}
    return pictures, {name: torch.cat([table[name] for table in tables]) for name in columns}


def _packed(
    pictures: Iterable[np.ndarray], row_bytes: int
) -> Iterator[tuple[slice, list[np.ndarray], list[np.ndarray]]]:
    """Encoded pictures in parts that fit into a shard: their rows, colours and opacities."""
    colors: list[np.ndarray] = []
    opacities: list[np.ndarray] = []
    start = size = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for color, opacity in pool.map(_encode, pictures):
            more = len(color) + len(opacity) + row_bytes
            if size + more > SHARD_BYTES - HEADER_BYTES:
                yield slice(start, start + len(colors)), colors, opacities
                start, size = start + len(colors), 0
                colors, opacities = [], []
            colors.append(color)
            opacities.append(opacity)
            size += more
    if colors:
        yield slice(start, start + len(colors)), colors, opacities


def _encode(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """JPEG of the colours, and PNG of the opacity or nothing where there is none."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    color = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., :3]), quality)[1]
    opacity = picture[..., 3:]
    if opacity.size == 0:
        return color, np.empty(0, np.uint8)
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    return color, cv2.imencode(".png", np.ascontiguousarray(opacity), fast)[1]


def _decode(color: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    image = _decoded(color, cv2.IMREAD_COLOR)
    if not len(opacity):
        return image
    return np.dstack([image, _decoded(opacity, cv2.IMREAD_GRAYSCALE)])


def _decoded(encoded: np.ndarray, mode: int) -> np.ndarray:
    image = cv2.imdecode(encoded, mode)
    if image is None:
        raise ValueError("a picture in it cannot be decoded")
    return image


def _joined(parts: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """All bytes in a row, and where each part ends."""
    ends = np.cumsum([len(part) for part in parts])
    return torch.from_numpy(np.concatenate(parts)), torch.from_numpy(ends)


def _parted(joined: Tensor, ends: Tensor) -> list[np.ndarray]:
    return np.split(joined.numpy(), ends.numpy())[:-1]
