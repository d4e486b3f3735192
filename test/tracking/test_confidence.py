"""What is read from a response map, and that the engine gives it."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")
from pictures import textured_image

from autrack_ros.tracking import Box, load_engine
from autrack_ros.tracking.confidence import measure_response, peak_to_correlation_energy
from benchmarks import confidence

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
    engine = load_engine(device="cpu")
    image = textured_image(240, 320, 3)
    target = engine.start(image, Box(140, 90, 48, 40))
    ((_, result),) = engine.follow(image, [target])
    assert (result.peak, result.second_peak, result.sharpness) == measure_response(
        result.response, result.response_to_image, result.box
    )
    assert result.peak == result.response.max()
    assert result.second_peak < result.peak  # the target is where it was
    assert isinstance(result.sharpness, float)


# --- the benchmark


def cases(weights: tuple[float, ...], count: int = 10) -> list[confidence.Measured]:
    """Frames that are right as often as a logistic function of their four inputs says."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        inputs = random.normal(size=(400, 4))
        chance = 1 / (1 + np.exp(-inputs @ weights))
        made.append(confidence.Measured(inputs, chance, random.random(400) < chance))
    return made


def test_a_regression_finds_known_weights():
    (case,) = cases((2, 0, -1, 0.5), 1)
    many = np.tile(case.inputs, (20, 1))
    right = np.random.default_rng(1).random(len(many)) < np.tile(case.scores, 20)
    assert confidence.fit(many, right) == pytest.approx([2, 0, -1, 0.5, 0], abs=0.15)


def test_a_measure_that_tells_more_is_seen_in_the_comparison():
    made = cases((1, 0, -2, 0))
    lines = confidence.comparison(made).splitlines()[2:]
    rows = {name.strip(): cells for _, name, *cells, _ in (line.split("|") for line in lines)}
    change = {name: cells[1].split() for name, cells in rows.items()}
    assert change["score"][0] == "+0.0000"
    assert float(change["score, second peak"][0]) < -0.1
    assert float(change["score, peak"][1].strip("(")) < 0 < float(change["score, peak"][3][:-1])


def test_a_case_is_predicted_by_the_others_alone():
    made = cases((3, 0, 0, 0))
    odd = confidence.Measured(made[0].inputs, made[0].scores, ~made[0].right)
    predicted = confidence.predict_unseen([odd, *made[1:]], (0,))[0]
    assert np.corrcoef(predicted, odd.right)[0, 1] < -0.5


def test_the_reliability_table_has_a_column_for_each_set():
    scores, right = np.array([0.05, 0.95, 0.95]), np.array([False, True, False])
    case = confidence.Measured(np.zeros((3, 4)), scores, right)
    table = confidence.reliability_table({"one": [case], "two": [case, case]})
    assert "| 0.9 to 1.0 | 0.50 of 2 | 0.50 of 4 |" in table
    assert "| 0.1 to 0.2 | - | - |" in table
