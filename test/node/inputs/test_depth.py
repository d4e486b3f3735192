"""Which depth image belongs to a colour image, and what is wrong with the others."""

from __future__ import annotations

import sys
from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from depth_images import MS, depth_image, header
from sensor_msgs.msg import CameraInfo, Image

from autrack_ros.messages.depth import depth_pixels
from autrack_ros.node.inputs.depth import DepthImages
from autrack_ros.tracking import Box, InvalidImageError
from autrack_ros.tracking.distance import NoDistanceError
from autrack_ros.tracking.engine import TrackResult

WIDTH, HEIGHT, FOCAL = 64, 48, 50.0
SIZE = (WIDTH, HEIGHT)


def plane(meters: float, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, width), round(meters * 1000), np.uint16)


def with_depth(*images: Image) -> DepthImages:
    depth = DepthImages()
    for image in images:
        depth.add(image)
    return depth


def rays(box: Box, focal: float = FOCAL, width: int = WIDTH, height: int = HEIGHT) -> list:
    x, y = box.center
    points = [(x, y), (box.x + box.w, y), (x, box.y + box.h)]
    return [((px - width / 2) / focal, (py - height / 2) / focal) for px, py in points]


def test_millimetres_and_metres_of_either_byte_order_and_with_padded_rows_are_read():
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    pixels, unit = depth_pixels(depth_image(values))
    assert unit == 0.001
    np.testing.assert_array_equal(pixels, values)
    swapped = depth_image(values.byteswap(), is_bigendian=int(sys.byteorder == "little"))
    np.testing.assert_array_equal(depth_pixels(swapped)[0], values)
    padded = np.pad(values.astype(np.float32), ((0, 0), (0, 2)))
    pixels, unit = depth_pixels(depth_image(padded, "32FC1", width=4))
    assert unit == 1.0
    np.testing.assert_array_equal(pixels, values)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"encoding": "mono8"}, r"encoding 'mono8': accepted are 16UC1, 32FC1"),
        ({"encoding": "compressedDepth"}, r"encoding 'compressedDepth'"),
        ({"step": 2}, r"step 2: a row of 64 16UC1 pixels has at least 128 bytes"),
        ({"data": array("B", b"12")}, r"data has 2 bytes"),
        ({"height": 0}, r"height 0"),
        ({"step": 129, "height": 2, "data": array("B", bytes(258))}, r"step 129: a multiple of 2"),
    ],
)
def test_a_depth_image_of_another_encoding_or_layout_is_refused_with_the_reason(fields, said):
    message = depth_image(plane(2))
    for name, value in fields.items():
        setattr(message, name, value)
    with pytest.raises(InvalidImageError, match=said):
        depth_pixels(message)
    if message.height:
        depth = with_depth(message)
        size = (message.width, message.height)
        with pytest.raises(NoDistanceError, match=said):
            depth.of(header(), size, 0)


def test_the_depth_image_of_the_nearest_stamp_is_taken():
    images = [depth_image(plane(meters)) for meters in (1, 2, 3)]
    for image, milliseconds in zip(images, (960, 990, 1030), strict=True):
        image.header = header(milliseconds)
    view = with_depth(*images).of(header(), SIZE, 50 * MS)
    assert view.measure(Box(10, 10, 30, 30), rays(Box(10, 10, 30, 30)), None).meters == 2
    assert view.age_s == pytest.approx(0.01)


def test_a_depth_image_that_lags_is_told_with_its_lag():
    late = depth_image(plane(2))
    late.header = header(900)
    with pytest.raises(NoDistanceError, match=r"no image of stamp .* the nearest 100 ms away"):
        with_depth(late).of(header(), SIZE, 50 * MS)


def test_depth_of_another_frame_is_not_registered():
    other = depth_image(plane(2), header=header(frame_id="depth_optical"))
    with pytest.raises(NoDistanceError, match="'depth_optical', that of the image is 'camera'"):
        with_depth(other).of(header(), SIZE, 0)


def test_depth_of_another_size_needs_a_calibration():
    small = with_depth(depth_image(plane(2, 32, 24)))
    with pytest.raises(NoDistanceError, match=r"32x24 pixels, the image has 64x48: a depth_camera"):
        small.of(header(), SIZE, 0)
    small.camera_info = CameraInfo(width=64, height=48, k=[25.0, 0, 15.5, 0, 25.0, 11.5, 0, 0, 1])
    with pytest.raises(NoDistanceError, match="depth_camera_info says 64x48"):
        small.of(header(), SIZE, 0)


def test_depth_of_another_size_is_looked_at_where_the_target_is():
    values = plane(5, 32, 24)
    values[6:12, 20:28] = 2000  # the target's place in the smaller image
    depth = with_depth(depth_image(values))
    depth.camera_info = CameraInfo(width=32, height=24, k=[25.0, 0, 15.5, 0, 25.0, 11.5, 0, 0, 1])
    view = depth.of(header(), SIZE, 0)
    box = Box(40, 12, 16, 12)
    assert view.measure(box, rays(box), None).meters == 2
    elsewhere = Box(10, 24, 16, 12)
    assert view.measure(elsewhere, rays(elsewhere), None).meters == 5


def test_the_response_map_lies_where_it_does_in_the_colour_image():
    values = plane(4, 32, 24)
    values[:, 16:] = 2000  # the right half is nearer, but the response is on the left
    depth = with_depth(depth_image(values))
    depth.camera_info = CameraInfo(width=32, height=24, k=[25.0, 0, 15.5, 0, 25.0, 11.5, 0, 0, 1])
    box, response = Box(16, 12, 32, 24), np.zeros((9, 9), np.float32)
    response[:, :4] = 1
    to_image = np.array([[4.0, 0, 16], [0, 4.0, 8]])
    result = TrackResult(box, 0.9, response, to_image, *[np.zeros(0)] * 2, 1.0, 0.0, 0.0)
    view = depth.of(header(), SIZE, 0)
    assert view.measure(box, rays(box), None).meters == 2
    assert view.measure(box, rays(box), result).meters == 4


def test_nothing_is_known_of_depth_before_and_after():
    depth = with_depth(depth_image(plane(2)))
    assert depth.has_come
    depth.clear()
    assert not depth.has_come
    with pytest.raises(NoDistanceError, match="holds no image"):
        depth.of(header(), SIZE, 0)
