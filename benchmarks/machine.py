"""What a benchmark ran on and how much memory it took, for the tables it prints."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path


def describe_machine() -> str:
    """Date, processor, cores, Python and torch in one line."""
    import torch  # not above: NanoTrack's process measures its memory without

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    accelerator = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{datetime.date.today()}, {model}, {os.cpu_count()} cores{accelerator}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def resident_megabytes() -> float:
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
