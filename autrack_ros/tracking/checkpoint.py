"""Weights files: the official ``.pkl`` releases and snapshots, and ``.safetensors``."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from autrack_ros.tracking.errors import CheckpointError

_SAFE_TORCH = (2, 10)
_MD5_IN_NAME = re.compile(r"md5(?:sum)?_([0-9a-f]{32})", re.IGNORECASE)
_ACCEPTED = (
    ".safetensors, or a torch file (.pkl, .pth, .pt) holding a state_dict or a training snapshot "
    "with 'model_state_dict'"
)


def load_weights(network: nn.Module, path: str | Path, name: str) -> dict[str, str]:
    """Load a weights file into a network; on any error the network is unchanged.

    Every parameter and buffer must be in the file, finite and of its shape, and nothing else. Half
    precision becomes float32; a ``module.`` prefix (DataParallel) is taken off. An md5 in the file
    name (``md5_...`` or ``md5sum_...``, as in the official releases) is checked. Torch files are
    read without running code from them (``weights_only``).

    Args:
        network: the network to fill, on any device.
        path: the file.
        name: what the error messages call the network.

    Returns:
        The metadata of a safetensors file; nothing for other files.

    Raises:
        CheckpointError: names the file, what is wrong with it and what is accepted.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} for {name} cannot be read: {error.strerror}; accepted: {_ACCEPTED}"
        ) from error
    _check_md5(path, data)
    weights = _parse(path, data)
    expected = network.state_dict()
    problems = _mismatches(weights, expected)
    if problems:
        raise CheckpointError(
            f"checkpoint {path} does not fit the network {name}: {'; '.join(problems)}"
        )
    converted = {key: weights[key].to(tensor.dtype) for key, tensor in expected.items()}
    broken = [key for key, tensor in converted.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"checkpoint {path} for {name} has NaN or infinite values in {_shown(broken)}; "
            "every value must be finite"
        )
    network.load_state_dict(converted)
    return _metadata(data) if path.suffix == ".safetensors" else {}


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata in the header of a safetensors file that was read without error."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]).get("__metadata__", {})


def _require_safe_unpickler(path: Path) -> None:
    """Refuse a pickle where ``weights_only`` lets code run (CVE-2025-32434, CVE-2026-24747)."""
    version = tuple(int(number) for number in torch.__version__.split("+")[0].split(".")[:2])
    if version < _SAFE_TORCH:
        raise CheckpointError(
            f"checkpoint {path}: torch {torch.__version__} cannot read such a file safely; use "
            f"torch {'.'.join(map(str, _SAFE_TORCH))} or newer, or convert it to .safetensors there"
        )


def _check_md5(path: Path, data: bytes) -> None:
    named = _MD5_IN_NAME.search(path.name)
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if named is not None and actual != named[1].lower():
        raise CheckpointError(
            f"checkpoint {path} is damaged: its md5 is {actual}, its name says {named[1]}; "
            "get the file again"
        )


def _parse(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors of a file by key."""
    content: object
    is_pickle = path.suffix != ".safetensors"
    if is_pickle:
        _require_safe_unpickler(path)
    try:
        if not is_pickle:
            content = safetensors.torch.load(data)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of pickle protocols
                content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words advise to load it unsafely
        raise CheckpointError(
            f"checkpoint {path} holds other things than tensors, or is no torch file; "
            f"accepted: {_ACCEPTED}"
        ) from error
    # A damaged pickle can raise nearly anything from inside the unpickler.
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}{': ' + lines[0] if lines else ''}"
        raise CheckpointError(
            f"checkpoint {path} cannot be decoded ({reason}); it is damaged or not a weights file; "
            f"accepted: {_ACCEPTED}"
        ) from error
    if isinstance(content, Mapping) and "model_state_dict" in content:
        content = content["model_state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise CheckpointError(f"checkpoint {path} holds no state_dict; accepted: {_ACCEPTED}")
    return {key.removeprefix("module."): value for key, value in content.items()}


def _mismatches(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What keeps the weights from fitting, in words; empty if they fit."""
    missing = [key for key in expected if key not in weights]
    extra = [key for key in weights if key not in expected]
    misshaped = [
        f"{key} (has {_form(weights[key])}, needs {_form(tensor)})"
        for key, tensor in expected.items()
        if key in weights and _form(weights[key]) != _form(tensor)
    ]
    found = {"missing keys": missing, "unknown keys": extra, "wrong tensors": misshaped}
    return [f"{len(keys)} {what}: {_shown(keys)}" for what, keys in found.items() if keys]


def _form(tensor: Tensor) -> str:
    """Shape and kind of a tensor; all floating-point precisions are one kind."""
    kind = "float" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {'x'.join(map(str, tensor.shape)) or 'scalar'}"


def _shown(keys: Iterable[str], most: int = 3) -> str:
    keys = list(keys)
    return ", ".join(keys[:most]) + (", ..." if len(keys) > most else "")
