"""Overlay, heat map and template panel."""

from __future__ import annotations

import numpy as np
import pytest

from autrack_ros.drawing import STATES, draw_heatmap, draw_overlay, draw_template
from autrack_ros.tracking.boxes import Box

SIZES = [(144, 176), (480, 640), (1080, 1920)]


def grey(height: int, width: int, level: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after).any(axis=2)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_overlay_is_a_new_image_of_the_same_size(height: int, width: int, state: str) -> None:
    image = grey(height, width)
    drawn = draw_overlay(image, Box(20, 30, 60, 50), label="head", score=0.5, state=state)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (image == 128).all()
    assert changed(image, drawn).any()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_box_line_is_centred_on_the_edges_of_the_box(height: int, width: int) -> None:
    image = grey(height, width)
    box = Box(width / 4, height / 2, width / 4, height / 4)
    row = changed(image, draw_overlay(image, box))[int(box.y + box.h / 2)]
    middle = int(box.x + box.w / 2)
    for edge, columns in (
        (box.x, np.flatnonzero(row[:middle])),
        (box.x + box.w, middle + np.flatnonzero(row[middle:])),
    ):
        # columns are pixels: their edge coordinates run from first to last + 1
        assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(edge, abs=0.51)


def test_lines_grow_with_the_resolution() -> None:
    widths = []
    for height, width in SIZES:
        image = grey(height, width)
        box = Box(width / 4, height / 2, width / 4, height / 4)
        middle = int(box.y + box.h / 2)
        widths.append(changed(image, draw_overlay(image, box))[middle].sum())
    assert widths[0] <= widths[1] < widths[2]


def test_lost_box_is_dashed_and_tracked_box_is_not() -> None:
    image = grey(480, 640)
    box = Box(100, 200, 200, 200)
    tracked, lost = (draw_overlay(image, box, state=state) for state in ("tracking", "lost"))
    on_top_edge = slice(120, 280)
    assert np.ptp(tracked[200, on_top_edge].astype(int), axis=0).max() == 0
    assert np.ptp(lost[200, on_top_edge].astype(int), axis=0).max() > 60


@pytest.mark.parametrize(
    "box", [Box(-500, -500, 20, 20), Box(1e6, 1e6, 5, 5), Box(-10, -10, 5000, 5000)]
)
def test_boxes_outside_the_image_keep_their_caption_in_it(box: Box) -> None:
    image = grey(144, 176)
    drawn = draw_overlay(image, box, label="a rather long name of a target", score=0.25)
    assert (drawn > 180).any()


def test_letters_outside_ascii_are_replaced() -> None:
    image = grey(144, 176)
    assert (
        draw_overlay(image, None, label="möwe") == draw_overlay(image, None, label="m?we")
    ).all()


def test_inset_leaves_the_corner_of_the_target() -> None:
    image, inset = grey(240, 320), grey(50, 50, 10)
    free = draw_overlay(image, Box(10, 10, 20, 20), inset=inset)
    assert (free[-20, -20] == 10).all()
    assert (free[-20, 20] == 128).all()
    moved = draw_overlay(image, Box(260, 180, 40, 40), inset=inset)
    assert (moved[-20, 20] == 10).all()


@pytest.mark.parametrize("cell", [(0, 0), (3, 8), (16, 16)])
def test_heat_lies_where_the_affine_maps_say(cell: tuple[int, int]) -> None:
    response = np.zeros((17, 17), np.float32)
    response[cell[1], cell[0]] = 1.0
    # the search region: 2 image pixels a pixel; its cells: 8 pixels apart, the first at 63.5
    search_to_image = np.array([[2.0, 0, 40], [0, 2, -30]])
    response_to_image = np.array([[16.0, 0, 40 + 127], [0, 16, -30 + 127]])
    search = grey(255, 255, 100)
    drawn = draw_heatmap(search, response, response_to_image, search_to_image)
    assert drawn.shape == search.shape
    blank = draw_heatmap(search, 0 * response, response_to_image, search_to_image)
    weight = np.abs(drawn.astype(float) - blank).sum(axis=2)
    rows, cols = np.mgrid[:255, :255] + 0.5
    center = (weight * cols).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
    assert center == pytest.approx((63.5 + 8 * cell[0], 63.5 + 8 * cell[1]), abs=1.0)


def test_no_response_shows_the_search_region_without_colour() -> None:
    search = np.random.default_rng(0).integers(0, 256, (255, 255, 3), dtype=np.uint8)
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    cells = np.array([[8.0, 0, 63.5], [0, 8, 63.5]])
    drawn = draw_heatmap(search, np.zeros((17, 17), np.float32), cells, identity)
    inside = (slice(70, 180), slice(70, 180))
    assert (np.ptp(drawn[inside], axis=2) == 0).all()
    luma = search[inside] @ (0.114, 0.587, 0.299)
    np.testing.assert_allclose(drawn[inside][..., 0], 0.7 * luma, atol=1.5)


def test_template_panels_show_template_adapted_and_amplified_difference() -> None:
    template = np.full((128, 128, 3), 100, np.float32)
    adapted = template.copy()
    adapted[:64] += 2.0
    drawn = draw_template(template, adapted, gain=16, panel_px=256)
    assert drawn.shape == (256 + 25, 3 * 256, 3)
    upper, lower = drawn[60], drawn[250]
    assert [tuple(upper[x]) for x in (100, 356, 612)] == [(100,) * 3, (102,) * 3, (160,) * 3]
    assert [tuple(lower[x]) for x in (100, 356, 612)] == [(100,) * 3, (100,) * 3, (128,) * 3]


def test_automatic_gain_uses_the_whole_range_and_accepts_equal_templates() -> None:
    template = np.full((64, 64, 3), 50, np.float32)
    adapted = template.copy()
    adapted[:32] += 0.5
    assert (draw_template(template, adapted)[60, 612] == 255).all()
    assert (draw_template(template, template)[60, 612] == 128).all()
