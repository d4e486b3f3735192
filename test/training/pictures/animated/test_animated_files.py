"""Files of 0 A.D. and MegaGlest: meshes, animations, actors and models."""

import struct

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pillow, of the extra [train], is not installed")

from tiny_figures import (
    ARM,
    BALL,
    NO_BONE,
    QUARTER_TURN,
    WAVE,
    actor,
    body,
    bone,
    g3d,
    pmd,
    psa,
    variant,
    write_archive,
    write_unit,
    zero_ad_files,
)

from autrack_ros.training.pictures.animated.actors import Actors
from autrack_ros.training.pictures.animated.animation import read_animation
from autrack_ros.training.pictures.animated.archive import Archive
from autrack_ros.training.pictures.animated.glest import read_glest
from autrack_ros.training.pictures.animated.mega_glest import GlestFigure
from autrack_ros.training.pictures.animated.mesh import read_mesh
from autrack_ros.training.pictures.animated.skeleton import STILL
from autrack_ros.training.pictures.animated.surface import Opacity
from autrack_ros.training.pictures.animated.zero_ad import ZeroAd
from autrack_ros.training.sources import DataError

TRIANGLE = [((0, 0, 0), (0, 0), [0], [1])] * 3
SQUARE = [(-1, 0, 0), (1, 0, 0), (1, 2, 0), (-1, 2, 0)]
UV = [(0, 0), (1, 0), (1, 1), (0, 1)]


def test_mesh_has_its_texture_the_right_way_up():
    mesh = read_mesh(ARM, "arm.pmd")
    assert mesh.positions[4].tolist() == pytest.approx([0.4, 2, 0])
    assert mesh.uv[[0, 4]].tolist() == [[0, 1], [1, 0]]  # v runs from the bottom in the file
    assert mesh.triangles.shape == (6, 3)


def test_bone_moves_the_vertices_that_hang_at_it_by_their_weights():
    mesh = read_mesh(ARM, "arm.pmd")
    # Half of the wave: the lower bone has turned by 45 degrees about (0, 1, 0).
    positions, normals = mesh.bent(read_animation(WAVE, "wave.psa").pose(0.25), STILL)
    half = np.sqrt(0.5)
    turned = np.array([0.4 * half - half, 1 + 0.4 * half + half, 0])
    assert positions[0] == pytest.approx([-0.4, 0, 0])
    assert positions[4] == pytest.approx(turned, abs=1e-6)
    joint = np.array([0.4 * half, 1 + 0.4 * half, 0])
    assert positions[2] == pytest.approx((joint + np.array([0.4, 1, 0])) / 2, abs=1e-6)
    assert normals[4] == pytest.approx([0, 0, 1], abs=1e-6)


def test_vertex_without_a_bone_moves_with_the_whole_alone():
    mesh = read_mesh(BALL, "ball.pmd")
    place = STILL.copy()
    place[:3, 3] = 1, 2, 3
    positions, _ = mesh.bent(mesh.rest, place)
    assert positions[2] == pytest.approx([1, 2.2, 3])


def test_animation_goes_round_at_its_end():
    wave = read_animation(WAVE, "wave.psa")
    assert wave.pose(1.25) == pytest.approx(wave.pose(0.25))
    assert wave.pose(0.75) == pytest.approx(wave.pose(0.25), abs=1e-6)  # on its way back


