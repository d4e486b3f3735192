"""SHA-256 of what a result depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def hash_bag(path: Path) -> str:
    """Hash of the names and contents of a bag's files."""
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return hash_value([(file.name, _hash_file(file)) for file in files])


def hash_value(value: Any) -> str:
    """Hash of settings or the like as JSON with sorted names."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
