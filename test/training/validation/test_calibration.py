from __future__ import annotations

import math
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from safetensors import safe_open

pytest.importorskip("torch", reason="needs torch: pip install torch")

from safetensors.torch import save_file
from torch import zeros

from autrack_ros.tracking.calibration import Calibration
from autrack_ros.tracking.errors import CheckpointError, ConfigurationError
from autrack_ros.training.validation.calibration import (
    CalibrationError,
    auroc,
    cross_validate,
    expected_calibration_error,
    fit_calibration,
    reliability,
    reliability_diagram,
)

SLOPE_KEY, OFFSET_KEY = Calibration.keys()


def frames(
    calibration: Calibration, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, their true probabilities, and overlaps that are over 0.5 that often."""
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0.02, 0.98, count)
    probabilities = np.array([calibration(score) for score in scores])
    overlaps = np.where(generator.random(count) < probabilities, 0.8, 0.3)
    return scores, probabilities, overlaps


# --- the calibration itself


def test_the_identity_keeps_every_score():
    identity = Calibration(1.0, 0.0)
    for score in (0.001, 0.25, 0.5, 0.9, 0.999):
        assert identity(score) == pytest.approx(score)


def test_a_calibration_is_a_logistic_function_of_the_log_odds():
    assert Calibration(2.0, -1.0)(0.8) == pytest.approx(1 / (1 + math.exp(-(2 * math.log(4) - 1))))


def test_probabilities_rise_with_the_score_and_stay_within_0_and_1():
    calibration = Calibration(8.0, 3.0)
    values = [calibration(score) for score in np.linspace(0, 1, 101)]
    assert values == sorted(values)
    assert values[0] >= 0
    assert values[-1] <= 1
    assert math.isnan(calibration(math.nan))


@pytest.mark.parametrize("numbers", [(0.0, 1.0), (-1.0, 0.0), (math.nan, 0.0), (1.0, math.inf)])
def test_numbers_that_are_no_calibration_are_refused(numbers):
    with pytest.raises(ConfigurationError, match="slope"):
        Calibration(*numbers)


def test_metadata_of_a_weights_file_bring_the_same_calibration_back(tmp_path):
    calibration = Calibration(1 / 3, -0.1)
    path = tmp_path / "weights.safetensors"
    save_file({"weight": zeros(1)}, path, calibration.to_metadata())
    with safe_open(path, "pt") as file:
        assert Calibration.from_metadata(file.metadata()) == calibration


def test_metadata_without_a_calibration_give_none():
    assert Calibration.from_metadata({"configuration": "preset: autrack_lite0"}) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {SLOPE_KEY: "1.5"},
        {OFFSET_KEY: "0.5"},
        {SLOPE_KEY: "steep", OFFSET_KEY: "0.5"},
        {SLOPE_KEY: "nan", OFFSET_KEY: "0.5"},
        {SLOPE_KEY: "-2", OFFSET_KEY: "0.5"},
    ],
)
def test_wrong_metadata_are_named(metadata):
    with pytest.raises(CheckpointError, match=next(iter(metadata))):
        Calibration.from_metadata(metadata)


# --- fitting


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (2.5, -1.2), (0.4, 1.5)])
def test_known_slope_and_offset_are_found_again(slope, offset):
    scores, _, overlaps = frames(Calibration(slope, offset), 20000, seed=1)
    fitted = fit_calibration(scores, overlaps)
    assert fitted.slope == pytest.approx(slope, abs=0.08)
    assert fitted.offset == pytest.approx(offset, abs=0.08)


def test_scores_that_separate_the_outcomes_give_a_finite_calibration():
    scores = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    fitted = fit_calibration(scores, np.array([0, 0, 0.2, 0.8, 0.9, 0.9]))
    assert fitted(0.9) > 0.7
    assert fitted(0.1) < 0.3


def test_scores_of_exactly_0_and_1_are_accepted():
    fitted = fit_calibration(np.array([0, 0, 0.5, 0.5, 1, 1]), np.array([0, 0, 0.9, 0, 0.9, 0.9]))
    assert fitted(1.0) > fitted(0.0)


@pytest.mark.parametrize(
    ("scores", "overlaps", "words"),
    [
        ([0.2, 0.8], [0.9, 0.9], "2 frames with an overlap above 0.5 and 0 others"),
        ([0.2, 0.8], [0.9, math.nan], "finite"),
        ([0.9, 0.8, 0.2, 0.1], [0.1, 0.1, 0.9, 0.9], "slope"),
    ],
)
def test_frames_that_allow_no_calibration_are_an_error(scores, overlaps, words):
    with pytest.raises(CalibrationError, match=words):
        fit_calibration(np.array(scores), np.array(overlaps))


def test_cross_validation_mends_the_calibration_and_keeps_the_order():
    true = Calibration(3.0, -2.0)
    clips = [frames(true, 400, seed)[::2] for seed in range(10)]
    report = cross_validate(clips)
    assert report.after.expected_calibration_error < 0.03
    assert report.before.expected_calibration_error > 0.1
    assert report.after.brier < report.before.brier
    assert report.after.auroc == pytest.approx(report.before.auroc, abs=0.005)
    assert len(report.probabilities) == len(report.outcomes) == 4000


def test_cross_validation_leaves_a_clip_out_of_its_own_fit():
    """A clip that contradicts the others is predicted by them, not by itself."""
    usual = (np.linspace(0.05, 0.95, 50), np.where(np.linspace(0, 1, 50) > 0.5, 0.9, 0.0))
    odd = (np.full(20, 0.95), np.zeros(20))
    report = cross_validate([usual, usual, odd], folds=3)
    assert report.probabilities[100:].min() > 0.9
    assert report.calibration(0.95) < report.probabilities[100] - 0.05


def test_more_folds_than_clips_are_an_error():
    with pytest.raises(CalibrationError, match="5 folds of 1 clips"):
        cross_validate([(np.array([0.1, 0.9]), np.array([0.0, 0.9]))])


# --- measures


def test_auroc_of_known_cases():
    right = np.array([False, False, True, True])
    assert auroc(np.array([0.1, 0.4, 0.35, 0.8]), right) == pytest.approx(0.75)
    assert auroc(np.array([0.1, 0.2, 0.3, 0.4]), right) == 1
    assert auroc(np.full(4, 0.5), right) == pytest.approx(0.5)
    assert math.isnan(auroc(np.array([0.1, 0.2]), np.array([True, True])))


def test_expected_calibration_error_of_a_known_case():
    probabilities = np.array([0.95, 0.95, 0.15, 0.15])
    outcomes = np.array([True, False, False, False])
    assert expected_calibration_error(probabilities, outcomes) == pytest.approx(0.3)


def test_reliability_counts_every_frame_once():
    probabilities = np.array([0.0, 0.05, 0.55, 1.0])
    predicted, observed, counts = reliability(probabilities, np.array([False, True, True, True]))
    assert counts.tolist() == [2, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert observed[[0, 5, 9]].tolist() == [0.5, 1, 1]
    assert predicted[[0, 5, 9]].tolist() == pytest.approx([0.025, 0.55, 1.0])


def test_the_reliability_diagram_shows_every_bin_that_has_frames(tmp_path: Path):
    probabilities = np.array([0.95, 0.95, 0.15, 0.15, 0.15])
    outcomes = np.array([True, False, False, False, False])
    path = tmp_path / "reliability.png"
    with patch.object(Figure, "savefig", autospec=True, side_effect=Figure.savefig) as save:
        reliability_diagram(probabilities, outcomes, path, "five frames")
    upper, lower = save.call_args.args[0].axes
    diagonal, observed = upper.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_allclose(observed.get_xydata(), [[0.15, 0], [0.95, 0.5]])
    assert [bar.get_height() for bar in lower.patches] == [0, 3, 0, 0, 0, 0, 0, 0, 0, 2]
    assert lower.patches[1].get_center()[0] == pytest.approx(0.15)
    assert upper.get_title() == "five frames"
    assert cv2.imread(str(path)).shape == (620, 560, 3)
