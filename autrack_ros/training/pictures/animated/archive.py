"""The zip archive that holds 0 A.D.'s data."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from autrack_ros.training.sources import DataError


class Archive:
    """Files of a zip archive, read without unpacking it.

    Args:
        path: of the archive.

    Attributes:
        names: of all its files.

    Raises:
        DataError: it is missing or no zip archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"archive {path}: {error}") from error
        self.names = frozenset(self._zip.namelist())

    def where(self, name: str) -> str:
        """A file's full name, for error messages."""
        return f"{self._path}: {name}"

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            DataError: it is missing or broken.
        """
        try:
            return self._zip.read(name)
        except KeyError as error:
            raise DataError(f"{self.where(name)}: there is no such file") from error
        except (OSError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{self.where(name)}: {error}") from error
