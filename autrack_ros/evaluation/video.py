"""Write pictures into a video file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from autrack_ros.evaluation.frames import SourceError

SUFFIXES = (".mp4", ".avi", ".mkv", ".mov")


class VideoFile:
    """An MPEG-4 video file to write pictures into; a context manager.

    Raises:
        SourceError: its name does not end as a video's, OpenCV cannot write it, or a picture has
            another size than the first.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() not in SUFFIXES:
            raise SourceError(f"{path}: accepted are names that end in {', '.join(SUFFIXES)}")
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._size: tuple[int, int] | None = None

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, picture: np.ndarray) -> None:
        """Append a picture, HxWx3 uint8 BGR."""
        size = (picture.shape[1], picture.shape[0])
        if self._writer is None:
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), codec, self._fps, size)
            self._size = size
            if not self._writer.isOpened():
                raise SourceError(f"{self._path} cannot be written as a video")
        if size != self._size:
            raise SourceError(f"{self._path}: a picture of {size} px after ones of {self._size} px")
        self._writer.write(picture)


def upscale_factor(image: np.ndarray, shorter_side: int = 480) -> int:
    """Whole factor that makes labels on a small picture readable; 1 for large pictures."""
    return max(1, shorter_side // min(image.shape[:2]))
