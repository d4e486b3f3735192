"""Image messages as arrays, without cv_bridge (which breaks with NumPy 2) and without ROS.

Same encodings and same pixels as cv_bridge, but rows may be padded (``step``), nothing is copied
that can be viewed, and a damaged message gives an error that names its field.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from autrack_ros.messages.compressed_size import (
    JPEG_END,
    JPEG_SCAN,
    JPEG_START,
    PNG_START,
    compressed_size,
)
from autrack_ros.messages.png_check import png_fault
from autrack_ros.tracking.errors import InvalidImageError

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image


class _Encoding(NamedTuple):
    """How the bytes of an encoding become BGR."""

    channels: int
    dtype: type[np.generic]
    to_bgr: int | None  # cv2.cvtColor code; None: is BGR


_U8, _U16 = np.uint8, np.uint16

# ROS names a Bayer pattern by its upper left 2x2 pixels, OpenCV's old names by the 2x2 pixels one
# further down and right: "rggb" is OpenCV's BayerBG.
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2BGR,
    "bggr": cv2.COLOR_BayerRG2BGR,
    "gbrg": cv2.COLOR_BayerGR2BGR,
    "grbg": cv2.COLOR_BayerGB2BGR,
}

_ENCODINGS = {
    "bgr8": _Encoding(3, _U8, None),
    "rgb8": _Encoding(3, _U8, cv2.COLOR_RGB2BGR),
    "bgra8": _Encoding(4, _U8, cv2.COLOR_BGRA2BGR),
    "rgba8": _Encoding(4, _U8, cv2.COLOR_RGBA2BGR),
    "mono8": _Encoding(1, _U8, cv2.COLOR_GRAY2BGR),
    "mono16": _Encoding(1, _U16, cv2.COLOR_GRAY2BGR),
    "8UC1": _Encoding(1, _U8, cv2.COLOR_GRAY2BGR),
    "8UC3": _Encoding(3, _U8, None),
    "yuv422": _Encoding(2, _U8, cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": _Encoding(2, _U8, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": _Encoding(2, _U8, cv2.COLOR_YUV2BGR_YUY2),
    "yuyv": _Encoding(2, _U8, cv2.COLOR_YUV2BGR_YUY2),
    **{f"bayer_{name}8": _Encoding(1, _U8, code) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": _Encoding(1, _U16, code) for name, code in _BAYER.items()},
}

ACCEPTED_ENCODINGS = tuple(_ENCODINGS)

#: A few hundred bytes can declare an image of gigabytes; the largest cameras have 151 megapixels.
MAX_COMPRESSED_PIXELS = 200_000_000

_DEPTH_ENCODINGS = ("16UC1", "32FC1")
_MAX_FORMAT_CHARACTERS = 80  # of a format shown in an error


def image_to_bgr(message: Image) -> np.ndarray:
    """Read an image message as HxWx3 uint8 BGR, C-contiguous.

    16-bit grey levels are scaled by 255/65535, as cv_bridge does. The array may share the message's
    memory, which must then outlive it.

    Raises:
        InvalidImageError: names the field (encoding, width, height, step or data), its value, and
            what is accepted.
    """
    check_image(message)
    encoding = _ENCODINGS[message.encoding]
    return _to_bgr(_pixels(message, encoding), encoding.to_bgr)


def check_image(message: Image) -> tuple[int, int]:
    """Return width and height of an image message that ``image_to_bgr`` can read, pixels.

    Raises:
        InvalidImageError: as there.
    """
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        accepted = ", ".join(ACCEPTED_ENCODINGS)
        shown = message.encoding[:_MAX_FORMAT_CHARACTERS]
        raise InvalidImageError(f"encoding '{shown}': accepted are {accepted}")
    if encoding.channels == 2 and message.width % 2:
        raise InvalidImageError(
            f"width {message.width}: must be even with encoding '{message.encoding}'"
        )
    check_layout(message, message.width * encoding.channels * np.dtype(encoding.dtype).itemsize)
    return message.width, message.height


def compressed_to_bgr(message: CompressedImage) -> np.ndarray:
    """Decode a JPEG or PNG message as HxWx3 uint8 BGR, C-contiguous.

    The data decide what they are. Of the format as compressed_image_transport writes it ("rgb8;
    jpeg compressed bgr8") two things are needed: "compressed rgb" says that red and blue are
    swapped in the data, and a grey picture of a bayer_* encoding is a mosaic. Anything else is read
    as ordinary JPEG and PNG files are. 16-bit grey levels are scaled by 255/65535, as those of
    mono16; an orientation noted in the file is not applied, and alpha is dropped.

    A JPEG damaged in its middle gives a picture with damage: nothing tells.

    Raises:
        InvalidImageError: depth images, other codecs, damaged data, or more than
            ``MAX_COMPRESSED_PIXELS``; names the format and the number of bytes.
    """
    data = bytes(memoryview(message.data))
    original = message.format.partition(";")[0].strip()
    if "compressedDepth" in message.format or original in _DEPTH_ENCODINGS:
        raise _refused(message, "a depth image; colour or grey images are accepted")
    pixels = _decode(message, data)
    if pixels.ndim == 2:
        encoding = _ENCODINGS.get(original)
        if encoding is None or encoding.channels > 1:
            encoding = _ENCODINGS["mono8"]
        return _to_bgr(pixels, encoding.to_bgr)
    swapped = "compressed rgb" in message.format
    if pixels.shape[2] == 4:
        return _to_bgr(pixels, cv2.COLOR_RGBA2BGR if swapped else cv2.COLOR_BGRA2BGR)
    return _to_bgr(pixels, cv2.COLOR_RGB2BGR if swapped else None)


def declared_size(message: CompressedImage) -> tuple[int, int]:
    """Return width and height that JPEG or PNG data declare, pixels.

    Raises:
        InvalidImageError: other data, or more than ``MAX_COMPRESSED_PIXELS``.
    """
    return _size_of(message, bytes(memoryview(message.data)))


def _size_of(message: CompressedImage, data: bytes) -> tuple[int, int]:
    """As ``declared_size``; the data are the message's."""
    size = compressed_size(data)
    if size is None:
        raise _refused(message, "not the data of a JPEG or PNG image, which are accepted")
    if size[0] * size[1] > MAX_COMPRESSED_PIXELS:
        limit = f"at most {MAX_COMPRESSED_PIXELS} pixels are accepted"
        raise _refused(message, f"declares {size[0]}x{size[1]} pixels; {limit}")
    return size


def check_layout(message: Image, row: int) -> None:
    """Check that a message's sizes fit each other; ``row``: bytes of a row without padding.

    Raises:
        InvalidImageError: names the field, its value and what is accepted.
    """
    width, height, step, size = message.width, message.height, message.step, len(message.data)
    if width < 1 or height < 1:
        raise InvalidImageError(f"width {width}, height {height}: both must be at least 1")
    if step < row:
        raise InvalidImageError(
            f"step {step}: a row of {width} {message.encoding} pixels has at least {row} bytes"
        )
    if size != step * height:
        raise InvalidImageError(
            f"data has {size} bytes: step {step} x height {height} = {step * height} are expected"
        )


def _pixels(message: Image, encoding: _Encoding) -> np.ndarray:
    """View the message's pixels without the padding: HxW or HxWxC, native byte order."""
    dtype = np.dtype(encoding.dtype)
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * encoding.channels * dtype.itemsize]
    if dtype.itemsize > 1:
        pixels = np.ascontiguousarray(pixels).view(dtype)  # a padded row may end at an odd byte
        if bool(message.is_bigendian) != (sys.byteorder == "big"):
            pixels = pixels.byteswap()
    if encoding.channels == 1:
        return pixels
    return pixels.reshape(message.height, message.width, encoding.channels)


