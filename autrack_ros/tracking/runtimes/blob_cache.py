"""Compiled networks in the user's cache folder, so that the next start does not compile."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

VARIABLE = "AUTRACK_CACHE"  # another folder, or off
OFF = "off"
_KEPT_S = 90 * 86_400  # unread for so long, an entry is removed
_DIGEST_BYTES = 32

Compiled = TypeVar("Compiled")


class BlobCache:
    """Files named by all that their content depends on, each behind its own SHA-256.

    An entry that is damaged or that nobody understands is made anew; where nothing can be written,
    nothing is kept.

    Args:
        folder: None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @classmethod
    def of_user(cls) -> BlobCache:
        """Where ``AUTRACK_CACHE`` says, else in the user's cache folder."""
        chosen = os.environ.get(VARIABLE, "")
        if chosen.lower() == OFF:
            return cls(None)
        if chosen:
            return cls(Path(chosen))
        base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        return cls(Path(base) / "autrack_ros")

    def get(
        self,
        name: str,
        key: Sequence[str | bytes],
        load: Callable[[io.BytesIO], Compiled],
        make: Callable[[], Compiled],
    ) -> Compiled:
        """What is kept, or made now and kept.

        Args:
            name: beginning of the file's name.
            key: all that the content depends on.
            load: makes it of the bytes that its ``export_model`` wrote.
            make: makes it anew.
        """
        if self.folder is None:
            return make()
        digest = hashlib.sha256()
        for part in key:
            digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
        path = self.folder / f"{name}-{digest.hexdigest()[:32]}.blob"
        blob = _read(path)
        if blob is not None:
            try:
                return load(io.BytesIO(blob))
            except RuntimeError:  # OpenVINO's, of what it does not understand
                pass
        made = make()
        stream = io.BytesIO()
        made.export_model(stream)  # type: ignore[attr-defined]
        _write(path, stream.getvalue())
        return made


def _read(path: Path) -> bytes | None:
    """The content of an entry; None where there is none, or it is damaged."""
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, blob = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return blob if hashlib.sha256(blob).digest() == digest else None


def _write(path: Path, blob: bytes) -> None:
    """Write an entry whole or not at all, and remove those that nobody reads any more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(blob).digest() + blob)
        os.replace(file.name, path)
        for other in path.parent.glob("*.blob"):
            if time.time() - other.stat().st_mtime > _KEPT_S:
                other.unlink()
    except OSError:
        pass
