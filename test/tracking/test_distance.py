from __future__ import annotations

import numpy as np
import pytest

from autrack_ros.tracking import Box
from autrack_ros.tracking.distance import NoDistanceError, measure_distance

BOX = Box(80, 60, 80, 100)


def scene(background: float = 5.0, target: float = 2.0, noise: float = 0.0) -> np.ndarray:
    """240x320 metres: a target that fills the box but for its corners (an ellipse)."""
    depth = np.full((240, 320), background, np.float32)
    rows, columns = np.mgrid[:240, :320] + 0.5
    x, y = BOX.center
    depth[((columns - x) / (BOX.w / 2)) ** 2 + ((rows - y) / (BOX.h / 2)) ** 2 < 1] = target
    return depth + np.random.default_rng(0).normal(0, noise, depth.shape).astype(np.float32)


def peak_at(x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """A response map with its peak at a place of the image, and where its cells lie."""
    to_image = np.array([[8.0, 0, 40], [0, 8.0, 30]])
    rows, columns = np.mgrid[:20, :20]
    distance = np.hypot(8 * columns + 40 - x, 8 * rows + 30 - y)
    return np.exp(-((distance / 20) ** 2)).astype(np.float32), to_image


def test_the_distance_is_the_targets_and_not_the_backgrounds():
    found = measure_distance(scene(noise=0.02), 1.0, BOX)
    assert found.meters == pytest.approx(2.0, abs=0.005)
    assert found.spread == pytest.approx(0.02, rel=0.2)
    assert found.share > 0.9


def test_millimetres_and_metres_give_the_same():
    depth = scene()
    millimetres = np.round(depth * 1000).astype(np.uint16)
    assert measure_distance(millimetres, 0.001, BOX).meters == pytest.approx(2.0, abs=1e-3)
    assert measure_distance(depth, 1.0, BOX).meters == pytest.approx(2.0)


def test_a_small_target_before_a_near_background_is_the_foreground():
    depth = scene(background=2.6)
    narrow = Box(BOX.x - 30, BOX.y, BOX.w + 60, BOX.h)  # half of the inner box is background
    assert measure_distance(depth, 1.0, narrow).meters == pytest.approx(2.0)


def test_something_narrow_in_front_is_not_the_target():
    depth = scene()
    depth[:, 100:115] = 1.0  # a post over a quarter of the inner box
    assert measure_distance(depth, 1.0, BOX).meters == pytest.approx(2.0)


def test_the_response_map_decides_between_two_in_one_box():
    depth = scene(background=4.0)
    depth[:, :120] = 1.5  # half of the box is something nearer
    assert measure_distance(depth, 1.0, BOX).meters == pytest.approx(1.5)
    response, to_image = peak_at(140, 110)
    assert measure_distance(depth, 1.0, BOX, response, to_image).meters == pytest.approx(2.0)


def test_holes_are_left_out():
    depth = scene()
    depth[::2] = 0
    depth[1::4] = np.nan
    depth[:, ::3] = np.inf
    depth[:, 1::30] = -1
    assert measure_distance(depth, 1.0, BOX).meters == pytest.approx(2.0)


def test_relief_of_the_target_is_its_spread():
    depth = scene()
    columns = np.arange(320) + 0.5 - BOX.center[0]
    depth[depth < 3] += np.broadcast_to(np.abs(columns) * 0.005, depth.shape)[depth < 3]
    found = measure_distance(depth, 1.0, BOX)
    assert 2.0 < found.meters < 2.15
    assert 0.02 < found.spread < 0.1


@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf, -np.inf, -2.0])
def test_a_depth_image_without_depth_gives_no_distance(hole):
    with pytest.raises(NoDistanceError, match=r"^0 of the \d+ pixels .* have a depth"):
        measure_distance(np.full((240, 320), hole, np.float32), 1.0, BOX)


def test_a_few_pixels_are_no_distance():
    depth = np.zeros((240, 320), np.uint16)
    depth[100:104, 100:104] = 1500
    with pytest.raises(NoDistanceError, match=r"of the .* pixels"):
        measure_distance(depth, 0.001, BOX)


@pytest.mark.parametrize("box", [Box(400, 60, 50, 50), Box(-200, -200, 100, 100)])
def test_a_box_outside_the_depth_image_gives_no_distance(box):
    with pytest.raises(NoDistanceError, match="outside the depth image"):
        measure_distance(scene(), 1.0, box)


def test_a_tiny_box_is_refused_or_measured_but_never_wrong():
    depth = scene()
    assert measure_distance(depth, 1.0, Box(118, 108, 6, 6)).meters == pytest.approx(2.0)
    with pytest.raises(NoDistanceError):
        measure_distance(depth, 1.0, Box(118, 108, 2, 2))  # fewer pixels than can be judged
