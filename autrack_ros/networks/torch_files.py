"""Weights files in torch's own formats: the official ``.pkl`` releases and snapshots."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autrack_ros.tracking.checkpoint_errors import ACCEPTED, undecodable
from autrack_ros.tracking.errors import CheckpointError

_SAFE_TORCH = (2, 10)


def parse_torch_file(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a torch file by key, read without running code from it.

    Args:
        path: for the messages.
        data: its bytes.

    Raises:
        CheckpointError: it is damaged, holds something else, or this torch cannot read it safely.
    """
    _require_safe_unpickler(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols
            content: object = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words advise to load it unsafely
        raise CheckpointError(
            f"checkpoint {path} holds other things than tensors, or is no torch file; "
            f"accepted: {ACCEPTED}"
        ) from error
    # A damaged pickle can raise nearly anything from inside the unpickler.
    except Exception as error:
        raise undecodable(path, error) from error
    if isinstance(content, Mapping) and "model_state_dict" in content:
        content = content["model_state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise CheckpointError(f"checkpoint {path} holds no state_dict; accepted: {ACCEPTED}")
    return {
        key: (value.float() if value.is_floating_point() else value).numpy()
        for key, value in content.items()
    }


def _require_safe_unpickler(path: Path) -> None:
    """Refuse a pickle where ``weights_only`` lets code run (CVE-2025-32434, CVE-2026-24747)."""
    version = tuple(int(number) for number in torch.__version__.split("+")[0].split(".")[:2])
    if version < _SAFE_TORCH:
        raise CheckpointError(
            f"checkpoint {path}: torch {torch.__version__} cannot read such a file safely; use "
            f"torch {'.'.join(map(str, _SAFE_TORCH))} or newer, or convert it to .safetensors there"
        )
