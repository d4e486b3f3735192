"""Cut a shot out of a film: ``python -m autrack_ros.demo.cut FILM FIRST LAST FOLDER``."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import cv2

from autrack_ros.evaluation.frames import open_frames


def cut(film: Path, first: int, last: int, folder: Path) -> None:
    """Write frames of a film as PNG files, which lose nothing, into a new folder.

    Args:
        film: a video file.
        first: frame to begin with, from 1.
        last: frame to end with.
        folder: appears when it is complete.

    Raises:
        SourceError: the film cannot be read.
    """
    unfinished = folder.with_name(f"{folder.name}.part")
    unfinished.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(islice(open_frames(film), first - 1, last)):
        cv2.imwrite(str(unfinished / f"{number:06d}.png"), frame)
    unfinished.rename(folder)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    cut(arguments.film, arguments.first, arguments.last, arguments.folder)


if __name__ == "__main__":
    main()
