"""Crops of which only a window is kept in memory."""

import numpy as np
import pytest

from autrack_ros.training.pairs.crops import StoredCrops, stored_window

SIZE = 64


@pytest.fixture
def inside() -> np.ndarray:
    """A crop of a picture that ends within it on two sides; beyond, its edge goes on."""
    rng = np.random.default_rng(0)
    crop = np.zeros((SIZE, SIZE, 4), np.uint8)
    crop[..., :3] = rng.integers(0, 256, (SIZE, SIZE, 3))
    crop[:20, :, :3], crop[:, 50:, :3] = crop[20, :, :3], crop[:, 49:50, :3]
    crop[:20, :, :3] = crop[20, :, :3]
    crop[20:, :50, 3] = 255
    return crop


@pytest.fixture
def cutout() -> np.ndarray:
    """A small thing with a soft edge in one colour."""
    crop = np.full((SIZE, SIZE, 4), (9, 8, 7, 0), np.uint8)
    crop[30:40, 20:33] = (200, 100, 50, 255)
    crop[30, 20:33, 3] = 3
    return crop


def test_crops_are_read_as_they_were_stored(inside, cutout):
    crops = StoredCrops(SIZE, [stored_window(inside, False), stored_window(cutout, True)])
    assert len(crops) == 2
    np.testing.assert_array_equal(crops[0], inside)
    np.testing.assert_array_equal(crops[1], cutout)


def test_a_cutout_takes_the_memory_of_its_own_size(cutout):
    crops = StoredCrops(SIZE, [stored_window(cutout, True)] * 3)
    assert crops.nbytes == 3 * 12 * 15 * 4


def test_the_share_of_a_crop_that_is_opaque(inside, cutout):
    crops = StoredCrops(SIZE, [stored_window(inside, False), stored_window(cutout, True)])
    expected = [np.mean(crop[..., 3] == 255) for crop in (inside, cutout)]
    np.testing.assert_allclose(crops.opaque_shares(), expected)


def test_the_windows_of_crops_make_the_same_crops_again(inside, cutout):
    crops = StoredCrops(SIZE, [stored_window(inside, False), stored_window(cutout, True)])
    again = StoredCrops(SIZE, list(crops.windows()))
    for before, after in zip(crops, again, strict=True):
        np.testing.assert_array_equal(before, after)
