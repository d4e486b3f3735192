from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.config import load_config
from autrack_ros.training.sources.base import TrainingObject, View
from autrack_ros.training.sources.boxes import Boxes
from autrack_ros.training.validation.clips import film_clips
from autrack_ros.training.validation.held_out import DEFORMING, Film, held_out, read_films

HERE = Path(__file__).parents[3]
LIST = HERE / "config/training/held_out_films.yaml"
TRAIN_BOXES = HERE.parent / "shared/data/train_boxes"
STREET = Film("films", "street", 0, "vehicle", True)


def test_families_of_cutouts_are_held_out_together():
    def stamp(name: str) -> TrainingObject:
        return TrainingObject(name, "animals", [View(Path(name), None)])

    words = [f"{first}{second}" for first in "bcdfghklmn" for second in ("ow", "at", "it", "ub")]
    out = [word for word in words if held_out("stamps", stamp(f"animals/{word}.png"))]
    assert 1 <= len(out) <= 10
    for word in words:
        same = {
            held_out("stamps", stamp(f"{word}{ending}"))
            for ending in (".png", "_white.png", "2.png")
        }
        assert len(same) == 1


def test_models_of_a_label_are_held_out_together():
    def model(label: str, name: str) -> TrainingObject:
        views = [View(Path(f"{name}/view_{number}.png"), None) for number in range(3)]
        return TrainingObject(f"{label}/{name}", label, views)

    for label in ("chair", "oven", "bed", "lamp", "car", "plane"):
        assert len({held_out("models", model(label, name)) for name in ("a", "b", "c")}) == 1


@pytest.mark.parametrize(
    ("clip", "expected"), [("street", True), ("street2", False), (None, False)]
)
def test_of_real_objects_those_in_a_named_film_are_held_out_whatever_their_track(clip, expected):
    views = [View(Path("a.jpg"), Box(0, 0, 20, 20))] * 2
    for source in ("films", "elsewhere"):
        for track in (0, 7):
            thing = TrainingObject(f"{clip}/{track}", "any", views, clip)
            assert held_out(source, thing, [STREET]) is expected
            assert not held_out(source, thing)


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


ENTRY = "{set: films, film: street, target: 0, kind: vehicle, lookalikes: true}"


def test_a_list_of_films_is_read(tmp_path):
    other = "{set: films, film: street, target: 1, kind: person, lookalikes: false}"
    path = write(tmp_path / "list.yaml", f"films:\n  - {ENTRY}\n  - {other}\n")
    first, second = read_films(path)
    assert first == STREET
    assert first.attributes == ("vehicle", "lookalikes")
    assert second.object_name == "street/1"
    assert second.attributes == ("person", "people_and_animals")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("films: []", r"films = \[\]: must be a list"),
        ("- a", "films = None"),
        ("films: [", "list of films"),
        (f"films: [{ENTRY}, {ENTRY}]", "film 2: street/0 is named twice"),
        (f"films: [{ENTRY.replace('vehicle', 'ghost')}]", "film 1: kind = 'ghost': accepted is"),
        (f"films: [{ENTRY.replace('true', 'some')}]", "film 1: lookalikes = 'some': must be true"),
        (f"films: [{ENTRY.replace('set', 'source')}]", "film 1: .*'source'"),
        ("films: [street]", "film 1: "),
    ],
)
def test_a_wrong_list_is_an_error_that_names_file_and_film(tmp_path, content, message):
    path = write(tmp_path / "list.yaml", content)
    with pytest.raises(ConfigurationError, match=rf"list\.yaml.*{message}|{message}.*list\.yaml"):
        read_films(path)


def test_a_configuration_names_the_list(tmp_path):
    films = write(tmp_path / "list.yaml", f"films: [{ENTRY}]")
    head = "sources: [{name: a, kind: boxes, folder: a}]\nvalidation: "
    config = load_config(write(tmp_path / "a.yaml", head + f"{{films: {films}}}"))
    assert config.validation.films == (STREET,)
    assert load_config(write(tmp_path / "b.yaml", head + "{seed: 1}")).validation.films == ()
    with pytest.raises(ConfigurationError, match=r"c\.yaml: validation: films = None: must be"):
        load_config(write(tmp_path / "c.yaml", head + "{films: null}"))
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        load_config(write(tmp_path / "d.yaml", head + "{films: missing.yaml}"))


def test_the_list_is_of_people_and_animals_and_of_lookalikes():
    films = read_films(LIST)
    assert len(films) >= 36
    assert sum(film.kind in DEFORMING for film in films) >= len(films) / 2
    assert sum(film.lookalikes for film in films) >= len(films) / 3
    assert len({film.film for film in films}) == len(films), "a film counts once"
    assert min(Counter(film.kind for film in films).values()) >= 3


@pytest.mark.skipif(not TRAIN_BOXES.is_dir(), reason="needs ../shared/data/train_boxes")
def test_the_films_of_the_list_are_whole():
    films = read_films(LIST)
    clips = film_clips([Boxes(TRAIN_BOXES / name) for name in ("vos_short", "clips")], films)
    assert [clip.name for clip in clips] == [film.object_name for film in films]
    for clip in clips:
        height, width = next(clip.frames).shape[:2]
        assert len(clip.files) >= 8
        assert (clip.truth[:, :2] > -2).all()
        assert (clip.truth[:, :2] + clip.truth[:, 2:] < (width + 2, height + 2)).all()
