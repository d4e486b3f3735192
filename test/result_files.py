"""What the result folders of two runs must have in common."""

from __future__ import annotations

from pathlib import Path


def files_of(folder: Path) -> dict[str, bytes]:
    """What two runs must have in common: all but times."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return {
        name: content
        for name, content in found.items()
        if not (name.startswith("times/") or name == "speed.json" or "_time." in name)
    }
