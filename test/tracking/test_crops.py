import numpy as np
import pytest

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.crops import CropGeometry, context_side, crop, mean_color

WINDOWS = [
    CropGeometry.square((50.0, 40.0), 32.0, 128),
    CropGeometry.square((3.2, 71.9), 417.7, 256),
    CropGeometry.square((60.5, 30.5), 60.2, 303, corner_aligned=True),
    CropGeometry((31.0, 58.5), (40.0, 160.0), 256),
]


@pytest.mark.parametrize("window", WINDOWS)
def test_boxes_round_trip_through_a_crop(window):
    box = Box(12.5, 33.25, 17.5, 41.0)
    assert window.to_image(window.to_crop(box)) == pytest.approx(box)


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_a_crop_shows_the_target_exactly_where_its_box_is_mapped(scale):
    """Edges of a white target on black, to a tenth of a pixel (shrinking would alias)."""
    image = np.zeros((120, 160, 3), np.uint8)
    target = Box(60, 44, 24, 16)
    image[44:60, 60:84] = 255
    window = CropGeometry.square((71.3, 51.8), 64.0, int(64 * scale))
    shown = crop(image, window, (0.0, 0.0, 0.0)).astype(float)[..., 0] / 255
    mapped = window.to_crop(target)
    columns, rows = shown.max(axis=0), shown.max(axis=1)
    assert columns.sum() == pytest.approx(mapped.w, abs=0.1)
    assert rows.sum() == pytest.approx(mapped.h, abs=0.1)
    middle = (columns * (np.arange(len(columns)) + 0.5)).sum() / columns.sum()
    assert middle == pytest.approx(mapped.center[0], abs=0.1)


def test_a_window_of_another_shape_shows_all_of_itself_in_a_square_crop():
    image = np.zeros((200, 100, 3), np.uint8)
    image[60:140, 40:60] = 255  # as tall as half the window, as wide as half of it
    window = CropGeometry((49.5, 99.5), (40.0, 160.0), 64)
    shown = crop(image, window, (0.0, 0.0, 0.0)).astype(float)[..., 0] / 255
    assert shown.max(axis=0).sum() == pytest.approx(32, abs=0.6)
    assert shown.max(axis=1).sum() == pytest.approx(32, abs=0.6)
    assert window.scale == (1.6, 0.4)


def test_corner_aligned_windows_have_whole_sides_and_keep_the_unrounded_scale():
    window = CropGeometry.square((20.0, 20.0), 60.4, 127, corner_aligned=True)
    first = window.crop_to_image @ [0, 0, 1]
    last = window.crop_to_image @ [126, 126, 1]
    assert last - first == pytest.approx([59, 59])
    assert window.scale == (127 / 60.4, 127 / 60.4)


def test_outside_the_image_is_the_padding():
    image = np.full((20, 20, 3), 200, np.uint8)
    shown = crop(image, CropGeometry.square((-50.0, -50.0), 20.0, 8), (1.0, 2.0, 3.0))
    assert (shown == [1, 2, 3]).all()


def test_the_padding_is_the_truncated_channel_mean():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 1] = [[10, 11], [11, 11]]
    assert mean_color(image) == (0, 10, 0)


def test_context_side_of_a_square_is_twice_its_side():
    assert context_side(10, 10) == pytest.approx(20)
    assert context_side(10, 30) == pytest.approx((30 * 50) ** 0.5)
