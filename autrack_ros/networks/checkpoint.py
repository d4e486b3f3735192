"""Weights files into networks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from autrack_ros.tracking.checkpoint import Checkpoint, check_fit, form, read_checkpoint


def load_weights(network: nn.Module, path: str | Path, name: str) -> dict[str, str]:
    """Load a weights file into a network; on any error the network is unchanged.

    Every parameter and buffer must be in the file, finite and of its shape, and nothing else.

    Args:
        network: the network to fill, on any device.
        path: the file, see ``read_checkpoint``.
        name: what the error messages call the network.

    Returns:
        The metadata of a safetensors file; nothing for other files.

    Raises:
        CheckpointError: names the file, what is wrong with it and what is accepted.
    """
    checkpoint = read_checkpoint(path, name)
    fill(network, checkpoint, name)
    return checkpoint.metadata


def fill(network: nn.Module, checkpoint: Checkpoint, name: str) -> None:
    """As ``load_weights``, of a file that is read."""
    expected = {key: form(value.cpu().numpy()) for key, value in network.state_dict().items()}
    check_fit(checkpoint, expected, name)
    network.load_state_dict({k: torch.from_numpy(v) for k, v in checkpoint.weights.items()})
