"""Brings the photo cut-outs: ``python -m autrack_ros.training.fetch [FOLDER]``.

They are the stamps of Tux Paint (GPL-2), from the Debian package tuxpaint-stamps-default (160 MB),
which ``apt-get download`` gets and checks and ``dpkg -x`` unpacks; neither needs root.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from autrack_ros.training.config import TrainingConfig
from autrack_ros.training.sources import DataError

PACKAGE = "tuxpaint-stamps-default"


def fetch_cutouts(folder: Path) -> None:
    """Put the cut-outs below a folder; nothing is done where it exists.

    Raises:
        DataError: this is no Debian system, or the package could not be got.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        try:
            subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=scratch, check=True)
            archive = next(Path(scratch).glob("*.deb"))
            subprocess.run(["dpkg", "-x", archive.name, "unpacked"], cwd=scratch, check=True)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            raise DataError(
                f"cut-outs: `apt-get download {PACKAGE}` failed ({error}). Unpack that Debian "
                f"package elsewhere and put its usr/share/tuxpaint/stamps at {folder}"
            ) from error
        shutil.move(Path(scratch) / "unpacked/usr/share/tuxpaint/stamps", folder)


if __name__ == "__main__":
    fetch_cutouts(Path(sys.argv[1]) if len(sys.argv) > 1 else TrainingConfig().cutouts)
