"""What is read from a response map, and that the engine gives it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lively import textured_image

from autrack_ros.tracking import Box, load_engine
from autrack_ros.tracking.confidence import measure_response, peak_to_correlation_energy

CELLS = np.array([[10.0, 0, 105], [0, 20, 210]])  # cell (0, 0) has its centre at (105, 210)
BOX = Box(120, 240, 30, 60)  # columns 2..4 and rows 2..4 of cells


def blob(row: float, col: float, height: float) -> np.ndarray:
    rows, cols = np.mgrid[:16, :16]
    return height * np.exp(-((rows - row) ** 2 + (cols - col) ** 2))


def test_the_peak_is_the_highest_response_wherever_it_is():
    assert measure_response(blob(3, 3, 0.8), CELLS, BOX).peak == pytest.approx(0.8)
    assert measure_response(blob(3, 3, 0.8) + blob(12, 9, 0.9), CELLS, BOX).peak > 0.89


def test_the_second_peak_is_a_look_alike_outside_the_box():
    alone = measure_response(blob(3, 3, 0.8), CELLS, BOX)
    assert alone.second_peak == pytest.approx(0.8 * math.exp(-4))  # the flank, two cells aside
    both = measure_response(blob(3, 3, 0.8) + blob(12, 9, 0.7), CELLS, BOX)
    assert both.second_peak == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("row", "col", "inside"),
    [(2, 2, True), (4, 4, True), (1, 3, False), (5, 3, False), (3, 1, False), (3, 5, False)],
)
def test_a_cell_is_in_the_box_when_its_centre_is(row, col, inside):
    response = np.zeros((16, 16), np.float32)
    response[row, col] = 0.5
    assert measure_response(response, CELLS, BOX).second_peak == (0 if inside else 0.5)


def test_a_box_over_all_cells_leaves_no_second_peak():
    assert measure_response(blob(3, 3, 0.8), CELLS, Box(0, 0, 999, 999)).second_peak == 0


def test_sharpness_falls_from_the_number_of_cells_to_1():
    one = np.zeros((16, 16))
    one[3, 5] = 0.2
    assert peak_to_correlation_energy(one) == pytest.approx(256)
    two = one.copy()
    two[9, 9] = 0.2
    assert peak_to_correlation_energy(two) == pytest.approx(128)
    assert peak_to_correlation_energy(1 - one) == pytest.approx(256 / 255)
    assert peak_to_correlation_energy(np.full((16, 16), 0.3, np.float32)) == 1


def test_sharpness_does_not_depend_on_the_scale_of_the_map():
    sharpness = peak_to_correlation_energy(blob(3, 3, 1.0))
    assert peak_to_correlation_energy(1e-9 * blob(3, 3, 1.0)) == pytest.approx(sharpness)
    assert peak_to_correlation_energy(0.4 + 0.5 * blob(3, 3, 1.0)) == pytest.approx(sharpness)


def test_a_map_that_is_not_finite_has_no_measures():
    response = blob(3, 3, 0.8)
    response[8, 8] = math.nan
    assert all(map(math.isnan, measure_response(response, CELLS, BOX)))


def test_the_engine_measures_the_map_it_gives():
    engine = load_engine(device="cpu", runtime="torch")
    image = textured_image(240, 320, 3)
    target = engine.start(image, Box(140, 90, 48, 40))
    ((_, result),) = engine.follow(image, [target])
    assert (result.peak, result.second_peak, result.sharpness) == measure_response(
        result.response, result.response_to_image, result.box
    )
    assert result.peak == result.response.max()
    assert result.second_peak < result.peak  # the target is where it was
    assert isinstance(result.sharpness, float)
