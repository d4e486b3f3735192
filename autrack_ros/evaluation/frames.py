"""Open a video file, a folder of images or a camera as one iterable of frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.tracking.errors import AutrackError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
ACCEPTED = "accepted: a video file, a folder of images, or the index of a camera such as 0"


class SourceError(AutrackError):
    """Frames, a dataset or a box file that is missing or cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of one source, HxWx3 uint8 BGR; iterating again starts again at the first frame.

    Iterating raises ``SourceError`` where a frame cannot be read, naming it.

    Attributes:
        name: what the user gave.
        length: number of frames, as far as the source tells it; None for a camera.
        fps: frames a second, None where the source does not tell it.
    """

    name: str
    length: int | None
    fps: float | None
    _read: Callable[[], Iterator[np.ndarray]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._read()


def open_frames(source: str | Path) -> Frames:
    """Frames of a video file, a folder of images (in natural order) or a camera (its index).

    Raises:
        SourceError: the source does not exist, is no video, or holds no image.
    """
    name = str(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return image_frames(name, list_images(path))
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise SourceError(f"{name} is one image; give the folder that holds the sequence")
        return _open_capture(name, str(path))
    if name.isdecimal():
        return _open_capture(name, int(name))
    raise SourceError(f"{name}: no such file or folder; {ACCEPTED}")


def image_frames(name: str, images: Sequence[Path]) -> Frames:
    """Frames of image files in the order given; these can be pickled."""
    return Frames(name, len(images), None, partial(map, read_image, images))


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder in natural order (2 before 10), hidden files left out.

    Raises:
        SourceError: there is none.
    """
    images = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    if not images:
        raise SourceError(f"{folder} holds no image; accepted: {', '.join(IMAGE_SUFFIXES)}")
    return sorted(images, key=_natural_key)


def read_image(path: Path) -> np.ndarray:
    """One image file as HxWx3 uint8 BGR.

    Raises:
        SourceError: the file is missing, empty or no image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise SourceError(f"{path} is no readable image (empty, cut off or another format)")
    return np.ascontiguousarray(image)


def _natural_key(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _open_capture(name: str, target: str | int) -> Frames:
    """A video file (``target`` is its path) or a camera (its index)."""
    is_camera = isinstance(target, int)
    what = f"camera {name}" if is_camera else name
    capture = cv2.VideoCapture(target)
    readable = capture.isOpened() and capture.grab()
    length, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if not readable:
        problem = "cannot be opened" if is_camera else "is no video that OpenCV can read"
        raise SourceError(f"{what} {problem}; {ACCEPTED}")

    def read() -> Iterator[np.ndarray]:
        capture = cv2.VideoCapture(target)
        try:
            while True:
                grabbed, frame = capture.read()
                if not grabbed:
                    break
                yield frame
        finally:
            capture.release()
        if is_camera:
            raise SourceError(f"{what} stopped delivering frames")

    return Frames(
        name,
        length=None if is_camera or length <= 0 else int(length),
        fps=fps if fps > 0 else None,
        _read=read,
    )
