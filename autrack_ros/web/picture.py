"""A picture on its way to the pages: encoded once for all of them that want the same quality."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.tracking.errors import InvalidImageError
from autrack_ros.web.messages import Shot, pack

MAX_SIDE_PX = 1280  # of a JPEG; larger images are shown smaller
JPEG_MAX_SIDE_PX = 65500  # libjpeg's
TEMPLATE_WIDTH_PX = 576


@dataclass(frozen=True, slots=True)
class Level:
    """A quality: part of the full size, and JPEG quality 0..100."""

    scale: float
    quality: int


#: From the sharpest to what passes through the thinnest link.
LEVELS = (
    Level(1, 85),
    Level(1, 70),
    Level(1, 45),
    Level(0.5, 60),
    Level(0.5, 35),
    Level(0.25, 40),
)


class Picture:
    """An image of the camera.

    Args:
        number: counts up.
        stamp_ns: of the image.
        width: pixels.
        height: pixels.
        pixels: reads HxWx3 uint8 BGR, called at most once; may raise InvalidImageError.
        jpeg: the image as it came, where it came as a JPEG that browsers show as it is.
    """

    def __init__(
        self,
        number: int,
        stamp_ns: int,
        width: int,
        height: int,
        pixels: Callable[[], np.ndarray],
        jpeg: bytes | None = None,
    ) -> None:
        self.number, self.stamp_ns = number, stamp_ns
        self.width, self.height = width, height
        self._read, self._jpeg = pixels, jpeg
        self._pixels: np.ndarray | None = None
        self._frames: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def frame(self, level: int) -> bytes:
        """The message for a page.

        Raises:
            InvalidImageError: it cannot be read, or no JPEG can hold it.
        """
        with self._lock:
            if level not in self._frames:
                shot = Shot(self.number, str(self.stamp_ns), self.width, self.height)
                self._frames[level] = pack(shot, self._encoded(LEVELS[level]))
            return self._frames[level]

    def _encoded(self, level: Level) -> bytes:
        small = max(self.width, self.height) <= MAX_SIDE_PX
        if self._jpeg is not None and small and level.quality >= 70:
            return self._jpeg
        if self._pixels is None:
            self._pixels = self._read()
        return to_jpeg(self._pixels, level)


def to_jpeg(bgr: np.ndarray, level: Level) -> bytes:
    """Encode HxWx3 uint8 BGR.

    Raises:
        InvalidImageError: no JPEG can hold it.
    """
    height, width = bgr.shape[:2]
    scale = min(1, MAX_SIDE_PX / max(width, height)) * level.scale
    if min(width, height) * scale < 1:
        raise InvalidImageError(
            f"{width}x{height} pixels: too narrow for a picture; no JPEG holds more than "
            f"{JPEG_MAX_SIDE_PX} pixels on a side"
        )
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, level.quality])
    if not done:
        raise InvalidImageError(f"{width}x{height} pixels: no JPEG could be made")
    return data.tobytes()


def template_jpeg(panel: np.ndarray) -> bytes:
    """The panel of ``draw_template`` for the page: small enough not to hold up pictures."""
    width = min(panel.shape[1], TEMPLATE_WIDTH_PX)
    height = round(panel.shape[0] * width / panel.shape[1])
    small = cv2.resize(panel, (width, height), interpolation=cv2.INTER_AREA)
    return to_jpeg(small, Level(1, 80))
