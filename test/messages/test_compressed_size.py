"""The size that JPEG and PNG data declare."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from autrack_ros.messages.compressed_size import PNG_START, compressed_size

IMAGE = np.zeros((515, 300, 3), np.uint8)
PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]


def encoded(extension: str, options: list[int] | None = None) -> bytes:
    done, data = cv2.imencode(extension, IMAGE, options or [])
    assert done
    return data.tobytes()


JPEG = encoded(".jpg")


@pytest.mark.parametrize(
    "data",
    [JPEG, encoded(".png"), encoded(".jpg", PROGRESSIVE)],
    ids=["jpeg", "png", "progressive"],
)
def test_the_size_is_read_and_width_comes_first(data: bytes) -> None:
    assert compressed_size(data) == (300, 515)


def test_other_segments_and_fill_bytes_before_the_size_are_passed_over() -> None:
    # a comment that looks like a "start of frame", a marker without length, fill bytes
    comment = b"\xff\xfe\x00\x0b" + b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01"
    between = comment + b"\xff\x01" + b"\xff\xff\xff"
    assert compressed_size(JPEG[:2] + between + JPEG[2:]) == (300, 515)


@pytest.mark.parametrize("table", [0xC4, 0xC8, 0xCC])
def test_tables_are_no_frames(table: int) -> None:
    segment = bytes([0xFF, table, 0, 9]) + bytes(range(1, 8))
    assert compressed_size(JPEG[:2] + segment + JPEG[2:]) == (300, 515)


@pytest.mark.parametrize("data", [JPEG, encoded(".png")], ids=["jpeg", "png"])
def test_data_cut_off_before_the_size_have_none(data: bytes) -> None:
    sizes = [compressed_size(data[:length]) for length in range(len(data))]
    first = sizes.index((300, 515))
    assert sizes == [None] * first + [(300, 515)] * (len(data) - first)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM" + bytes(100),
        b"\xff\xd8" + bytes(100),
        b"\xff\xd8\xff\xda" + bytes(100),
        b"\xff\xd8" + b"\xff" * 100,
        JPEG.replace(b"\x02\x03\x01\x2c", b"\x00\x00\x01\x2c"),
        JPEG.replace(b"\x02\x03\x01\x2c", b"\x02\x03\x00\x00"),
        PNG_START + bytes(100),
        PNG_START + b"\0\0\0\x0dIHDR\0\0\0\0\0\0\0\1",
        PNG_START + b"\0\0\0\x0dIDAT\0\0\0\1\0\0\0\1",
    ],
)
def test_what_declares_no_size_has_none(data: bytes) -> None:
    assert compressed_size(data) is None


def test_random_bytes_end_the_search() -> None:
    generator = np.random.default_rng(0)
    for start in (b"\xff\xd8", b"\xff\xd8\xff", PNG_START):
        for _ in range(500):
            size = compressed_size(start + generator.bytes(200))
            assert size is None or all(side > 0 for side in size)
