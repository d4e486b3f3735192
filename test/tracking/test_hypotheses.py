"""Two templates of a target side by side: whose box counts, and that both are searched with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pictures import textured_image

from autrack_ros.tracking import AdaptationSettings, Box, load_engine
from autrack_ros.tracking.hypotheses import between

CUT, NEAR, AWAY = Box(10, 20, 40, 30), Box(14, 22, 44, 30), Box(60, 20, 40, 30)
QUICK = AdaptationSettings(steps=2, support_crops=1)
START = Box(60, 40, 40, 32)


@pytest.fixture(scope="module")
def engine():
    return load_engine(device="cpu")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((0.5, 0.5), Box(12, 21, 42, 30)),
        ((0.9, 0.3), Box(11, 20.5, 41, 30)),
        ((0.0, 0.8), NEAR),
        ((0.0, 0.0), CUT),
    ],
)
def test_boxes_of_the_same_place_are_averaged_by_their_scores(scores, expected):
    assert between(CUT, NEAR, *scores) == pytest.approx(expected)


def test_the_template_as_cut_decides_where_the_two_disagree():
    assert between(CUT, AWAY, 0.1, 0.9) == CUT


def test_a_target_is_searched_with_both_templates_once_it_is_adapted(engine):
    image = textured_image(160, 200, 0)
    plain = engine.start(image, START)
    both, _ = engine.adapt(image, plain, QUICK)
    adapted, _ = engine.adapt(image, plain, replace(QUICK, hypotheses=False))
    assert len(both.hypotheses) == 2
    assert both.hypotheses[0] is plain.features
    assert len(plain.hypotheses) == len(adapted.hypotheses) == 1
    np.testing.assert_array_equal(both.features[0], adapted.features[0])
    later = np.roll(image, 3, axis=1)
    results = dict(
        zip(
            ("plain", "both", "adapted"),
            [result for _, result in engine.follow(later, [plain, both, adapted])],
            strict=True,
        )
    )
    scores = results["plain"].score, results["adapted"].score
    expected = between(results["plain"].box, results["adapted"].box, *scores)
    assert results["plain"].box != results["adapted"].box
    assert results["both"].box == pytest.approx(expected, abs=1e-3)
    # What says how sure the tracker is comes from the template as cut: its calibration holds.
    assert results["both"].score == pytest.approx(results["plain"].score, abs=1e-5)
    np.testing.assert_allclose(results["both"].response, results["plain"].response, atol=1e-5)


def test_where_it_looks_next_follows_from_the_template_as_cut_alone(engine):
    image = textured_image(160, 200, 0)
    plain = engine.start(image, START)
    both, _ = engine.adapt(image, plain, QUICK)
    (alone, _), (beside, given) = engine.follow(np.roll(image, 3, axis=1), [plain, both])
    assert given.box != beside.box
    assert beside.box == pytest.approx(alone.box, abs=1e-3)


def test_a_template_that_no_step_made_better_is_searched_with_once(engine):
    image = textured_image(160, 200, 0)
    plain = engine.start(image, START)
    same, report = engine.adapt(image, plain, QUICK, should_cancel=lambda: True)
    assert report.stop_reason == "cancelled"
    assert same.hypotheses == plain.hypotheses
