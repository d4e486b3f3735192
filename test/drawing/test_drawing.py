"""Overlay, heat map and template panel."""

from __future__ import annotations

from itertools import combinations, pairwise

import cv2
import numpy as np
import pytest

from autrack_ros.drawing import (
    STATES,
    DrawnTarget,
    Trail,
    draw_heatmap,
    draw_overlay,
    draw_template,
)
from autrack_ros.drawing.style import STYLES, Sizes
from autrack_ros.drawing.text import shortened
from autrack_ros.tracking.boxes import Box

SIZES = [(120, 160), (480, 640), (1080, 1920), (2160, 3840)]
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
CELLS = np.array([[8.0, 0, 63.5], [0, 8, 63.5]])  # 17 x 17 cells of a region of 255 x 255


def grey(height: int, width: int, level: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def changed(before: np.ndarray, after: np.ndarray, by: int = 0) -> np.ndarray:
    return (np.abs(before.astype(int) - after) > by).any(axis=2)


def lettered(picture: np.ndarray) -> np.ndarray:
    """Pixels as light as letters; no colour of a state is."""
    return (picture > 170).all(axis=2)


def middle_box(height: int, width: int) -> Box:
    return Box(width / 4, height / 2, width / 4, height / 4)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_overlay_is_a_new_image_of_the_same_size(height: int, width: int, state: str) -> None:
    image = grey(height, width)
    drawn = draw_overlay(image, [DrawnTarget(Box(20, 30, 60, 50), "head", 0.5, state)])
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (image == 128).all()
    assert changed(image, drawn).any()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_box_line_is_centred_on_the_edges_of_the_box(height: int, width: int) -> None:
    image = grey(height, width)
    box = middle_box(height, width)
    row = changed(image, draw_overlay(image, [DrawnTarget(box)]), 60)[int(box.y + box.h / 2)]
    middle = int(box.x + box.w / 2)
    for edge, columns in (
        (box.x, np.flatnonzero(row[:middle])),
        (box.x + box.w, middle + np.flatnonzero(row[middle:])),
    ):
        # columns are pixels: their edge coordinates run from first to last + 1
        assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(edge, abs=0.3)


def test_lines_and_letters_grow_with_the_resolution() -> None:
    lines, letters = [], []
    for height, width in SIZES:
        image = grey(height, width)
        box = middle_box(height, width)
        plain = draw_overlay(image, [DrawnTarget(box)])
        lines.append(changed(image, plain)[int(box.y + box.h / 2)].sum())
        named = changed(plain, draw_overlay(image, [DrawnTarget(box, "cup")]))
        letters.append(int(named.any(axis=1).sum()))  # height of the label
    assert all(thin <= thick for thin, thick in pairwise(lines))
    assert lines[-1] > 2 * lines[1]
    assert all(low < high for low, high in pairwise(letters))
    assert letters[0] >= 12  # of 120 rows: readable
    assert letters[-1] / 2160 == pytest.approx(letters[1] / 480, rel=0.15)


def edge_runs(state: str, size: tuple[int, int] = (480, 640)) -> list[int]:
    """Lengths of the coloured pieces of a box's upper edge, pixels."""
    image = grey(*size)
    drawn = draw_overlay(image, [DrawnTarget(Box(100, 200, 200, 200), state=state)])
    color = np.array(STYLES[state].color)
    colored = (np.abs(drawn[199:201, 90:310].astype(int) - color) < 30).all(axis=2).any(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], colored.astype(int), [0]])))
    return [int(run) for run in edges[1::2] - edges[::2]]


def test_states_differ_by_line_style_without_any_colour() -> None:
    runs = {state: edge_runs(state) for state in STATES}
    assert len(runs["tracking"]) == 1  # solid
    assert len(runs["uncertain"]) > 4  # dashed
    assert min(runs["uncertain"][1:-1]) >= 8
    assert len(runs["lost"]) > 15  # dotted
    assert max(runs["lost"]) <= 5
    inner = runs["adapting"][1:-1]  # a dash and a dot in turn
    assert max(inner[::2]) <= 5
    assert min(inner[1::2]) >= 10


