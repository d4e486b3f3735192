"""Little-endian binary files, read from front to back."""

from __future__ import annotations

from typing import Any

import numpy as np

from autrack_ros.training.sources import DataError


class BinaryReader:
    """Reads a file's bytes one after another.

    Args:
        data: the whole file.
        where: its name, for error messages.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        self._data = data
        self._position = 0

    def array(self, dtype: Any, count: int) -> np.ndarray:
        """The next ``count`` values of a numpy type, read-only.

        Raises:
            DataError: the file ends before.
        """
        kind = np.dtype(dtype).newbyteorder("<")
        end = self._position + kind.itemsize * count
        if end > len(self._data):
            raise DataError(
                f"{self.where}: it has {len(self._data)} bytes where {end} are expected"
            )
        values = np.frombuffer(self._data, kind, count, self._position)
        self._position = end
        return values

    def number(self, dtype: Any = np.uint32) -> int:
        """The next whole number."""
        return int(self.array(dtype, 1)[0])

    def numbers(self, count: int) -> list[int]:
        """The next whole numbers of four bytes."""
        return [int(value) for value in self.array(np.uint32, count)]

    def floats(self, *shape: int) -> np.ndarray:
        """The next float32 numbers, in an array of this shape.

        Raises:
            DataError: the file ends before, or one of them is not finite.
        """
        values = self.array(np.float32, int(np.prod(shape, dtype=object))).reshape(shape)
        if not np.isfinite(values).all():
            raise DataError(f"{self.where}: a number in it is not finite")
        return values

    def text(self, length: int | None = None) -> str:
        """The next text: of so many bytes, filled up with zeros, or with its length before it."""
        raw = self.array(np.uint8, self.number() if length is None else length).tobytes()
        return raw.split(b"\0")[0].decode("latin-1")

    def expect(self, magic: bytes, version: int, kind: Any = np.uint32) -> None:
        """Pass over the bytes and the version with which the file begins.

        Raises:
            DataError: it begins otherwise.
        """
        found = self.array(np.uint8, len(magic)).tobytes()
        if found != magic:
            raise DataError(f"{self.where}: it begins with {found!r} instead of {magic!r}")
        written = self.number(kind)
        if written != version:
            raise DataError(f"{self.where}: version {written}; only {version} can be read")
