import csv
import os
import stat
import sys
from collections import Counter
from functools import partial

import cv2
import numpy as np
import pytest

from autrack_ros.training import fetch as fetch_module
from autrack_ros.training.fetch import PACKAGES, fetch, unpack
from autrack_ros.training.pictures.animated import making, mega_glest
from autrack_ros.training.pictures.animated.making import make_cutouts
from autrack_ros.training.pictures.animated.renderer import Renderer
from autrack_ros.training.sources import DataError

ALL = ("tuxpaint-stamps", "sprites", "backgrounds", "models", "animated")


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """Stand-ins for apt-get and dpkg: a package is a folder in the folder that is returned."""
    packages = tmp_path / "debian"
    packages.mkdir()
    programs = tmp_path / "programs"
    programs.mkdir()
    scripts = {
        "apt-get": f'test -d "{packages}/$3" || {{ echo "E: Unable to locate package $3" >&2; '
        'exit 100; }; echo "$3" > "$3_1_all.deb"',
        "dpkg": f'cp -r "{packages}/$(cat "$2")/." "$3"',
    }
    for name, script in scripts.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return packages


@pytest.fixture
def no_debian(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def put(path, height=80, width=80, channels=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, channels), 128, np.uint8))


def add_sprites(debian):
    images = debian / "endless-sky-data/usr/share/games/endless-sky/images"
    for name in ("ship/hawk", "ship/ark-0", "ship/ark-1", "outfit/pump", "outfit/harvested ore"):
        put(images / f"{name}.png")
    put(images / "outfit/speck.png", 20, 20)
    for number in range(3):
        put(images / f"asteroid/large rock/spin-{number:02d}.png")
    notice = debian / "endless-sky-data/usr/share/doc/endless-sky-data/copyright"
    notice.parent.mkdir(parents=True)
    notice.write_text("Copyright: the artists")
    return images


def have(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)


def test_failed_download_is_said_in_words(debian, tmp_path):
    with pytest.raises(DataError, match=r"(?s)apt-get download nothing.*Unable to locate package"):
        unpack("nothing", tmp_path / "unpacked")


def test_system_without_debian_packages_is_said_in_words(no_debian, tmp_path):
    with pytest.raises(DataError, match="Debian"):
        fetch(tmp_path / "training")


def test_nothing_incomplete_is_left_after_a_failure(debian, tmp_path):
    add_sprites(debian)  # but not what the backgrounds need
    folder = tmp_path / "training"
    have(folder, "tuxpaint-stamps", "models", "animated")
    with pytest.raises(DataError, match="lomiri-wallpapers"):
        fetch(folder, lambda line: None)
    assert sorted(path.name for path in folder.iterdir()) == [
        "animated",
        "models",
        "sprites",
        "tuxpaint-stamps",
    ]


def test_what_exists_is_not_fetched_again(no_debian, tmp_path):
    have(tmp_path, *ALL)
    (tmp_path / "models/mine.txt").write_text("kept")
    fetch(tmp_path)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine.txt"]


def test_frames_of_an_animation_are_views_of_one_object(debian, tmp_path):
    add_sprites(debian)
    folder = tmp_path / "training"
    have(folder, *(set(ALL) - {"sprites"}))
    fetch(folder)
    sprites = folder / "sprites"
    assert sorted(path.relative_to(sprites).as_posix() for path in sprites.rglob("*.png")) == [
        "asteroid/large_rock/view_00.png",
        "asteroid/large_rock/view_01.png",
        "asteroid/large_rock/view_02.png",
        "outfit/pump.png",
        "ship/ark/view_00.png",
        "ship/ark/view_01.png",
        "ship/hawk.png",
    ]
    assert (sprites / "endless-sky-data.copyright").read_text() == "Copyright: the artists"


def test_stamps_are_copied_with_their_folders(debian, tmp_path):
    put(debian / "tuxpaint-stamps-default/usr/share/tuxpaint/stamps/animals/cat.png")
    folder = tmp_path / "training"
    have(folder, *(set(ALL) - {"tuxpaint-stamps"}))
    fetch(folder)
    assert (folder / "tuxpaint-stamps/animals/cat.png").is_file()


def test_backgrounds_are_reduced(tmp_path):
    put(tmp_path / "My Photo.JPG", 600, 2048, 3)
    put(tmp_path / "small.jpg", 100, 100, 3)
    (tmp_path / "broken.jpg").write_text("no picture")
    output = tmp_path / "backgrounds"
    output.mkdir()
    photos = [tmp_path / name for name in ("My Photo.JPG", "small.jpg", "broken.jpg")]
    fetch_module._write_backgrounds("here", photos, output, side=200)
    assert [path.name for path in output.iterdir()] == ["here_my_photo.jpg"]
    assert cv2.imread(str(output / "here_my_photo.jpg")).shape == (300, 1024, 3)


