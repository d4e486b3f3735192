"""sensor_msgs/CompressedImage to BGR arrays."""

from __future__ import annotations

import struct
import zlib
from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS 2's sensor_msgs")
from sensor_msgs.msg import CompressedImage

from autrack_ros.messages.images import MAX_COMPRESSED_PIXELS, compressed_to_bgr, declared_size
from autrack_ros.tracking.errors import InvalidImageError

HEIGHT, WIDTH = 48, 64


def smooth(channels: int = 3) -> np.ndarray:
    """A picture that JPEG hardly changes, with every channel different."""
    small = np.random.default_rng(0).integers(20, 235, (3, 4, channels), dtype=np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def encode(extension: str, pixels: np.ndarray) -> bytes:
    done, data = cv2.imencode(extension, pixels)
    assert done
    return data.tobytes()


def message(text: str, data: bytes) -> CompressedImage:
    return CompressedImage(format=text, data=array("B", data))


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png(width: int, height: int, bits: int, color: int, rows: bytes, before: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + pixels + chunk(b"IEND", b"")


def png_of_stream(width: int, height: int, stream: bytes) -> bytes:
    """8-bit RGB; the stream is in the place of the compressed rows."""
    before = png(width, height, 8, 2, b"").partition(chunk(b"IDAT", zlib.compress(b"")))
    return before[0] + chunk(b"IDAT", stream) + before[2]


PICTURE = smooth()
JPEG, PNG = encode(".jpg", PICTURE), encode(".png", PICTURE)


@pytest.mark.parametrize(
    "text",
    [
        "bgr8; png compressed bgr8",
        "rgb8; png compressed bgr8",
        "bgra8; png compressed bgr8",
        "bayer_rggb8; png compressed bgr8",
        "mono8; png compressed ",
        "rgb8; png compressed ",
        "png",
        "",
        "jpeg",
        "bgr8; jpeg compressed bgr8",
    ],
)
def test_png_colours_are_exact_whatever_the_camera_sent(text: str) -> None:
    read = compressed_to_bgr(message(text, PNG))
    np.testing.assert_array_equal(read, PICTURE)
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous


@pytest.mark.parametrize(
    "text", ["bgr8; jpeg compressed bgr8", "rgb8; jpeg compressed bgr8", "jpg"]
)
def test_jpeg_colours_are_close(text: str) -> None:
    read = compressed_to_bgr(message(text, JPEG)).astype(int)
    assert np.abs(read - PICTURE).max() < 12
    assert np.abs(read[..., ::-1] - PICTURE).max() > 50  # the test can tell swapped colours


@pytest.mark.parametrize(
    "text",
    ["rgb8; jpeg compressed rgb8", "bgr8; png compressed rgb8", "rgb16; png compressed rgb16"],
)
def test_colours_compressed_as_rgb_are_swapped_back(text: str) -> None:
    swapped = np.ascontiguousarray(PICTURE[..., ::-1])
    read = compressed_to_bgr(message(text, encode(".png", swapped)))
    np.testing.assert_array_equal(read, PICTURE)


@pytest.mark.parametrize(("text", "swapped"), [("png", False), ("; png compressed rgba8", True)])
def test_alpha_is_dropped(text: str, swapped: bool) -> None:
    pixels = smooth(4)
    expected = pixels[..., 2::-1] if swapped else pixels[..., :3]
    read = compressed_to_bgr(message(text, encode(".png", pixels)))
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    "text", ["mono8; png compressed ", "bgr8; jpeg compressed bgr8", "bgra8; png compressed ", ""]
)
def test_grey_levels_are_repeated(text: str) -> None:
    grey = smooth(1)
    read = compressed_to_bgr(message(text, encode(".png", grey)))
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("text", ["mono16; png compressed ", "png", ""])
def test_16_bit_grey_levels_are_scaled_as_those_of_mono16(text: str) -> None:
    levels = np.array([[0, 128, 257, 385, 386, 65535]], np.uint16)
    read = compressed_to_bgr(message(text, encode(".png", levels)))
    assert read.dtype == np.uint8
    assert read[0, :, 0].tolist() == [0, 0, 1, 1, 2, 255]
    np.testing.assert_array_equal(read[..., 0], read[..., 2])


def test_16_bit_colours_are_scaled() -> None:
    levels = PICTURE.astype(np.uint16) * 257
    read = compressed_to_bgr(message("bgr16; png compressed bgr16", encode(".png", levels)))
    np.testing.assert_array_equal(read, PICTURE)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_compressed_mosaic_is_made_colour(bits: int) -> None:
    """A red scene, as the transport compresses bayer images: one channel."""
    bright = 2**bits - 1
    tile = np.array([[bright, 0], [0, 0]], np.uint8 if bits == 8 else np.uint16)
    data = encode(".png", np.tile(tile, (8, 8)))
    read = compressed_to_bgr(message(f"bayer_rggb{bits}; png compressed ", data))
    assert read[8, 8].tolist() == [0, 0, 255]
    read = compressed_to_bgr(message(f"bayer_bggr{bits}; png compressed ", data))
    assert read[8, 8].tolist() == [255, 0, 0]


def test_a_palette_and_single_bits_are_read() -> None:
    palette = png(2, 1, 8, 3, b"\0\0\1", before=chunk(b"PLTE", b"\xff\0\0\0\xff\0"))
    assert compressed_to_bgr(message("png", palette)).tolist() == [[[0, 0, 255], [0, 255, 0]]]
    assert compressed_to_bgr(message("png", png(2, 1, 1, 0, b"\0\x40"))).tolist() == [
        [[0, 0, 0], [255, 255, 255]]
    ]


def test_an_orientation_noted_in_the_file_is_not_applied() -> None:
    """Boxes are in the pixels the camera sent, whatever a viewer would turn them to."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    turned = JPEG[:2] + segment + JPEG[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[0] == WIDTH
    np.testing.assert_array_equal(
        compressed_to_bgr(message("jpeg", turned)), compressed_to_bgr(message("jpeg", JPEG))
    )


def test_padding_after_a_jpeg_is_no_fault() -> None:
    read = compressed_to_bgr(message("jpeg", JPEG + bytes(50)))
    np.testing.assert_array_equal(read, compressed_to_bgr(message("jpeg", JPEG)))


@pytest.mark.parametrize(
    "text",
    [
        "16UC1; compressedDepth png",
        "32FC1; compressedDepth rvl",
        "compressedDepth",
        "16UC1; png compressed ",
        "32FC1; tiff compressed ",
    ],
)
def test_depth_images_are_refused(text: str) -> None:
    data = encode(".png", np.ones((4, 4), np.uint16))
    named = f"format '{text}', {len(data)} bytes: a depth image; colour or grey"
    with pytest.raises(InvalidImageError, match=named):
        compressed_to_bgr(message(text, data))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "0 bytes: not the data of a JPEG or PNG"),
        (b"\0" * 500, "500 bytes: not the data of a JPEG or PNG"),
        (encode(".bmp", PICTURE), "not the data of a JPEG or PNG image, which are accepted"),
        (encode(".tiff", PICTURE), "not the data of a JPEG or PNG"),
        (JPEG[:10], "10 bytes: not the data"),
        (JPEG[: len(JPEG) // 2], "bytes: JPEG data that are cut off"),
        (JPEG[:-1], f"{len(JPEG) - 1} bytes: JPEG data that are cut off"),
        (PNG[: len(PNG) // 2], "bytes: PNG data that are cut off"),
        (PNG[:-8] + bytes(8), "bytes: the data are damaged, in chunk"),
        (png(30000, 30000, 8, 2, b""), "declares 30000x30000 pixels; at most 200000000"),
    ],
)
def test_broken_data_name_the_format_and_the_bytes(data: bytes, named: str) -> None:
    with pytest.raises(InvalidImageError, match=f"^format 'bgr8; any', .*{named}"):
        compressed_to_bgr(message("bgr8; any", data))


@pytest.mark.parametrize("place", [8, 40, len(PNG) // 2, len(PNG) - 20, len(PNG) - 1])
def test_a_damaged_png_is_refused_without_a_line_on_the_console(
    place: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """libpng, which would write one for each image, gets no data with wrong checksums."""
    data = bytearray(PNG)
    data[place] ^= 0x55
    with pytest.raises(InvalidImageError, match=r"damaged|cut off"):
        compressed_to_bgr(message("bgr8; any", bytes(data)))
    assert capfd.readouterr().err == ""


ROWS = bytes(16 * (1 + 3 * 20))  # 16 rows of 20 black pixels, each after its filter's number
DEFLATED = zlib.compress(ROWS)


@pytest.mark.parametrize(
    "stream",
    [
        b"\xff" * 100,
        b"",
        DEFLATED[: len(DEFLATED) // 2],
        DEFLATED[:-4] + bytes(4),
        zlib.compress(ROWS[: len(ROWS) // 2]),
        zlib.compress(b"\x09" + ROWS[1:]),
    ],
    ids=["no deflate", "nothing", "cut off", "wrong sum", "too few rows", "unknown filter"],
)
def test_a_png_whose_pixels_are_broken_under_right_checksums_is_refused(stream: bytes) -> None:
    """Only libpng sees that, so its line on the console stays."""
    read = compressed_to_bgr(message("any", png_of_stream(20, 16, DEFLATED)))
    assert read.shape == (16, 20, 3)
    data = png_of_stream(20, 16, stream)
    with pytest.raises(InvalidImageError, match=f"^format 'any', {len(data)} bytes: .*damaged"):
        compressed_to_bgr(message("any", data))


@pytest.mark.parametrize("data", [JPEG, PNG, JPEG[: len(JPEG) // 2], PNG[: len(PNG) // 2]])
def test_the_declared_size_needs_no_pixels(data: bytes) -> None:
    assert declared_size(message("any", data)) == (WIDTH, HEIGHT)


def test_what_declares_no_size_or_too_large_a_one_is_refused() -> None:
    for data, named in ((b"", "0 bytes: not the data"), (png(30000, 30000, 8, 2, b""), "30000x")):
        with pytest.raises(InvalidImageError, match=f"^format 'bgr8; any', .*{named}"):
            declared_size(message("bgr8; any", data))


def test_a_jpeg_cut_off_after_its_preview_is_told() -> None:
    """The preview inside has an end of its own."""
    segment = b"\xff\xe1" + struct.pack(">H", len(JPEG) + 2) + JPEG
    whole = JPEG[:2] + segment + JPEG[2:]
    compressed_to_bgr(message("jpeg", whole))
    with pytest.raises(InvalidImageError, match="cut off"):
        compressed_to_bgr(message("jpeg", whole[:-2]))


def test_a_few_bytes_cannot_claim_gigabytes() -> None:
    side = int(MAX_COMPRESSED_PIXELS**0.5) + 1
    huge = JPEG.replace(struct.pack(">HH", HEIGHT, WIDTH), struct.pack(">HH", side, side), 1)
    with pytest.raises(InvalidImageError, match=f"declares {side}x{side} pixels"):
        compressed_to_bgr(message("jpeg", huge))


def test_a_long_format_is_shortened_in_the_error() -> None:
    with pytest.raises(InvalidImageError) as caught:
        compressed_to_bgr(message("x" * 10_000, b""))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("original", [JPEG, PNG], ids=["jpeg", "png"])
def test_damage_gives_a_picture_or_a_refusal_and_nothing_else(original: bytes) -> None:
    generator = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        data = bytearray(original)
        for at in generator.integers(0, len(data), generator.integers(1, 20)):
            data[at] = generator.integers(256)
        data = data[: generator.integers(len(data) // 2, len(data) + 1)] if refused % 2 else data
        try:
            read = compressed_to_bgr(message("bayer_rggb8; jpeg compressed ", bytes(data)))
            assert read.dtype == np.uint8
            assert read.shape[2] == 3
        except InvalidImageError:
            refused += 1
    assert refused
