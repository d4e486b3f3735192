import csv
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from made_models import cube, patterned, plate, write_library, write_model

from autrack_ros.training.pictures.models.catalogue import read_catalogue
from autrack_ros.training.pictures.models.making import is_plain, render_libraries
from autrack_ros.training.pictures.models.parts import load_parts
from autrack_ros.training.pictures.models.renderer import MAX_ELEVATION, render, viewpoints
from autrack_ros.training.pictures.views import MARGIN, VIEW_SIZE, Viewpoint, is_clear
from autrack_ros.training.sources import DataError

UPRIGHT = np.eye(3)
FRONT = Viewpoint(yaw=0, elevation=0, light_yaw=0, light_elevation=0, ambient=0.6)
BLUE, GREEN, RED, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def renderer():
    pytest.importorskip("trimesh", reason="trimesh, of the extra [train], is not installed")
    pytest.importorskip("pybullet", reason="pybullet, of the extra [train], is not installed")


def quadrants():
    """A picture whose quarters are red and green above, blue and white below (BGR)."""
    picture = np.empty((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:] = RED, GREEN
    picture[32:, :32], picture[32:, 32:] = BLUE, WHITE
    return picture


def inside(view):
    return view[MARGIN:-MARGIN, MARGIN:-MARGIN]


def test_model_stands_upright_unmirrored_and_in_its_own_colours(renderer, tmp_path):
    obj = write_model(tmp_path, cube(), quadrants())
    (view,) = render(load_parts(obj, UPRIGHT), [FRONT])
    side = inside(view).shape[0]
    quarter = side // 4
    for row, column, color in ((1, 1, RED), (1, 3, GREEN), (3, 1, BLUE), (3, 3, WHITE)):
        seen = inside(view)[row * quarter, column * quarter, :3].astype(int)
        assert np.abs(seen - color).max() < 40, (row, column, seen)


def test_rendering_is_quiet(renderer, tmp_path, caplog):
    # Faces that share corners: the normals at these are averaged, for which trimesh wants scipy.
    lines = [f"v {x} {y} {z}" for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    lines += ["f 1 2 4 3", "f 5 7 8 6", "f 1 5 6 2", "f 3 4 8 7", "f 1 3 7 5", "f 2 6 8 4"]
    obj = tmp_path / "cube.obj"
    obj.write_text("\n".join(lines) + "\n")
    render(load_parts(obj, UPRIGHT), [FRONT])
    assert caplog.records == []


def test_rotation_of_the_catalogue_is_applied(renderer, tmp_path):
    obj = write_model(tmp_path, [plate(bottom=-0.5, top=0.5)], quadrants())
    quarter_turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    (view,) = render(load_parts(obj, quarter_turn), [FRONT])
    height, width = inside(view).shape[:2]
    assert height == pytest.approx(2 * width, abs=6)


def test_views_have_one_scale_and_a_transparent_margin(renderer, tmp_path):
    obj = write_model(tmp_path, cube(), quadrants())
    views = render(load_parts(obj, UPRIGHT), viewpoints(6, False, np.random.default_rng(1)))
    longest = [max(inside(view).shape[:2]) for view in views]
    assert max(longest) == pytest.approx(VIEW_SIZE, abs=2)
    assert min(longest) > VIEW_SIZE / 2
    for view in views:
        assert view.dtype == np.uint8
        assert view.shape[2] == 4
        opacity = view[..., 3]
        assert cv2.boundingRect(opacity)[:2] == (MARGIN, MARGIN)
        assert not view[opacity == 0].any()


def test_opacity_is_the_silhouette(renderer, tmp_path):
    # A frame: 2 wide and high, its hole 1 wide and high.
    bars = [(-1, -1, 1, -0.5), (-1, 0.5, 1, 1), (-1, -0.5, -0.5, 0.5), (0.5, -0.5, 1, 0.5)]
    obj = write_model(tmp_path, [plate(*bar) for bar in bars], quadrants())
    (view,) = render(load_parts(obj, UPRIGHT), [FRONT])
    opacity = inside(view)[..., 3]
    side = len(opacity)
    hole = slice(side // 4 + 2, side - side // 4 - 2)
    assert not opacity[hole, hole].any()
    assert (opacity[3 : side // 4 - 2, 3:-3] == 255).all()
    assert (opacity > 127).mean() == pytest.approx(0.75, abs=0.02)


def test_transparent_part_of_a_texture_is_cut_away(renderer, tmp_path):
    picture = np.dstack([quadrants(), np.full((64, 64), 255, np.uint8)])
    picture[16:48, 16:48, 3] = 0
    obj = write_model(tmp_path, [plate()], picture)
    (view,) = render(load_parts(obj, UPRIGHT), [FRONT])
    assert (inside(view)[..., 3] > 127).mean() == pytest.approx(0.75, abs=0.03)


def test_back_of_a_face_is_seen_too(renderer, tmp_path):
    obj = write_model(tmp_path, [plate()], quadrants())
    back = Viewpoint(yaw=180, elevation=0, light_yaw=180, light_elevation=0, ambient=0.6)
    (view,) = render(load_parts(obj, UPRIGHT), [back])
    assert (inside(view)[..., 3] > 127).mean() > 0.98


def test_neighbours_in_time_are_neighbours_in_angle():
    for seed in range(5):
        views = viewpoints(12, False, np.random.default_rng(seed))
        yaw = np.array([view.yaw for view in views])
        elevation = np.array([view.elevation for view in views])
        assert np.ptp(yaw) == pytest.approx(140)
        assert np.abs(np.diff(yaw)).max() < 13
        assert np.abs(np.diff(elevation)).max() < 6
        assert 0 <= elevation.min() <= elevation.max() <= MAX_ELEVATION


def test_flat_models_are_seen_from_their_front():
    for seed in range(5):
        yaw = [view.yaw for view in viewpoints(5, True, np.random.default_rng(seed))]
        assert abs(yaw[2]) <= 20


def test_neighbouring_pictures_differ_little(renderer, tmp_path):
    obj = write_model(tmp_path, cube(), patterned())
    views = render(load_parts(obj, UPRIGHT), viewpoints(12, False, np.random.default_rng(0)))
    sizes = np.array([inside(view).shape[:2] for view in views])
    assert (np.abs(np.diff(sizes, axis=0)) < 0.15 * VIEW_SIZE).all()
    small = [cv2.resize(view, (24, 24), interpolation=cv2.INTER_AREA).astype(int) for view in views]
    steps = [np.abs(a - b).mean() for a, b in pairwise(small)]
    assert np.mean(steps) < 0.8 * np.abs(small[0] - small[-1]).mean()


def painted(height, width, color):
    picture = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN, 4), np.uint8)
    inside(picture)[:] = (*color, 255)
    return picture


def test_thin_and_empty_views_are_not_clear():
    assert is_clear(painted(150, 30, WHITE))
    assert not is_clear(painted(190, 30, WHITE))
    assert not is_clear(painted(15, 15, WHITE))
    assert not is_clear(painted(0, 0, WHITE))


def test_grey_things_of_few_colours_are_plain():
    assert is_plain([painted(100, 100, (90, 90, 90))])
    assert not is_plain([painted(100, 100, RED)])
    assert not is_plain([cv2.cvtColor(patterned(), cv2.COLOR_BGR2BGRA)])


def test_library_becomes_folders_of_views_with_their_authors(renderer, tmp_path):
    write_library(tmp_path / "models")
    output = tmp_path / "views"
    results = render_libraries(tmp_path / "models", output, views=3)
    assert results == {"rendered": 1}
    assert [path.relative_to(output).as_posix() for path in sorted(output.rglob("*.png"))] == [
        f"toy_cube/things_cube/view_0{number}.png" for number in range(3)
    ]
    with (output / "models.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "model": "things_cube",
            "kind": "toy_cube",
            "creator": "An\u00e4",
            "library": "Things.sh3f",
        }
    ]


def test_views_do_not_depend_on_the_run(renderer, tmp_path):
    write_library(tmp_path / "models")
    for name in ("one", "two"):
        render_libraries(tmp_path / "models", tmp_path / name, views=2)
    one, two = (sorted((tmp_path / name).rglob("*.png")) for name in ("one", "two"))
    assert len(one) == 2
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_unreadable_model_is_counted_not_fatal(renderer, tmp_path):
    (tmp_path / "cube").mkdir()
    (tmp_path / "cube/empty.obj").write_text("# no triangle\n")
    write_library(tmp_path, "model#2=/cube/empty.obj", "name#2=No model")
    results = render_libraries(tmp_path, tmp_path / "views", views=2)
    assert results == {"rendered": 1, "unreadable": 1}


def test_missing_library_and_missing_model_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no \.sh3f"):
        render_libraries(tmp_path, tmp_path / "views")
    library = write_library(tmp_path, "model#2=/cube/gone.obj")
    with pytest.raises(DataError, match=r"gone\.obj"):
        read_catalogue(library, tmp_path / "unpacked")
    (tmp_path / "broken.sh3f").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"broken\.sh3f"):
        read_catalogue(tmp_path / "broken.sh3f", tmp_path / "unpacked")


def test_missing_package_names_the_extra(monkeypatch, tmp_path):
    write_library(tmp_path)
    monkeypatch.setitem(sys.modules, "pybullet", None)
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(DataError, match=r"pip install 'autrack_ros\[train\]'"):
        render_libraries(tmp_path, tmp_path / "views")