def test_quaternion_and_its_negative_are_one_rotation():
    negative = tuple(-value for value in QUARTER_TURN)
    still = read_animation(psa([bone((0, 0, 0), QUARTER_TURN)], [bone((0, 0, 0), negative)]), "a")
    assert still.pose(0.25) == pytest.approx(still.pose(0), abs=1e-6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ARM[:100], "100 bytes"),
        (b"PNG!" + ARM[4:], "begins with"),
        (pmd(TRIANGLE, [(0, 1, 2)], [bone((0, 0, 0))], version=3), "version 3"),
        (pmd(TRIANGLE, [(0, 1, 3)], [bone((0, 0, 0))]), "vertex that it lacks"),
        (pmd(TRIANGLE, [], [bone((0, 0, 0))]), "no triangle"),
        (pmd([], []), "0 vertices"),
        (pmd([((0, 0, 0), (0, 0), [7], [1])] * 3, [(0, 1, 2)], [bone((0, 0, 0))]), "bone"),
        (pmd(TRIANGLE, [(0, 1, 2)], [bone((0, 0, 0))], [("head", bone((0, 0, 0)), 9)]), "bone"),
        (pmd([((np.nan, 0, 0), (0, 0), [], [])] * 3, [(0, 1, 2)]), "finite"),
    ],
)
def test_broken_mesh_is_named(data, reason):
    with pytest.raises(DataError, match=rf"arm\.pmd: .*{reason}"):
        read_mesh(data, "arm.pmd")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (WAVE[:-1], "bytes"),
        (b"PSMD" + WAVE[4:], "begins with"),
        (psa([bone((0, 0, 0))], version=2), "version 2"),
        (psa([]), "1 frames of 0 bones"),
        (psa([bone((np.inf, 0, 0))]), "finite"),
    ],
)
def test_broken_animation_is_named(data, reason):
    with pytest.raises(DataError, match=rf"wave\.psa: .*{reason}"):
        read_animation(data, "wave.psa")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (g3d([SQUARE], UV, [(0, 1, 2)])[:-1], "bytes"),
        (g3d([SQUARE], UV, [(0, 1, 2)], version=3), "version 3"),
        (g3d([SQUARE], UV, [(0, 1, 4)]), "vertex that it lacks"),
        (b"G3D" + struct.pack("<BHB", 4, 0, 0), "no mesh"),
    ],
)
def test_broken_model_is_named(data, reason):
    with pytest.raises(DataError, match=rf"cow\.g3d: .*{reason}"):
        read_glest(data, "cow.g3d")


def test_model_moves_from_frame_to_frame(tmp_path):
    write_unit(tmp_path)
    figure = GlestFigure(tmp_path / "models/unit_walking.g3d")
    widths = [np.ptp(figure.pose(phase)[0].positions[:, 0]) for phase in (0, 0.25, 0.5, 0.75, 1)]
    assert widths == pytest.approx([2, 3, 4, 3, 2])


def test_model_without_a_texture_has_its_own_colour(tmp_path):
    path = tmp_path / "blue.g3d"
    path.write_bytes(g3d([SQUARE], UV, [(0, 1, 2)], color=(0, 0, 1)))
    assert GlestFigure(path).pose(0)[0].texture.image.tolist() == [[[0, 0, 255, 255]]]


def test_missing_texture_of_a_model_is_named(tmp_path):
    path = tmp_path / "cow.g3d"
    path.write_bytes(g3d([SQUARE], UV, [(0, 1, 2)], texture="hide.png"))
    with pytest.raises(DataError, match=r"hide\.png"):
        GlestFigure(path)


def choose(tmp_path, text, state="", seed=0, **others):
    """One form of the actor ``text``; ``others`` are further files, "__" for a slash."""
    files = {f"art/{name.replace('__', '/')}.xml": data for name, data in others.items()}
    files["art/actors/man.xml"] = text
    archive = Archive(write_archive(tmp_path / "public.zip", files))
    return Actors(archive).choose("man.xml", state, np.random.default_rng(seed))


def mesh_variant(mesh, **attributes):
    return variant(f"<mesh>{mesh}</mesh>", **attributes)


def test_variants_are_drawn_by_their_frequencies(tmp_path):
    group = mesh_variant("often", frequency=3) + mesh_variant("seldom", frequency=1)
    group += mesh_variant("never", frequency=0) + mesh_variant("nor", name="death_1", frequency=9)
    files = {"art/actors/man.xml": actor(group)}
    actors = Actors(Archive(write_archive(tmp_path / "public.zip", files)))
    rng = np.random.default_rng(0)
    drawn = [actors.choose("man.xml", "", rng).mesh for _ in range(200)]
    assert set(drawn) == {"often", "seldom"}
    assert 0.65 < drawn.count("often") / 200 < 0.85


