"""What the likeness says beside the score, as it is fitted to clips."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")
from scenes import TARGET, moved, scene

from autrack_ros.tracking import load_engine
from autrack_ros.tracking.likeness import Evidence
from autrack_ros.training.validation.calibration import CalibrationError
from autrack_ros.training.validation.clips import Clip
from autrack_ros.training.validation.evidence import Looks, fit_evidence, look_at

COUNT = 40_000


def test_the_numbers_that_made_the_outcomes_are_found():
    random = np.random.default_rng(0)
    scores, likenesses = random.uniform(0.3, 1, COUNT), random.uniform(0.5, 1.15, COUNT)
    made = Evidence(slope=14.0, offset=4.0)
    chances = np.array([made(*frame) for frame in zip(scores, likenesses, strict=True)])
    right = random.random(COUNT) < chances
    assert 0.45 < right.mean() < 0.55  # right and wrong count alike, and there are as many
    fitted = fit_evidence(Looks(scores, likenesses, np.where(right, 0.8, 0.0)))
    assert fitted.slope == pytest.approx(14, abs=2)
    assert fitted.offset == pytest.approx(4, abs=0.75)


def test_boxes_that_are_partly_right_do_not_count():
    random = np.random.default_rng(1)
    looks = Looks(random.random(300), random.random(300), random.choice([0.0, 0.8], 300))
    partly = Looks(np.full(900, 0.9), np.full(900, 0.1), np.full(900, 0.3))
    both = Looks(*(np.concatenate(parts) for parts in zip(looks, partly, strict=True)))
    assert fit_evidence(both) == fit_evidence(looks)


@pytest.mark.parametrize(
    ("overlap", "message"), [(0.8, r"9 frames with .* 0 without"), (0.0, r"0 frames .* 9 without")]
)
def test_what_frames_lack_is_said(overlap, message):
    with pytest.raises(CalibrationError, match=message):
        fit_evidence(Looks(np.full(9, 0.5), np.ones(9), np.full(9, overlap)))


def test_a_target_that_vanishes_looks_less_like_itself_than_before():
    boxes = [moved(TARGET, 3 * step) for step in range(8)]
    images = [scene((box, 4)) for box in boxes] + [scene()] * 3
    files = [cv2.imencode(".png", image)[1].tobytes() for image in images]
    visible = np.array([1.0] * 8 + [0.0] * 3)
    clip = Clip("a", True, files, np.array([*boxes, *boxes[-1:] * 3], float), visible)
    looks = look_at(load_engine(device="cpu"), [clip, clip])
    np.testing.assert_array_equal(looks.scores[:10], looks.scores[10:])
    assert (looks.overlaps[:7] > 0.5).all()
    assert (looks.overlaps[7:10] == 0).all()
    assert looks.likenesses[7:10].max() < 0.8 * looks.likenesses[:7].min()
