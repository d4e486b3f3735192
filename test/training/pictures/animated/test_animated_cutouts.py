"""Animated cut-outs: how surfaces are drawn, how a figure is shown, what is written."""

import sys
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

pytest.importorskip("PIL", reason="pillow, of the extra [train], is not installed")

from tiny_figures import WAVE, checkers, write_archive, write_unit, zero_ad_files

from autrack_ros.training.pictures.animated import making, mega_glest
from autrack_ros.training.pictures.animated.making import ANIMALS, VIEWS, make_cutouts, plan
from autrack_ros.training.pictures.animated.mega_glest import GlestFigure, MegaGlest
from autrack_ros.training.pictures.animated.renderer import CANVAS_SIZE, Look, Renderer
from autrack_ros.training.pictures.animated.scene import (
    MAX_ELEVATION,
    MAX_TURN,
    STEP,
    plan_scene,
    shoot,
)
from autrack_ros.training.pictures.animated.surface import Opacity, Surface, Texture
from autrack_ros.training.pictures.views import MARGIN, VIEW_SIZE
from autrack_ros.training.sources import DataError
from autrack_ros.training.sources.cutouts import Cutouts

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def renderer():
    try:
        with Renderer() as made:
            yield made
    except DataError as error:
        pytest.skip(f"no OpenGL through EGL: {error}")


def look(**changes):
    """Straight from the front, all lit."""
    values = {
        "projection": np.diag([1, 1, -1, 1.0]),
        "viewer": np.array([0, 0, 1.0]),
        "light": np.array([0, 0, 1.0]),
        "ambient": 1.0,
        "team": np.zeros(3),
        "tint": np.ones(3),
    }
    return Look(**(values | changes))


def square(image, opacity=Opacity.NONE, size=0.5, depth=0.0, normal=(0, 0, 1)):
    """A square before the camera with the whole picture on it, row 0 above."""
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    positions = np.float32([(size * x, size * y, depth) for x, y in corners])
    uv = np.float32([((x + 1) / 2, (1 - y) / 2) for x, y in corners])
    texture = Texture(f"{image.tobytes()}", image)
    triangles = np.array([(0, 1, 2), (0, 2, 3)])
    return Surface(positions, np.float32([normal] * 4), uv, triangles, texture, Opacity(opacity))


def plain(color, opacity=255):
    return np.full((8, 8, 4), [*color, opacity], np.uint8)