def test_variant_of_the_state_is_taken_wherever_there_is_one(tmp_path):
    text = actor(
        mesh_variant("usual", frequency=1) + mesh_variant("digging", name="Gather_Ore"),
        variant("<animations><animation file='walk.dae' name='Walk'/></animations>", frequency=1),
    )
    chosen = choose(tmp_path, text, state="gather_ore")
    assert (chosen.mesh, chosen.motions()) == ("digging", ["walk"])


def test_variant_begins_with_what_its_file_says(tmp_path):
    chosen = choose(
        tmp_path,
        actor(variant("<mesh>own.dae</mesh>", file="base.xml")),
        variants__base=variant(
            "<mesh>base.dae</mesh><animations><animation file='run.dae' name='Run'/></animations>",
            file="root.xml",
        ),
        variants__root=variant(
            "<textures><texture file='a.png' name='baseTex'/></textures><color>255 0 51</color>"
        ),
    )
    assert chosen.mesh == "own.dae"
    assert chosen.texture == "a.png"
    assert chosen.color == (1, 0, 0.2)
    assert chosen.animations == {"run": [("run.dae", 1)]}


def test_later_prop_replaces_the_one_at_its_point_and_an_empty_one_removes_it(tmp_path):
    def props(*pairs):
        inner = "".join(f"<prop actor='{a}' attachpoint='{point}'/>" for a, point in pairs)
        return variant(f"<props>{inner}</props>")

    text = actor(
        props(("sword.xml", "hand"), ("hat.xml", "head"), ("cape.xml", "back")),
        props(("spear.xml", "hand"), ("", "head")),
    )
    things = {f"actors__{name}": actor(mesh_variant(name)) for name in ("spear", "cape")}
    chosen = choose(tmp_path, text, **things)
    assert [(point, prop.mesh) for point, prop in chosen.props] == [
        ("hand", "spear"),
        ("back", "cape"),
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("<actor><group>", r"actors/man\.xml"),
        (actor(variant(file="gone.xml")), r"variants/gone\.xml: there is no such file"),
        (actor(variant(file="loop.xml")), r"variants/loop\.xml"),
        (actor(variant(frequency="often")), r"actors/man\.xml: frequency 'often'"),
        (actor(variant("<color>red</color>")), r"actors/man\.xml: color 'red'"),
        (actor(variant(frequency="-1")), r"actors/man\.xml: frequency '-1'"),
    ],
)
def test_broken_actor_is_named(tmp_path, text, named):
    with pytest.raises(DataError, match=named):
        choose(tmp_path, text, variants__loop=variant(file="loop.xml"))


def game(tmp_path, **changes):
    """The tiny game with other files, "__" for a slash and "_" before the last part for a dot."""
    return ZeroAd(write_archive(tmp_path / "public.zip", zero_ad_files() | changes))


def test_kinds_are_animals_and_units_without_rank_and_no_engines_or_riders(tmp_path):
    made = game(tmp_path)
    assert made.animals == {
        "lion": ["fauna/lion.xml"],
        "wolf": ["fauna/arctic_wolf.xml"],
        "walrus": ["fauna/walrus.xml"],
    }
    assert made.people == {
        "gauls_cavalry": ["units/gauls/cavalry_b_m.xml", "units/gauls/cavalry_e_m.xml"]
    }


def test_rider_and_what_he_holds_move_with_the_mount(tmp_path):
    figure = game(tmp_path).figure("units/gauls/cavalry_b_m.xml", np.random.default_rng(0))
    mount, rider, ball = (surface.positions for surface in figure.pose(0.5))
    # The mount's hand has turned to (-1, 1); the rider sits there, turned by 90 degrees, and his
    # hand by 90 more: from (-1, 1) one to the left and one down.
    assert mount[5] == pytest.approx([-1, 0.6, 0], abs=1e-6)
    assert rider[0] == pytest.approx([-1, 0.6, 0], abs=1e-6)
    assert ball.mean(axis=0) == pytest.approx([-2, 0.0667, 0], abs=1e-3)


