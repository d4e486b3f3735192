"""How much memory the process takes, of the machine and of the GPU."""

from __future__ import annotations

import os
from pathlib import Path

_MEGABYTE = 1e6
_STATM = Path("/proc/self/statm")


def process_memory_mb() -> float | None:
    """Return the resident memory of this process in MB (10^6 bytes); None without /proc."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE


def gpu_memory_mb(device: str) -> float | None:
    """Return what torch holds of the GPU's memory in MB (10^6 bytes); None on another device.

    That is the reserved memory: what tensors take and what torch keeps for the next ones.
    """
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.memory_reserved(device) / _MEGABYTE
