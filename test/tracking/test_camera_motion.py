"""The camera's own motion, from images in a row."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import textured_image

from autrack_ros.tracking.camera_motion import CameraMotion, _explains

HEIGHT, WIDTH = 240, 320


def shifts(*images: np.ndarray) -> list[tuple[float, float]]:
    """What is measured from image to image."""
    camera = CameraMotion()
    measured = []
    for image in images:
        camera.see(image)
        measured.append(camera.shift())
    return measured


def view(x: int, y: int, seed: int = 1) -> np.ndarray:
    """Part of a large scene, from (x, y) on."""
    return textured_image(2 * HEIGHT, 2 * WIDTH, seed)[y : y + HEIGHT, x : x + WIDTH].copy()


@pytest.mark.parametrize("jump", [(0, 0), (3, -2), (40, 25), (-70, 0), (-90, 60)])
def test_a_jump_of_the_camera_moves_the_picture_the_other_way(jump):
    first, shift = shifts(view(150, 100), view(150 + jump[0], 100 + jump[1]))
    assert first == (0, 0)
    assert shift == pytest.approx((-jump[0], -jump[1]), abs=2.5)


def test_another_scene_is_no_motion():
    assert shifts(view(150, 100), view(150, 100, seed=2)) == [(0, 0), (0, 0)]


def test_a_jump_counts_from_the_image_before_however_often_it_is_asked_for():
    camera = CameraMotion()
    for x in (150, 190, 190):
        camera.see(view(x, 100))
    assert camera.shift() == camera.shift() == pytest.approx((0, 0), abs=0.1)
    camera.see(view(150, 100))
    assert camera.shift() == camera.shift() == pytest.approx((40, 0), abs=2.5)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_pictures_without_texture_do_not_move(level):
    flat = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
    for shift in shifts(flat, flat, flat):
        assert shift == pytest.approx((0, 0), abs=0.1)


def test_after_an_image_of_another_size_it_begins_anew():
    images = view(150, 100), view(150, 100)[:100], view(150, 100), view(170, 100)
    *before, last = shifts(*images)
    assert before == [(0, 0)] * 3
    assert last == pytest.approx((-20, 0), abs=2.5)


@pytest.mark.parametrize("shape", [(1, 1), (2, 640), (640, 2), (3, 3)])
def test_an_image_of_a_few_pixels_is_no_motion(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    _, shift = shifts(image, image)
    assert shift == pytest.approx((0, 0), abs=1)


def test_a_shift_counts_only_where_it_explains_the_picture():
    last, moved = (view(x, 100)[..., 0].astype(np.float32) for x in (150, 130))
    assert _explains(20, 0, last, moved)
    assert not _explains(-20, 0, last, moved)
    assert not _explains(20, 0, last, last)  # something moved before a camera that stands still
    assert not _explains(WIDTH, 0, last, moved)