def test_left_handed_coordinates_are_mirrored(tmp_path):
    deep = pmd([((1, 2, z), (0, 0), [0], [1]) for z in (3, 4, 5)], [(0, 1, 2)], [bone((0, 0, 0))])
    files = {
        "art/meshes/arm.dae.cached.pmd": deep,
        "art/animation/wave.dae.cached.psa": psa([bone((0, 0, 0))]),
    }
    figure = game(tmp_path, **files).figure("fauna/lion.xml", np.random.default_rng(0))
    assert figure.pose(0)[0].positions[0].tolist() == [1, 2, -3]


@pytest.mark.parametrize(
    ("material", "opacity"),
    [
        ("<define name='USE_PLAYERCOLOR'/>", Opacity.TEAM_COLOR),
        ("<define name='USE_OBJECTCOLOR'/>", Opacity.OWN_COLOR),
        ("<define name='USE_TRANSPARENT'/>", Opacity.CUT),
        ("", Opacity.NONE),
    ],
)
def test_material_says_what_opacity_means(tmp_path, material, opacity):
    files = {"art/materials/default.xml": f"<material>{material}</material>"}
    figure = game(tmp_path, **files).figure("fauna/lion.xml", np.random.default_rng(0))
    assert figure.pose(0)[0].opacity == opacity


def test_actor_without_an_animation_is_none(tmp_path):
    assert game(tmp_path).figure("fauna/walrus.xml", np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("name", "data", "named"),
    [
        ("art/meshes/arm.dae.cached.pmd", b"PSMD", r"public\.zip: art/meshes/arm\.dae"),
        ("art/animation/wave.dae.cached.psa", b"", r"public\.zip: art/animation/wave\.dae"),
        ("art/textures/skins/skin.png.cached.dds", b"DDS", r"public\.zip: art/textures/skins/skin"),
        ("art/animation/wave.dae.cached.psa", psa([bone((0, 0, 0))]), r"wave\.dae has 1 bones"),
        ("art/actors/fauna/lion.xml", "<actor>", r"public\.zip: art/actors/fauna/lion\.xml"),
    ],
)
def test_broken_file_of_the_archive_is_named(tmp_path, name, data, named):
    made = game(tmp_path, **{name: data})
    with pytest.raises(DataError, match=named):
        made.figure("fauna/lion.xml", np.random.default_rng(0))


def test_missing_archive_is_named(tmp_path):
    with pytest.raises(DataError, match=r"public\.zip"):
        ZeroAd(tmp_path / "public.zip")


def test_archive_without_actors_is_named(tmp_path):
    with pytest.raises(DataError, match=r"public\.zip: it lacks actors"):
        ZeroAd(write_archive(tmp_path / "public.zip", {"readme.txt": "no game"}))


def test_prop_that_carries_itself_ends(tmp_path):
    files = {"art/actors/fauna/lion.xml": actor(body("fauna/lion.xml"))}
    figure = game(tmp_path, **files).figure("fauna/lion.xml", np.random.default_rng(0))
    assert len(figure.pose(0)) == 9


def test_unknown_point_carries_nothing(tmp_path):
    text = body("props/ball.xml").replace("'hand'", "'tail'")
    files = {"art/actors/fauna/lion.xml": actor(text)}
    figure = game(tmp_path, **files).figure("fauna/lion.xml", np.random.default_rng(0))
    assert len(figure.pose(0)) == 1


def test_point_without_a_bone_stays():
    mesh = read_mesh(ARM, "arm.pmd")
    assert mesh.points["root"][1] == len(mesh.rest)
    assert NO_BONE not in mesh.bones