def centre(picture):
    return picture[CANVAS_SIZE // 2, CANVAS_SIZE // 2].tolist()


def test_picture_is_drawn_upright_and_unmirrored_with_its_outline(renderer):
    image = plain(RED)
    image[:4, 4:], image[4:, :4], image[4:, 4:] = (*GREEN, 255), (*BLUE, 255), (*WHITE, 255)
    [picture] = renderer.draw([([square(image)], look())])
    near, far = 3 * CANVAS_SIZE // 8, 5 * CANVAS_SIZE // 8
    seen = [picture[y, x, :3] for y in (near, far) for x in (near, far)]
    assert np.abs(np.subtract(seen, [RED, GREEN, BLUE, WHITE])).max() < 20
    assert cv2.boundingRect(picture[..., 3].copy()) == (72, 72, 144, 144)
    assert not picture[picture[..., 3] == 0].any()


def test_nearer_surface_hides_the_other(renderer):
    near, far = square(plain(RED), depth=0.5), square(plain(GREEN), depth=-0.5)
    pictures = renderer.draw([([near, far], look()), ([far, near], look())])
    assert [centre(picture)[:3] for picture in pictures] == [[255, 0, 0]] * 2


def test_edges_are_smooth(renderer):
    turned = np.diag([1, 1, -1, 1.0])
    turned[:2, :2] = (0.9, -0.3), (0.3, 0.9)
    [picture] = renderer.draw([([square(plain(WHITE))], look(projection=turned))])
    levels = np.unique(picture[..., 3])
    assert levels[0] == 0
    assert levels[-1] == 255
    assert len(levels) > 3  # of several samples a pixel
    assert (picture[..., :3] == picture[..., 3:]).all()  # multiplied by the opacity


def test_transparent_cloth_has_the_players_colour_with_its_shading(renderer):
    light, dark = plain(WHITE, 0), plain((0, 0, 0), 0)
    [bright, shaded, own] = renderer.draw(
        ([square(image, Opacity.TEAM_COLOR)], look(team=np.array([0, 0.5, 0])))
        for image in (light, dark, plain(RED))
    )
    assert centre(own)[:3] == [255, 0, 0]
    assert centre(bright)[1] > 1.5 * centre(shaded)[1] > 60
    assert centre(bright)[0] == centre(shaded)[0] == 0


def test_what_is_transparent_is_cut_or_opaque_as_its_material_says(renderer):
    image = plain(RED)
    image[2:6, 2:6, 3] = 0
    cut, whole = renderer.draw(
        ([square(image, opacity)], look()) for opacity in (Opacity.CUT, Opacity.NONE)
    )
    assert centre(cut) == [0, 0, 0, 0]
    assert centre(whole) == [255, 0, 0, 255]


def test_transparent_hair_is_multiplied_by_its_own_colour(renderer):
    hair = replace(square(plain(WHITE, 0), Opacity.OWN_COLOR), color=(1, 0.4, 0))
    face = replace(square(plain(WHITE), Opacity.OWN_COLOR), color=(1, 0.4, 0))
    shaded = look(light=np.array([0, 0, -1.0]))  # by the ambient light alone
    coloured, own = renderer.draw([([hair], shaded), ([face], shaded)])
    assert centre(coloured) == [255, 102, 0, 255]
    assert centre(own) == [255, 255, 255, 255]


def test_light_falls_on_either_side_of_cloth(renderer):
    front, back, away = (
        centre(picture)[0]
        for picture in renderer.draw(
            [
                ([square(plain(WHITE))], look(ambient=0.5)),
                ([square(plain(WHITE), normal=(0, 0, -1))], look(ambient=0.5)),
                ([square(plain(WHITE))], look(ambient=0.5, light=np.array([0, 0, -1.0]))),
            ]
        )
    )
    assert front == back == 255
    assert away == pytest.approx(128, abs=1)


def test_far_texture_does_not_flicker(renderer):
    image = np.kron(checkers((255, 255, 255, 255), (0, 0, 0, 255)), np.ones((32, 32, 1), np.uint8))
    fine = image[::2, ::2]  # squares of 16 texels on 3 pixels
    [picture] = renderer.draw([([square(fine, size=0.04)], look())])
    inside = picture[..., 0][picture[..., 3] == 255]
    assert inside.std() < 60  # the nearest texels alone would be 0 or 255


@pytest.fixture
def waving(tmp_path):
    write_unit(tmp_path / "waving")
    return GlestFigure(tmp_path / "waving/models/unit_walking.g3d")


def test_views_have_one_scale_and_the_longest_side_of_all_fills_the_cut_out(renderer, waving):
    views = shoot(waving, plan_scene(VIEWS, np.random.default_rng(3)), renderer)
    sides = [max(view.shape[:2]) - 2 * MARGIN for view in views]
    assert max(sides) == pytest.approx(VIEW_SIZE, abs=2)
    heights = [view.shape[0] for view in views]  # the figure grows broader, not higher
    assert np.ptp(heights) < 0.3 * max(heights)
    for view in views:
        assert view.dtype == np.uint8
        assert cv2.boundingRect(view[..., 3].copy())[:2] == (MARGIN, MARGIN)


def test_same_seed_gives_the_same_views_and_another_one_others(renderer, waving):
    first, again, other = (
        shoot(waving, plan_scene(3, np.random.default_rng(seed)), renderer) for seed in (0, 0, 1)
    )
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(first, other, strict=True))


def test_scene_moves_the_phase_and_the_camera_by_as_much_as_it_says():
    scenes = [plan_scene(VIEWS, np.random.default_rng(seed)) for seed in range(200)]
    steps = [b - a for scene in scenes for a, b in pairwise(scene.phases)]
    turns = [abs(scene.viewpoints[-1].yaw - scene.viewpoints[0].yaw) for scene in scenes]
    elevations = [view.elevation for scene in scenes for view in scene.viewpoints]
    assert STEP[0] <= min(steps) < 0.1
    assert 0.33 < max(steps) <= STEP[1]
    assert 5 <= min(turns) < 10
    assert 70 < max(turns) <= MAX_TURN
    assert 0 <= min(elevations) <= max(elevations) <= MAX_ELEVATION


def test_figure_that_shows_nothing_is_an_error(renderer):
    class Ghost:
        def pose(self, phase):
            return []

    with pytest.raises(DataError, match="shows nothing"):
        shoot(Ghost(), plan_scene(2, np.random.default_rng(0)), renderer)


