"""How many processor threads the networks compute with in this process."""

from __future__ import annotations

import os
import sys

chosen: int | None = None  # by ``set_threads``


def set_threads(count: int) -> None:
    """Let every engine made from now on, and torch, compute with so many threads."""
    global chosen
    chosen = count
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def thread_count() -> int:
    """As many as were set; else as torch has, where it is loaded; else OMP_NUM_THREADS or cores."""
    if "torch" in sys.modules:
        return sys.modules["torch"].get_num_threads()
    if chosen is not None:
        return chosen
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else len(os.sched_getaffinity(0))
