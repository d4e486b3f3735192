"""What Fast DDS has of a process in /dev/shm: helpers of node tests."""

from __future__ import annotations

import fcntl
import re
from pathlib import Path


def segments_of(pid: int) -> set[Path]:
    """Segments that a process has mapped: its own and those of the others it knows."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {
        Path(path) for path in re.findall(r"/dev/shm/fast(?:dds|rtps)_[0-9a-f]{16}(?=\n)", maps)
    }


def is_left_behind(segment: Path) -> bool:
    """Whether it is there, and nobody holds the lock that Fast DDS has on a segment in use."""
    try:
        with segment.with_name(f"{segment.name}_el").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def remove(segments: list[Path]) -> None:
    for segment in segments:
        segment.unlink(missing_ok=True)
        segment.with_name(f"{segment.name}_el").unlink(missing_ok=True)