class Games:
    """Stands in for a game of many kinds."""

    def __init__(self):
        self.animals = {f"animal {number}": ["fauna/a.xml"] for number in range(20)}
        self.animals["horse"] = [f"fauna/horse_{number}.xml" for number in range(16)]
        self.people = {f"role {number}": ["units/x/b.xml"] for number in range(60)}


def test_plan_is_the_same_each_time_mixed_and_gives_every_kind_a_share():
    planned, again = plan([Games()], 4000), plan([Games()], 4000)
    assert [item.object for item in planned] == [item.object for item in again]
    assert len({(item.kind, item.object) for item in planned}) == len(planned)
    assert len(planned) == pytest.approx(4000, abs=50)
    animals = [not item.kind.startswith("role") for item in planned]
    assert np.mean(animals) == pytest.approx(ANIMALS, abs=0.02)
    assert np.mean(animals[:1000]) == pytest.approx(ANIMALS, abs=0.05)
    counts = {kind: sum(item.kind == kind for item in planned) for kind in ("horse", "animal 1")}
    assert counts["horse"] / counts["animal 1"] == pytest.approx(4, abs=0.1)


@pytest.fixture
def games(tmp_path, monkeypatch):
    """A tiny archive of 0 A.D. and a folder of MegaGlest with a cow and an archer; two views."""
    monkeypatch.setattr(making, "VIEWS", 2)
    monkeypatch.setattr(mega_glest, "ANIMALS", {"tech": "cow"})
    monkeypatch.setattr(mega_glest, "PEOPLE", {"tech": "archer"})
    for unit in ("cow", "archer"):
        write_unit(tmp_path / f"factions/tech/units/{unit}")
    archive = write_archive(tmp_path / "public.zip", zero_ad_files())
    return archive, tmp_path / "factions"


def test_cut_outs_are_objects_of_their_kinds(renderer, games, tmp_path):
    lines = []
    results = make_cutouts(*games, tmp_path / "made", lines.append, objects=6)
    assert results == {"rendered": 6, "still": 1}
    assert lines == ["7 of 7 objects"]
    objects = list(Cutouts(tmp_path / "made").objects())
    assert {thing.label for thing in objects} == {
        "lion",
        "wolf",
        "gauls_cavalry",
        "glest_tech_cow",
        "glest_tech_archer",
    }
    assert [len(thing.views) for thing in objects] == [2] * 6
    view = cv2.imread(str(objects[0].views[0].picture), cv2.IMREAD_UNCHANGED)
    assert view.shape[2] == 4


def test_interrupted_making_goes_on_and_makes_nothing_twice(renderer, games, tmp_path):
    output = tmp_path / "made"
    make_cutouts(*games, output, lambda line: None, objects=6)
    folders = sorted(path.parent for path in output.rglob("view_00.png"))
    before = {path: path.read_bytes() for path in output.rglob("*.png")}
    cut_short = folders[3].rename(folders[3].with_name(f"{folders[3].name}.part"))
    (cut_short / "view_01.png").unlink()
    kept = {path: path.stat().st_mtime_ns for path in folders[0].iterdir()}
    results = make_cutouts(*games, output, lambda line: None, objects=6)
    assert results == {"there": 5, "rendered": 1, "still": 1}
    assert {path: path.read_bytes() for path in output.rglob("*.png")} == before
    assert {path: path.stat().st_mtime_ns for path in folders[0].iterdir()} == kept


def test_broken_figure_is_left_out_and_its_file_named(renderer, games, tmp_path):
    model = games[1] / "tech/units/cow/models/unit_walking.g3d"
    model.write_bytes(model.read_bytes()[:200])
    lines = []
    results = make_cutouts(*games, tmp_path / "made", lines.append, objects=6)
    assert results["broken"] == 1
    assert str(model) in lines[0]
    assert lines[0].startswith("glest_tech_cow_000 is left out")


def test_games_of_which_nothing_can_be_made_are_an_error(renderer, games, tmp_path):
    archive, factions = games
    files = zero_ad_files() | {"art/animation/wave.dae.cached.psa": WAVE[:50]}
    write_archive(archive, files)
    for model in factions.rglob("*.g3d"):
        model.write_bytes(b"")
    with pytest.raises(DataError, match="none could be made"):
        make_cutouts(archive, factions, tmp_path / "made", lambda line: None, objects=6)


def test_missing_unit_is_named(tmp_path):
    with pytest.raises(DataError, match=r"egypt/units/chicken"):
        MegaGlest(tmp_path)


def test_missing_renderer_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(DataError, match=r"moderngl.*autrack_ros\[train\].*libegl1"):
        Renderer()
