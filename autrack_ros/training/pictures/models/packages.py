"""What rendering needs beside this package."""

from __future__ import annotations

import importlib
from typing import Any

from autrack_ros.training.sources import DataError


def import_package(package: str) -> Any:
    """Import a package of the extra [train].

    Raises:
        DataError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise DataError(
            f"rendering models needs {package}: pip install 'autrack_ros[train]'"
        ) from error