def test_state_colours_are_of_the_okabe_ito_palette() -> None:
    palette = {"sky blue": 0x56B4E9, "yellow": 0xF0E442, "vermillion": 0xD55E00}
    palette["reddish purple"] = 0xCC79A7
    colors = {
        red << 16 | green << 8 | blue for blue, green, red in (s.color for s in STYLES.values())
    }
    assert colors == set(palette.values())


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", 2009, severity 1.0; linear RGB.
DEFICIENCIES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_state_colours_are_told_apart_by_the_colour_blind(deficiency: str) -> None:
    rgb = np.array([style.color[::-1] for style in STYLES.values()]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(DEFICIENCIES[deficiency]).T, 0, 1)
    shown = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(shown[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    distance = min(float(np.linalg.norm(a - b)) for a, b in combinations(lab, 2))
    assert distance > 20  # CIE 1976; 2.3 is just seen


def test_unknown_state_is_refused_with_those_accepted() -> None:
    with pytest.raises(ValueError, match="state 'asleep': accepted is one of tracking, uncertain"):
        DrawnTarget(Box(1, 1, 5, 5), state="asleep")


@pytest.mark.parametrize(("height", "width"), SIZES[:3])
@pytest.mark.parametrize(
    "place", [(0, 0), (1, 0), (0, 1), (1, 1), (-0.5, 0.5), (0.5, -2), (1e6, 1e6), (-1e9, 0.3)]
)
def test_label_stays_whole_inside_the_picture(
    height: int, width: int, place: tuple[float, float]
) -> None:
    image = grey(height, width)
    box = Box(place[0] * width - 10, place[1] * height - 10, 20, 20)

    def letters(target_box: Box, name: str) -> int:
        plain = draw_overlay(image, [DrawnTarget(target_box, state="adapting")])
        named = draw_overlay(image, [DrawnTarget(target_box, name, state="adapting")])
        return int((lettered(named) & ~lettered(plain)).sum())

    whole = letters(Box(width * 0.4, height * 0.4, 20, 20), "HEAD")
    assert whole > 20
    assert letters(box, "HEAD") == pytest.approx(whole, rel=0.05)


def test_long_names_are_shortened_and_keep_the_score() -> None:
    image = grey(480, 640)
    box = Box(100, 200, 100, 100)

    def label(name: str, score: float) -> np.ndarray:
        return draw_overlay(image, [DrawnTarget(box, name, score)])

    long = label("n" * 500, 0.25)
    columns = np.flatnonzero(changed(draw_overlay(image, [DrawnTarget(box)]), long).any(axis=0))
    assert columns[0] >= 95
    assert columns[-1] - columns[0] < 0.6 * 640
    assert changed(long, label("n" * 500, 0.99)).any()
    assert not changed(long, label("n" * 400, 0.25)).any()


def test_what_is_cut_from_a_name_is_told_by_two_dots() -> None:
    sizes = Sizes(1, 0.5, 1)
    assert shortened("pedestrian", 1000, sizes) == "pedestrian"
    assert shortened("pedestrian", 60, sizes) in ("ped..", "pede..", "pedes..")
    assert shortened("pedestrian", -5, sizes) == ""


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    image = grey(480, 640)
    boxes = [Box(200, 200, 60, 60), Box(210, 205, 60, 60), Box(190, 210, 60, 60)]

    def letters(names: list[str]) -> int:
        targets = [DrawnTarget(b, name) for b, name in zip(boxes, names, strict=True)]
        return int(lettered(draw_overlay(image, targets)).sum())

    none = letters(["", "", ""])
    single = [
        letters([name if k == i else "" for k in range(3)]) - none
        for i, name in enumerate(("HEAD", "CAP", "ARM"))
    ]
    assert letters(["HEAD", "CAP", "ARM"]) - none == pytest.approx(sum(single), rel=0.02)


def legend_rows(image: np.ndarray, states: list[str]) -> np.ndarray:
    targets = [DrawnTarget(Box(300, 100, 40, 40), state=state) for state in states]
    return draw_overlay(image, targets)[-40:]


def test_legend_tells_the_states_there_are_and_how_many() -> None:
    image = grey(480, 640)
    tracking = legend_rows(image, ["tracking"])
    for state in STATES:
        rows = legend_rows(image, [state])
        colored = (np.abs(rows.astype(int) - STYLES[state].color) < 20).all(axis=2)
        assert colored.sum() > 10
    assert changed(tracking, legend_rows(image, ["tracking", "tracking"])).any()  # a number
    both = np.flatnonzero(
        changed(image[-40:], legend_rows(image, ["tracking", "lost"])).any(axis=0)
    )
    assert both[-1] > np.flatnonzero(changed(image[-40:], tracking).any(axis=0))[-1] + 40


def test_a_look_alike_is_drawn_and_stands_in_the_legend() -> None:
    image = grey(480, 640)
    box, twin = Box(300, 100, 40, 40), Box(400, 100, 40, 40)
    plain = draw_overlay(image, [DrawnTarget(box)])
    both = draw_overlay(image, [DrawnTarget(box, look_alike=twin)])
    rows, columns = np.nonzero(changed(plain, both)[:-40])
    assert (rows.min(), rows.max()) == pytest.approx((100, 140), abs=5)
    assert (columns.min(), columns.max()) == pytest.approx((400, 440), abs=5)
    assert changed(plain, both)[-40:].any()


def test_without_a_target_the_picture_says_so() -> None:
    image = grey(120, 160)
    drawn = draw_overlay(image, [])
    assert lettered(drawn)[-20:, :80].sum() > 30
    assert not changed(image, drawn)[:-20].any()


def test_legend_moves_up_when_a_target_is_below() -> None:
    image = grey(480, 640)
    drawn = draw_overlay(image, [DrawnTarget(Box(5, 440, 100, 35))])
    assert (drawn[470, 50] == 128).all()
    assert lettered(drawn)[:30, :200].any()


def test_lost_target_is_a_question_mark_in_its_last_place() -> None:
    image = grey(480, 640)
    box = Box(300, 100, 80, 80)
    inside = (slice(115, 165), slice(315, 365))
    marks = {
        state: int(lettered(draw_overlay(image, [DrawnTarget(box, state=state)])[inside]).sum())
        for state in STATES
    }
    assert marks.pop("lost") > 50
    assert set(marks.values()) == {0}


def test_trail_fades_towards_the_oldest_point() -> None:
    image = grey(480, 640, 40)
    points = [(100.0 + 10 * step, 300.0) for step in range(41)]
    drawn = draw_overlay(image, [DrawnTarget(Box(480, 280, 40, 40), trail=points)])
    color = np.array(STYLES["tracking"].color)
    # 0.5 below the row's upper edge is the middle of the line
    distance = [np.abs(drawn[300, x].astype(int) - color).sum() for x in (120, 220, 320, 420)]
    assert all(old > new + 20 for old, new in pairwise(distance))
    assert np.abs(drawn[300, 460].astype(int) - color).sum() < 60


def test_gap_of_the_trail_is_left_out() -> None:
    image = grey(480, 640)
    points = [(100.0, 300.0), (200.0, 300.0), None, (300.0, 300.0), (400.0, 300.0)]
    drawn = draw_overlay(image, [DrawnTarget(Box(500, 100, 40, 40), trail=points)])
    line = changed(image, drawn)[300]
    assert line[150]
    assert line[350]
    assert not line[210:290].any()


@pytest.mark.parametrize(
    "points",
    [[], [None], [(5.0, 5.0)], [(5.0, 5.0), None], [(-900.0, 5.0), (-800.0, 5.0)]],
)
def test_trail_of_nothing_to_see_changes_nothing(points: list) -> None:
    image = grey(120, 160)
    box = Box(60, 40, 20, 20)
    plain = draw_overlay(image, [DrawnTarget(box)])
    assert not changed(plain, draw_overlay(image, [DrawnTarget(box, trail=points)])).any()


def test_trail_keeps_the_last_seconds_and_starts_anew_when_time_jumps_back() -> None:
    trail = Trail(seconds=2.0)
    for step in range(50):
        trail.add(0.1 * step, None if step == 45 else (float(step), 0.0))
    assert [point and point[0] for point in trail.points] == [
        None if step == 45 else float(step) for step in range(29, 50)
    ]
    trail.add(1.0, (7.0, 8.0))
    assert trail.points == ((7.0, 8.0),)


def test_trail_is_bounded_however_fast_the_images_come() -> None:
    trail = Trail(seconds=1e9, longest=10)
    for step in range(100):
        trail.add(step, (float(step), 0.0))
    assert len(trail.points) == 10


def test_inset_leaves_the_corner_of_the_target() -> None:
    image, inset = grey(240, 320), grey(50, 50, 10)
    free = draw_overlay(image, [DrawnTarget(Box(10, 10, 20, 20))], inset=inset)
    assert (free[-20, -20] == 10).all()
    moved = draw_overlay(image, [DrawnTarget(Box(260, 180, 40, 40))], inset=inset)
    assert (moved[-20, 20] == 10).all()


@pytest.mark.parametrize("cell", [(0, 0), (3, 8), (16, 16)])
def test_heat_lies_where_the_affine_maps_say(cell: tuple[int, int]) -> None:
    # the search region: 2 image pixels a pixel; its cells: 8 pixels apart, the first at 63.5
    search_to_image = np.array([[2.0, 0, 40], [0, 2, -30]])
    response_to_image = np.array([[16.0, 0, 40 + 127], [0, 16, -30 + 127]])
    search = grey(255, 255, 100)

    def drawn(value: float) -> np.ndarray:
        response = np.zeros((17, 17), np.float32)
        response[cell[1], cell[0]] = value
        return draw_heatmap(search, response, response_to_image, search_to_image).astype(float)

    assert drawn(1.0).shape[0] == 255
    # Both with the ring: what differs is the heat.
    weight = np.abs(drawn(1.0) - drawn(1e-6))[:, :255].sum(axis=2)
    rows, cols = np.mgrid[:255, :255] + 0.5
    center = (weight * cols).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
    assert center == pytest.approx((63.5 + 8 * cell[0], 63.5 + 8 * cell[1]), abs=0.3)


def test_ring_marks_the_highest_cell() -> None:
    response = np.zeros((17, 17), np.float32)
    response[4, 11] = 1e-6  # as good as no colour
    drawn = draw_heatmap(grey(255, 255, 100), response, CELLS, IDENTITY)
    inside = drawn[70:185, 70:185]  # of the frame
    rows, cols = np.nonzero(lettered(inside))
    assert (cols.mean() + 70.5, rows.mean() + 70.5) == pytest.approx((151.5, 95.5), abs=0.3)


def test_box_is_drawn_over_the_heat_where_the_affine_map_says() -> None:
    search_to_image = np.array([[2.0, 0, 40], [0, 2, -30]])
    response = np.zeros((17, 17), np.float32)
    arguments = (grey(255, 255, 100), response, CELLS, search_to_image)
    plain = draw_heatmap(*arguments)
    boxed = draw_heatmap(*arguments, Box(40 + 200, -30 + 240, 40, 60))  # (100, 120, 20, 30) there
    rows, cols = np.nonzero(changed(plain, boxed, 25))
    for pixels, low, high in ((cols, 100, 120), (rows, 120, 150)):
        first, last = pixels.min(), pixels.max() + 1
        assert (first + last) / 2 == pytest.approx((low + high) / 2, abs=0.3)
        assert 1 <= (last - first) - (high - low) <= 8  # a line with its rim
    lost = draw_heatmap(*arguments, Box(240, 210, 40, 60), state="lost")
    assert changed(boxed, lost).any()


def test_colours_of_the_heat_grow_lighter_evenly_and_the_bar_shows_them() -> None:
    response = np.zeros((17, 17), np.float32)
    bar = draw_heatmap(grey(255, 255), response, CELLS, IDENTITY)[:, 255 + 8]
    lab = cv2.cvtColor(bar[None], cv2.COLOR_BGR2LAB)[0, :, 0].astype(float)
    scale = lab[10:-10]  # 1 at the top
    assert scale[0] > 190
    assert scale[-1] < 30
    assert (np.diff(scale) <= 1).all()  # light to dark without a step back
    middle = scale[len(scale) // 2]
    assert 0.3 < (middle - scale[-1]) / (scale[0] - scale[-1]) < 0.7


def test_no_response_shows_the_search_region_without_colour() -> None:
    search = np.random.default_rng(0).integers(0, 256, (255, 255, 3), dtype=np.uint8)
    drawn = draw_heatmap(search, np.zeros((17, 17), np.float32), CELLS, IDENTITY)
    inside = (slice(70, 180), slice(70, 180))
    assert (np.ptp(drawn[inside], axis=2) == 0).all()
    luma = search[inside] @ (0.114, 0.587, 0.299)
    np.testing.assert_allclose(drawn[inside][..., 0], 0.7 * luma, atol=1.5)


@pytest.mark.parametrize("shape", [(96, 96, 3), (120, 200, 3), (399, 399, 3)])
def test_heatmap_of_any_shape_has_its_bar_on_the_right(shape: tuple[int, int, int]) -> None:
    drawn = draw_heatmap(np.zeros(shape, np.uint8), np.ones((17, 17), np.float32), CELLS, IDENTITY)
    assert drawn.shape[0] == shape[0]
    assert shape[1] + 20 < drawn.shape[1] < 1.5 * shape[1]


def test_template_panels_show_template_updated_and_amplified_difference() -> None:
    template = np.full((128, 128, 3), 100, np.float32)
    adapted = template.copy()
    adapted[:64] += 2.0
    drawn = draw_template(template, adapted, gain=16, panel_px=256)
    assert drawn.shape[1] == 3 * 256
    upper, lower = drawn[-250], drawn[-6]
    assert [tuple(upper[x]) for x in (100, 356, 612)] == [(100,) * 3, (102,) * 3, (160,) * 3]
    assert [tuple(lower[x]) for x in (100, 356, 612)] == [(100,) * 3, (100,) * 3, (128,) * 3]


@pytest.mark.parametrize("panel_px", [128, 256, 512])
def test_titles_of_the_template_fit_their_panels(panel_px: int) -> None:
    template = np.full((128, 128, 3), 100, np.float32)
    adapted = template + 1e-3  # a long factor
    titles = draw_template(template, adapted, panel_px=panel_px)[:-panel_px]
    for panel in range(3):
        columns = np.flatnonzero(
            (titles > 120).all(axis=2).any(axis=0)[panel * panel_px :][:panel_px]
        )
        assert columns[0] >= 3
        assert columns[-1] < panel_px - 3
    assert titles.shape[0] >= 14


def test_automatic_gain_uses_the_whole_range_and_accepts_equal_templates() -> None:
    template = np.full((64, 64, 3), 50, np.float32)
    adapted = template.copy()
    adapted[:32] += 0.5
    assert (draw_template(template, adapted)[-200, 612] == 255).all()
    assert (draw_template(template, template)[-200, 612] == 128).all()