def test_models_are_rendered(debian, tmp_path):
    pytest.importorskip("trimesh", reason="trimesh, of the extra [train], is not installed")
    pytest.importorskip("pybullet", reason="pybullet, of the extra [train], is not installed")
    from made_models import write_library

    models = debian / "sweethome3d-furniture/usr/share/sweethome3d/furniture"
    write_library(models)
    folder = tmp_path / "training"
    have(folder, *(set(ALL) - {"models"}))
    lines = []
    fetch(folder, lines.append)
    assert len(list((folder / "models/toy_cube/things_cube").glob("view_*.png"))) == 12
    with (folder / "models/models.csv").open(encoding="utf-8") as file:
        assert [row["creator"] for row in csv.DictReader(file)] == ["An\u00e4"]
    library = next(models.glob("*.sh3f")).stem
    assert lines == [
        "models: set 1 of 1",
        "models: downloading sweethome3d-furniture",
        f"models: 1 of 1 in {library}",
        "models: 1 rendered",
    ]


@pytest.fixture
def figures(debian, monkeypatch):
    """Tiny packages of both games; six objects are planned, of two views each."""
    pytest.importorskip("PIL", reason="pillow, of the extra [train], is not installed")
    try:
        with Renderer():
            pass
    except DataError as error:
        pytest.skip(f"no OpenGL through EGL: {error}")
    from tiny_figures import write_archive, write_unit, zero_ad_files

    public = debian / "0ad-data/usr/share/games/0ad/mods/public/public.zip"
    write_archive(public, zero_ad_files())
    factions = "megaglest-data/usr/share/games/megaglest/techs/megapack/factions"
    for unit in ("cow", "archer"):
        write_unit(debian / factions / "tech/units" / unit)
    monkeypatch.setattr(mega_glest, "ANIMALS", {"tech": "cow"})
    monkeypatch.setattr(mega_glest, "PEOPLE", {"tech": "archer"})
    monkeypatch.setattr(making, "VIEWS", 2)
    monkeypatch.setattr(fetch_module, "make_cutouts", partial(make_cutouts, objects=6))


def test_animated_figures_are_rendered(figures, tmp_path):
    folder = tmp_path / "training"
    have(folder, *(set(ALL) - {"animated"}))
    lines = []
    fetch(folder, lines.append)
    assert (folder / "animated/glest_tech_cow/glest_tech_cow_000/view_01.png").is_file()
    assert lines[-2:] == ["animated: 7 of 7 objects", "animated: 6 rendered, 1 still"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(ALL)


def test_interrupted_rendering_of_figures_goes_on(figures, tmp_path, monkeypatch):
    folder = tmp_path / "training"
    have(folder, *(set(ALL) - {"animated"}))
    draw, drawn = Renderer.draw, []

    def interrupted(self, views):
        drawn.append(1)
        if len(drawn) == 4:
            raise KeyboardInterrupt
        return draw(self, views)

    monkeypatch.setattr(Renderer, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(folder)
    assert not (folder / "animated").exists()
    lines = []
    fetch(folder, lines.append)
    assert len(drawn) == 4 + 3  # the four of the first run, of which three were finished
    assert lines[-1] == "animated: 3 there, 3 rendered, 1 still"
    assert sorted(path.name for path in folder.iterdir()) == sorted(ALL)


def test_a_fetch_says_how_far_it_is(debian, tmp_path, monkeypatch):
    """Sets, downloads, and models of a library: hours may lie between the first and the last."""
    (debian / "tuxpaint-stamps-default/usr/share/tuxpaint/stamps").mkdir(parents=True)
    (debian / "sweethome3d-furniture").mkdir()

    def rendering(unpacked, output, report):
        for done in range(1, 201):
            report("chairs", done, 200)
        return Counter(rendered=200)

    monkeypatch.setattr(fetch_module, "render_libraries", rendering)
    have(tmp_path / "training", "sprites", "backgrounds", "animated")
    lines = []
    fetch(tmp_path / "training", lines.append)
    assert lines == [
        "tuxpaint-stamps: set 1 of 2",
        "tuxpaint-stamps: downloading tuxpaint-stamps-default",
        "models: set 2 of 2",
        "models: downloading sweethome3d-furniture",
        *(f"models: {done} of 200 in chairs" for done in (80, 160, 200)),
        "models: 200 rendered",
    ]


def test_missing_renderer_is_said_before_anything_is_downloaded(debian, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    folder = tmp_path / "training"
    have(folder, *(set(ALL) - {"animated"}))
    lines = []
    with pytest.raises(DataError, match="moderngl"):
        fetch(folder, lines.append)
    assert not [line for line in lines if "downloading" in line]
    assert not (folder / "animated.part").exists()


def test_every_package_states_its_licence_and_authors():
    assert len({package.name for package in PACKAGES}) == len(PACKAGES)
    for package in PACKAGES:
        assert package.license
        assert package.attribution
