"""What is read from a response map, and that the engine gives it."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")
from pictures import textured_image
from scenes import scene

from autrack_ros.tracking import Box, iou, load_engine
from autrack_ros.tracking import confidence as tracking_confidence
from autrack_ros.tracking.confidence import measure_response, peak_to_correlation_energy
from benchmarks import confidence

BOX = Box(20, 20, 30, 30)  # of the search region; cells have 10 pixels, the first one's middle at 5


def blob(row: float, col: float, height: float) -> np.ndarray:
    rows, cols = np.mgrid[:16, :16]
    return height * np.exp(-((rows - row) ** 2 + (cols - col) ** 2))


def boxes(*others: tuple[int, int]) -> np.ndarray:
    """Corners of predicted boxes: the target's, but in these cells (row, column) another one."""
    corners = np.tile(np.array(BOX.corners, np.float32), (16, 16, 1))
    for row, col in others:
        corners[row, col] = Box(10 * col - 10, 10 * row - 10, 30, 30).corners
    return corners


def test_the_peak_is_the_highest_response_wherever_it_is():
    assert measure_response(blob(3, 3, 0.8), boxes(), BOX).peak == pytest.approx(0.8)
    assert measure_response(blob(3, 3, 0.8) + blob(12, 9, 0.9), boxes(), BOX).peak > 0.89


def test_the_second_peak_is_that_of_another_thing_and_not_the_flank_of_the_targets():
    response = blob(3, 3, 0.8) + blob(12, 9, 0.7)
    assert measure_response(response, boxes(), BOX).second_peak == 0
    assert measure_response(response, boxes((12, 9)), BOX).second_peak == pytest.approx(0.7)
    far = measure_response(response, boxes((12, 9), (15, 15)), BOX)
    assert far.second_peak == pytest.approx(0.7)


@pytest.mark.parametrize(("height", "is_one"), [(0.45, True), (0.35, False)])
def test_a_look_alike_is_the_box_of_a_second_peak_above_half_the_first(height, is_one):
    response = blob(3, 3, 0.8) + blob(12, 9, height)
    found = measure_response(response, boxes((12, 9)), BOX).look_alike
    assert found == (Box(80, 110, 30, 30) if is_one else None)


@pytest.mark.parametrize(
    ("row", "col", "inside"),
    [(2, 2, True), (4, 4, True), (1, 3, False), (5, 3, False), (3, 1, False), (3, 5, False)],
)
def test_a_cell_sees_the_target_when_the_middle_of_its_box_is_in_the_targets(row, col, inside):
    response = np.zeros((16, 16), np.float32)
    response[row, col] = 0.5
    assert measure_response(response, boxes((row, col)), BOX).second_peak == (0 if inside else 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", [0, slice(None)], ids=["one", "all"])
def test_a_predicted_box_that_is_not_finite_is_of_nothing(value, which):
    corners = boxes((12, 9))
    corners[12, 9, which] = value
    found = measure_response(blob(12, 9, 0.8), corners, BOX)
    assert (found.second_peak, found.look_alike) == (0, None)


def test_a_box_over_all_cells_leaves_no_second_peak():
    all_over = Box(0, 0, 999, 999)
    assert measure_response(blob(3, 3, 0.8), boxes((12, 9)), all_over).second_peak == 0


def test_what_hardly_responds_is_no_look_alike():
    response = 0.05 * (blob(3, 3, 0.8) + blob(12, 9, 0.8))
    found = measure_response(response, boxes((12, 9)), BOX)
    assert found.second_peak == pytest.approx(found.peak)
    assert found.look_alike is None


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
    """Where the cell sees something else, no second peak either."""
    response = blob(3, 3, 0.8)
    response[8, 8] = math.nan
    *measures, look_alike = measure_response(response, boxes((8, 8)), BOX)
    assert all(map(math.isnan, measures))
    assert look_alike is None


def test_the_engine_measures_the_map_it_gives():
    engine = load_engine(device="cpu")
    image = textured_image(240, 320, 3)
    target = engine.start(image, Box(140, 90, 48, 40))
    ((_, result),) = engine.follow(image, [target])
    assert result.peak == result.response.max()
    assert result.sharpness == peak_to_correlation_energy(result.response)
    assert isinstance(result.sharpness, float)
    assert result.second_peak < 0.5 * result.peak  # there is nothing like it


def test_a_twin_in_the_search_region_is_the_second_peak(monkeypatch):
    engine = load_engine(device="cpu")
    target, twin = Box(100, 90, 48, 40), Box(164, 90, 48, 40)
    image = scene((target, 4), (twin, 4))
    ((_, both),) = engine.follow(image, [engine.start(image, target)])
    ((_, alone),) = engine.follow(scene((target, 4)), [engine.start(image, target)])
    assert both.second_peak > 3 * alone.second_peak
    assert alone.second_peak < 0.2
    assert alone.look_alike is None
    monkeypatch.setattr(tracking_confidence, "LOOK_ALIKE", 0.3)
    ((_, both),) = engine.follow(image, [engine.start(image, target)])
    assert iou(both.look_alike, twin) > 0.5


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


def test_the_table_of_second_peaks_tells_right_boxes_from_others():
    ratios = np.linspace(0.1, 1.0, 10)
    inputs = np.column_stack([np.zeros((10, 2)), np.log(ratios), np.zeros(10)])
    case = confidence.Measured(inputs, np.zeros(10), ratios < 0.45)
    table = confidence.second_peak_table({"one": [case], "two": [case]})
    assert "| one, box right | 0.13, 0.25, 0.37 | 0.000 |" in table
    assert "| two, box not right | 0.55, 0.75, 0.95 | 0.833 |" in table
