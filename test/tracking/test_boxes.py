import math

import pytest

from autrack_ros.tracking.boxes import Box, iou, validate_box
from autrack_ros.tracking.errors import InvalidBoxError

BOXES = [Box(0, 0, 1, 1), Box(3.25, -7.5, 10, 4), Box(100.1, 50.7, 33.3, 21.9)]


@pytest.mark.parametrize("box", BOXES)
def test_conversions_round_trip(box):
    assert Box.from_corners(*box.corners) == pytest.approx(box)
    assert Box.from_pixel_center(*box.pixel_center, box.w, box.h) == pytest.approx(box)


def test_a_box_of_one_pixel_is_centred_on_it():
    pixel = Box(5, 7, 1, 1)
    assert pixel.pixel_center == (5, 7)
    assert pixel.corners == (5, 7, 5, 7)
    assert pixel.center == (5.5, 7.5)


def test_a_box_of_a_resized_image_covers_the_same_part_of_it():
    assert Box(10, 20, 30, 40).scaled(1.5) == (15, 30, 45, 60)
    assert Box(0, 0, 640, 480).scaled(0.5) == (0, 0, 320, 240)


def test_the_whole_image_has_its_corner_pixels_as_corners():
    assert Box(0, 0, 640, 480).corners == (0, 0, 639, 479)


def test_iou_of_known_boxes():
    assert iou(Box(0, 0, 2, 2), Box(1, 1, 2, 2)) == pytest.approx(1 / 7)
    assert iou(Box(0, 0, 2, 2), Box(0, 0, 2, 2)) == 1
    assert iou(Box(0, 0, 2, 2), Box(2, 0, 2, 2)) == 0
    assert iou(Box(0, 0, 0, 0), Box(0, 0, 0, 0)) == 0


def test_clipping_keeps_the_part_inside():
    assert Box(-5, -5, 10, 10).clipped(20, 20) == (0, 0, 5, 5)
    assert Box(30, 0, 10, 10).clipped(20, 20).area == 0


def test_a_box_that_reaches_out_of_the_image_is_accepted():
    validate_box(Box(-10, -10, 30, 30), 64, 48)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (Box(math.nan, 0, 10, 10), "finite"),
        (Box(0, 0, math.inf, 10), "finite"),
        (Box(0, 0, 1.9, 10), "at least 2 px"),
        (Box(0, 0, 10, 0), "at least 2 px"),
        (Box(0, 0, -5, 10), "at least 2 px"),
        (Box(64, 0, 10, 10), "64x48 image"),
        (Box(0, 0, 257, 10), "at most 4 times"),
        (Box(0, 0, 1e300, 1e300), "at most 4 times"),
        (Box(0, -9, 10, 10), "64x48 image"),
    ],
)
def test_a_box_that_cannot_be_tracked_is_refused_with_its_values(box, message):
    with pytest.raises(InvalidBoxError, match=message) as error:
        validate_box(box, 64, 48)
    assert f"x={box.x:g}" in str(error.value)
