import numpy as np
import pytest

from autrack_ros.tracking.postprocess import cosine_window, select
from autrack_ros.tracking.presets import TrackerSettings

SETTINGS = TrackerSettings(window_influence=0.2, penalty_k=0.1)


def prediction(rows=5, cols=5):
    """Equal scores everywhere, boxes of 41x31 inclusive pixels around the cells."""
    y, x = np.mgrid[:rows, :cols] * 8.0 + 100
    corners = np.stack((x - 20, y - 15, x + 20, y + 15), axis=-1).astype(np.float32)
    return np.full((rows, cols), 0.5, np.float32), corners


def test_window_is_zero_at_the_border_and_one_in_the_middle():
    window = cosine_window(17, 19)
    assert window.shape == (17, 19)
    assert window[0].max() == window[:, -1].max() == pytest.approx(0)
    assert window[8, 9] == window.max() == 1


def test_among_equals_the_middle_wins():
    chosen = select(*prediction(), (41, 31), cosine_window(5, 5), SETTINGS)
    assert chosen.cell == 12
    assert chosen.center == (116, 116)
    assert chosen.size == (41, 31)
    assert chosen.penalty == pytest.approx(1)
    assert chosen.score == 0.5
    assert chosen.windowed_score == pytest.approx(0.8 * 0.5 + 0.2)


def test_a_change_of_shape_is_penalised_by_its_formula():
    score, corners = prediction(1, 2)
    corners[0, 0] = (0, 0, 81, 30)  # twice as wide
    score[:] = (0.5, 0.49)
    chosen = select(score, corners, (41, 31), np.zeros((1, 2)), SETTINGS)
    assert chosen.cell == 1
    alone = select(score[:, :1], corners[:, :1], (41, 31), np.zeros((1, 1)), SETTINGS)
    with_context = [(w + (w + h) / 2) * (h + (w + h) / 2) for w, h in ((82, 31), (41, 31))]
    change = 2 * (with_context[0] / with_context[1]) ** 0.5
    assert alone.penalty == pytest.approx(np.exp(-(change - 1) * 0.1), rel=1e-5)


def test_a_box_that_is_not_finite_never_wins():
    score, corners = prediction()
    corners[2, 2, 3] = np.inf
    corners[2, 3, 0] = np.nan
    chosen = select(score, corners, (41, 31), cosine_window(5, 5), SETTINGS)
    assert chosen.cell not in (12, 13)
    assert np.isfinite(chosen.center).all()


def test_without_any_finite_box_an_error_says_so():
    score, corners = prediction()
    with pytest.raises(FloatingPointError, match="no finite box"):
        select(score, corners * np.inf, (41, 31), cosine_window(5, 5), SETTINGS)
