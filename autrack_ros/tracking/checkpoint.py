"""Weights files as arrays: ``.safetensors``, and through PyTorch its own formats."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy

from autrack_ros.tracking.checkpoint_errors import ACCEPTED, undecodable
from autrack_ros.tracking.errors import CheckpointError
from autrack_ros.tracking.torch_presence import require_torch

_MD5_IN_NAME = re.compile(r"md5(?:sum)?_([0-9a-f]{32})", re.IGNORECASE)
Form = tuple[str, tuple[int, ...]]  # kind (float, or an integer's name), shape


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a weights file holds.

    Attributes:
        path: the file.
        weights: by key; all floating-point precisions as float32.
        metadata: of a safetensors file; nothing for other files.
        digest: SHA-256 of the file, hexadecimal.
    """

    path: Path
    weights: dict[str, np.ndarray]
    metadata: dict[str, str]
    digest: str


def read_checkpoint(path: str | Path, name: str) -> Checkpoint:
    """Read a weights file.

    Half precision becomes float32; a ``module.`` prefix (DataParallel) is taken off. An md5 in the
    file name (``md5_...`` or ``md5sum_...``, as in the official releases) is checked. Torch files
    are read by torch, without running code from them (``weights_only``).

    Args:
        path: the file.
        name: what the error messages call the network.

    Raises:
        CheckpointError: names the file, what is wrong with it and what is accepted.
        ConfigurationError: a torch file, and torch is not installed.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} for {name} cannot be read: {error.strerror}; accepted: {ACCEPTED}"
        ) from error
    _check_md5(path, data)
    if path.suffix == ".safetensors":
        weights, metadata = _parse_safetensors(path, data)
    else:
        require_torch(f"checkpoint {path}, a torch file,")
        from autrack_ros.networks.torch_files import parse_torch_file

        weights, metadata = parse_torch_file(path, data), {}
    single = {
        key.removeprefix("module."): value.astype(np.float32) if value.dtype.kind == "f" else value
        for key, value in weights.items()
    }
    return Checkpoint(path, single, metadata, hashlib.sha256(data).hexdigest())


def check_fit(checkpoint: Checkpoint, expected: Mapping[str, Form], name: str) -> None:
    """Refuse weights that are not those of a network.

    Args:
        checkpoint: the weights.
        expected: what the network takes: everything, and nothing else.
        name: what the error messages call the network.

    Raises:
        CheckpointError: a key is missing, unknown or of another form, or a value is not finite.
    """
    problems = _mismatches({k: form(v) for k, v in checkpoint.weights.items()}, expected)
    if problems:
        raise CheckpointError(
            f"checkpoint {checkpoint.path} does not fit the network {name}: {'; '.join(problems)}"
        )
    broken = [key for key, value in checkpoint.weights.items() if not np.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"checkpoint {checkpoint.path} for {name} has NaN or infinite values in "
            f"{_shown(broken)}; every value must be finite"
        )


def form(value: np.ndarray) -> Form:
    """Kind and shape of an array; all floating-point precisions are one kind."""
    return ("float" if value.dtype.kind == "f" else str(value.dtype)), value.shape


def _check_md5(path: Path, data: bytes) -> None:
    named = _MD5_IN_NAME.search(path.name)
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if named is not None and actual != named[1].lower():
        raise CheckpointError(
            f"checkpoint {path} is damaged: its md5 is {actual}, its name says {named[1]}; "
            "get the file again"
        )


def _parse_safetensors(path: Path, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    try:
        weights = safetensors.numpy.load(data)
    # Whatever a damaged file makes of the parser.
    except Exception as error:
        raise undecodable(path, error) from error
    length = int.from_bytes(data[:8], "little")
    return weights, json.loads(data[8 : 8 + length]).get("__metadata__", {})


def _mismatches(weights: Mapping[str, Form], expected: Mapping[str, Form]) -> list[str]:
    """What keeps the weights from fitting, in words; empty if they fit."""
    missing = [key for key in expected if key not in weights]
    extra = [key for key in weights if key not in expected]
    misshaped = [
        f"{key} (has {_told(weights[key])}, needs {_told(wanted)})"
        for key, wanted in expected.items()
        if key in weights and weights[key] != wanted
    ]
    found = {"missing keys": missing, "unknown keys": extra, "wrong tensors": misshaped}
    return [f"{len(keys)} {what}: {_shown(keys)}" for what, keys in found.items() if keys]


def _told(wanted: Form) -> str:
    kind, shape = wanted
    return f"{kind} {'x'.join(map(str, shape)) or 'scalar'}"


def _shown(keys: Iterable[str], most: int = 3) -> str:
    keys = list(keys)
    return ", ".join(keys[:most]) + (", ..." if len(keys) > most else "")
