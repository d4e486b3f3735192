"""sensor_msgs/Image to BGR arrays and back."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS 2's sensor_msgs")
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from autrack_ros.messages.images import ACCEPTED_ENCODINGS, check_image, image_to_bgr
from autrack_ros.node.outputs.image_messages import bgr_to_image, float_to_image
from autrack_ros.tracking.errors import InvalidImageError

HEIGHT, WIDTH = 6, 8
NATIVE = sys.byteorder == "big"
BAYER = [name for name in ACCEPTED_ENCODINGS if name.startswith("bayer")]
# layout of a pixel: channels, bytes of a channel
LAYOUT = {
    "bgr8": (3, 1),
    "rgb8": (3, 1),
    "8UC3": (3, 1),
    "bgra8": (4, 1),
    "rgba8": (4, 1),
    "mono8": (1, 1),
    "8UC1": (1, 1),
    "mono16": (1, 2),
    **dict.fromkeys(("yuv422", "uyvy", "yuv422_yuy2", "yuyv"), (2, 1)),
    **{name: (1, 2 if name.endswith("16") else 1) for name in BAYER},
}


def message(encoding: str, pixels: np.ndarray, padding: int = 0, big: bool = NATIVE) -> Image:
    """Message of H x W (x C) pixels in native byte order, its rows padded with 0xAA bytes."""
    if pixels.dtype.itemsize > 1 and big != NATIVE:
        pixels = pixels.byteswap()
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xAA)
    built = Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=big,
        step=rows.shape[1],
    )
    built.data.frombytes(rows.tobytes())
    return built


def noise(encoding: str) -> np.ndarray:
    channels, size = LAYOUT[encoding]
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    dtype = np.uint8 if size == 1 else np.uint16
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def valid(**changes: Any) -> Image:
    built = message("bgr8", np.zeros((4, 6, 3), np.uint8))
    for field, value in changes.items():
        setattr(built, field, value)
    return built


@pytest.mark.parametrize("encoding", ACCEPTED_ENCODINGS)
def test_padding_and_byte_order_do_not_change_the_picture(encoding: str) -> None:
    pixels = noise(encoding)
    plain = image_to_bgr(message(encoding, pixels))
    assert plain.shape == (HEIGHT, WIDTH, 3)
    assert plain.dtype == np.uint8
    size = LAYOUT[encoding][1]
    for padding in (0, 3 * size, 64):
        for big in (False, True):
            read = image_to_bgr(message(encoding, pixels, padding, big))
            np.testing.assert_array_equal(read, plain)
            assert read.flags.c_contiguous


def test_rows_of_16_bit_pixels_may_have_an_odd_step() -> None:
    pixels = noise("mono16")
    np.testing.assert_array_equal(
        image_to_bgr(message("mono16", pixels, padding=3)), image_to_bgr(message("mono16", pixels))
    )


@pytest.mark.parametrize("encoding", ["bgr8", "8UC3", "rgb8", "bgra8", "rgba8"])
def test_channels_are_reordered_and_alpha_is_dropped(encoding: str) -> None:
    pixels = noise(encoding)
    red_first = encoding.startswith("rgb")
    expected = pixels[..., 2::-1] if red_first else pixels[..., :3]
    np.testing.assert_array_equal(image_to_bgr(message(encoding, pixels)), expected)


def test_grey_levels_are_repeated_and_16_bits_scaled_to_8() -> None:
    grey = noise("mono8")
    read = image_to_bgr(message("mono8", grey))
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=2))
    levels = np.array([[0, 128, 257, 385, 386, 65535]], np.uint16)
    read = image_to_bgr(message("mono16", levels, big=True))
    assert read[0, :, 0].tolist() == [0, 0, 1, 1, 2, 255]


@pytest.mark.parametrize("encoding", BAYER)
def test_bayer_names_give_the_colours_of_the_upper_left_pixels(encoding: str) -> None:
    """A red scene: only the pixels the name calls "r" are bright; the result must be red."""
    pattern = encoding[len("bayer_") : len("bayer_") + 4]
    bright = 65535 if encoding.endswith("16") else 255
    for channel, letter in enumerate("bgr"):
        tile = np.array([bright * (c == letter) for c in pattern]).reshape(2, 2)
        pixels = np.tile(tile, (8, 8)).astype(np.uint16 if bright > 255 else np.uint8)
        read = image_to_bgr(message(encoding, pixels))
        assert read[8, 8].tolist() == [255 * (c == channel) for c in range(3)]


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "UYVY"), ("uyvy", "UYVY"), ("yuv422_yuy2", "YUYV")]
)
def test_yuv422_byte_orders(encoding: str, order: str) -> None:
    """A pure blue: Y 41, U 240, V 110 in BT.601 video range."""
    values = {"Y": 41, "U": 240, "V": 110}
    pixels = np.tile(np.array([values[c] for c in order], np.uint8).reshape(2, 2), (4, 4, 1))
    blue, green, red = image_to_bgr(message(encoding, pixels))[2, 2].astype(int)
    assert blue > 250
    assert green < 5
    assert red < 5


def test_unpadded_bgr8_is_a_view_of_the_message() -> None:
    source = message("bgr8", noise("bgr8"))
    assert np.shares_memory(image_to_bgr(source), np.frombuffer(source.data, np.uint8))


@pytest.mark.parametrize(
    ("damaged", "named"),
    [
        (valid(encoding="jpeg"), "encoding 'jpeg'.*bgr8.*mono16"),
        (valid(encoding=""), "encoding ''"),
        (valid(encoding="16UC1"), "encoding '16UC1'"),
        (Image(encoding="bgr8"), "width 0, height 0"),
        (valid(width=0), "width 0, height 4"),
        (valid(height=0), "width 6, height 0"),
        (valid(step=17), "step 17: a row of 6 bgr8 pixels has at least 18 bytes"),
        (valid(step=0), "step 0"),
        (valid(step=20), "data has 72 bytes.* 80 "),
        (valid(height=5), "data has 72 bytes.* 90 "),
        (valid(height=3), "data has 72 bytes.* 54 "),
        (valid(width=2**32 - 1, height=2**32 - 1, step=2**32 - 1), "step 4294967295"),
        (valid(width=2**30, height=2**32 - 1, step=2**32 - 1), "data has 72 bytes"),
        (message("yuv422", np.zeros((2, 3, 2), np.uint8)), "width 3: must be even"),
    ],
)
def test_damaged_images_name_the_field_its_value_and_what_is_accepted(
    damaged: Image, named: str
) -> None:
    for read in (image_to_bgr, check_image):
        with pytest.raises(InvalidImageError, match=named):
            read(damaged)


@pytest.mark.parametrize("encoding", ACCEPTED_ENCODINGS)
def test_the_size_of_an_image_is_its_width_and_height(encoding: str) -> None:
    assert check_image(message(encoding, noise(encoding), padding=4)) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("encoding", ACCEPTED_ENCODINGS)
@pytest.mark.parametrize("shape", [(1, 2), (2, 2), (3, 4), (1, 64)])
def test_tiny_images_are_read(encoding: str, shape: tuple[int, int]) -> None:
    channels, size = LAYOUT[encoding]
    full = shape if channels == 1 else (*shape, channels)
    pixels = np.full(full, 7, np.uint8 if size == 1 else np.uint16)
    assert image_to_bgr(message(encoding, pixels)).shape == (*shape, 3)


def test_bgr_survives_the_way_there_and_back() -> None:
    header = Header(frame_id="camera_optical")
    header.stamp.sec = 12
    pixels = noise("bgr8")
    built = bgr_to_image(pixels[:, ::2], header)
    assert (built.height, built.width, built.step) == (HEIGHT, WIDTH // 2, 3 * WIDTH // 2)
    assert built.header == header
    np.testing.assert_array_equal(image_to_bgr(built), pixels[:, ::2])


def test_float_maps_are_32fc1() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    built = float_to_image(values, Header())
    assert (built.encoding, built.height, built.width, built.step) == ("32FC1", 3, 4, 16)
    np.testing.assert_array_equal(np.frombuffer(built.data, np.float32).reshape(3, 4), values)


@pytest.mark.parametrize("encoding", [e for e in ACCEPTED_ENCODINGS if not e.startswith("8UC")])
def test_pixels_equal_those_of_cv_bridge(encoding: str) -> None:
    cv_bridge = pytest.importorskip("cv_bridge")
    source = message(encoding, noise(encoding))
    try:
        expected = cv_bridge.CvBridge().imgmsg_to_cv2(source, "bgr8")
    except cv_bridge.CvBridgeError as error:
        pytest.skip(f"this cv_bridge does not read {encoding}: {error}")
    np.testing.assert_array_equal(image_to_bgr(source), expected)
