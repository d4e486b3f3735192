"""The picture of RViz's layout."""

from __future__ import annotations

import numpy as np
import pytest

from autrack_ros.demo import rviz_layout
from autrack_ros.tracking import Box

BLUE = (233, 180, 86)


def test_every_picture_fills_its_dock_and_keeps_its_shape() -> None:
    shapes = {
        "Markers": (200, 100),
        "Overlay": (480, 640),
        "Response heat map": (256, 296),
        "Template": (284, 768),
    }
    pictures = {
        name: np.full((*shape, 3), (10 + 50 * index, 200, 30), np.uint8)
        for index, (name, shape) in enumerate(shapes.items())
    }
    composed = rviz_layout.compose(pictures)
    for name, (rows, columns) in shapes.items():
        ys, xs = np.nonzero((composed == pictures[name][0, 0]).all(axis=2))
        height, width = np.ptp(ys) + 1, np.ptp(xs) + 1
        assert width / height == pytest.approx(columns / rows, rel=0.01)
        _, _, dock_width, dock_height = rviz_layout._DOCKS[name]
        assert max(width / dock_width, height / (dock_height - rviz_layout._TITLE_PX)) > 0.99


@pytest.mark.parametrize(("left", "side"), [(0, -1), (600, 1)])
def test_a_target_on_one_side_of_the_image_is_on_that_side_of_the_scene(
    left: int, side: int
) -> None:
    scene = rviz_layout.draw_scene([Box(left, 200, 40, 80)], (640, 480), BLUE)
    empty = rviz_layout.draw_scene([], (640, 480), BLUE)
    rows, columns = np.nonzero((scene != empty).any(axis=2))
    middle = scene.shape[1] / 2
    assert side * (columns[rows == rows.min()].mean() - middle) > 20
    # All rays begin at the camera, which is nearest and so lowest.
    assert columns[rows == rows.max()].mean() == pytest.approx(middle, abs=3)