def _decode(message: CompressedImage, data: bytes) -> np.ndarray:
    """Decode to HxW, HxWx3 or HxWx4, uint8 or uint16, with the channels as they were encoded."""
    _size_of(message, data)
    # Older releases of OpenCV fill the rest of a JPEG that was cut off with grey and do not tell.
    # Neither marker can occur inside the compressed pixels.
    if data.startswith(JPEG_START) and data.find(JPEG_END, data.rfind(JPEG_SCAN)) < 0:
        raise _refused(message, "JPEG data that are cut off")
    if data.startswith(PNG_START) and (fault := png_fault(data)):
        raise _refused(message, fault)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise _refused(message, f"OpenCV cannot decode it: {error.err}") from error
    if pixels is None:
        raise _refused(message, "the data are damaged")
    return pixels


def _refused(message: CompressedImage, reason: str) -> InvalidImageError:
    shown = message.format[:_MAX_FORMAT_CHARACTERS]
    return InvalidImageError(f"format '{shown}', {len(message.data)} bytes: {reason}")


def _to_bgr(pixels: np.ndarray, code: int | None) -> np.ndarray:
    """Convert with a cv2.cvtColor code, or None, and scale 16 bits to 8."""
    if code is not None:
        pixels = cv2.cvtColor(pixels, code)
    if pixels.dtype == _U16:
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / 65535)
    return np.ascontiguousarray(pixels)
