"""The study of the template update: its arms, its rows, its page, and the clips made for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
import yaml
from pictures import textured_image

from autrack_ros.tracking import AdaptationSettings, Box, load_engine
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.sources.base import TrainingObject, View
from autrack_ros.training.validation.made_clips import make_clips
from benchmarks.template_update import __main__ as command
from benchmarks.template_update import rows
from benchmarks.template_update.arms import adapt, loss_of, network_of
from benchmarks.template_update.cases import read_cases, start
from benchmarks.template_update.cost import measure_cost
from benchmarks.template_update.paired import difference
from benchmarks.template_update.rows import Result, Row, Study
from benchmarks.template_update.settings import Arm, load_settings

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "config/study/template_update.yaml"
SHIPPED = AdaptationSettings(steps=3, support_crops=3)
BOX = Box(60, 40, 40, 32)
SHORT = {"steps": 2, "support_crops": 2}
ARMS = [
    {"name": "no update", "kind": "none", "method": "none"},
    {"name": "shipped update", "kind": "pixels", **SHORT},
    {"name": "random signs", "kind": "random_sign", **SHORT},
    {"name": "features", "kind": "features", "rate": 0.01, **SHORT},
    {"name": "head", "kind": "head", "rate": 1e-4, **SHORT},
]
NAMES = [arm["name"] for arm in ARMS]


@pytest.fixture(scope="module")
def engine():
    return load_engine(device="cpu", runtime="torch")


@pytest.fixture(scope="module")
def started(engine):
    image = textured_image(160, 200, 0)
    return image, engine.start(image, BOX)


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Three short sequences, no made clips, and five arms."""
    for number in range(3):
        folder = tmp_path / f"data/sequence{number}"
        (folder / "img").mkdir(parents=True)
        image = textured_image(160, 200, number)
        for frame in range(4):
            cv2.imwrite(str(folder / f"img/{frame:06d}.png"), np.roll(image, 2 * frame, axis=1))
        boxes = [f"{60 + 2 * frame},40,40,32\n" for frame in range(4)]
        (folder / "groundtruth.txt").write_text("".join(boxes), encoding="utf-8")
    path = tmp_path / "study.yaml"
    content = {
        "dataset": str(tmp_path / "data"),
        "pictures": "nowhere",
        "events": ["rotation"],
        "made_clips": 0,
        "sweep_clips": 0,
        "frames": 40,
        "seed": 0,
        "later_frames": 2,
        "arms": ARMS,
        "tables": [{"title": "All of them", "arms": NAMES[1:]}],
        "compared": NAMES[1:],
        "costed": [],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    path.with_suffix(".md").write_text("It does no harm.", encoding="utf-8")
    return path


def run(settings_file: Path, monkeypatch, *options: str) -> Path:
    """The command; its page."""
    page = settings_file.parent / "docs/page.md"
    page.parent.mkdir(exist_ok=True)
    results = settings_file.parent / "results"
    arguments = ["study", settings_file, "--page", page, "--results", results, *options]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    threads = torch.get_num_threads()
    try:
        command.main()
    finally:
        torch.set_num_threads(threads)
    return page


def change_setting(settings_file: Path, **values) -> None:
    content = yaml.safe_load(settings_file.read_text(encoding="utf-8"))
    settings_file.write_text(yaml.safe_dump({**content, **values}), encoding="utf-8")


def test_the_page_has_the_conclusion_that_the_next_run_would_put_there():
    written = SETTINGS.with_suffix(".md").read_text(encoding="utf-8").strip()
    page = (ROOT / "docs/template_update.md").read_text(encoding="utf-8")
    assert f"## Conclusion\n\n{written}\n\n## " in page


def test_the_committed_settings_are_accepted_and_hold_every_arm_the_study_asks_for():
    settings = load_settings(SETTINGS)
    steps = {arm.adaptation.steps for arm in settings.arms if arm.kind == "pixels"}
    crops = {arm.adaptation.support_crops for arm in settings.arms}
    assert {arm.kind for arm in settings.arms} == {
        *("none", "pixels", "random_sign", "features", "head")
    }
    assert {4, 16} <= steps
    assert {1, 6} <= crops
    assert {arm.adaptation.loss for arm in settings.arms} == {"training", "mtp"}
    shipped = next(arm for arm in settings.arms if arm.name == "shipped update")
    assert shipped.adaptation == AdaptationSettings()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("frame", 40, "unknown key.*frame"),
        ("arms", [{"name": "a", "kind": "pixels"}], "first must be of kind none"),
        ("arms", [ARMS[0], {"name": "b", "kind": "magic"}], "magic.*accepted is one of none"),
        ("arms", [ARMS[0], {"name": "b", "kind": "head"}], "rate 0.0: accepted is above 0"),
        ("arms", [ARMS[0], {"name": "b", "kind": "pixels", "step": 1}], "unknown key.*step"),
        ("arms", [*ARMS, ARMS[1]], "twice"),
        ("compared", ["nobody"], "no arm is called.*nobody"),
    ],
)
def test_settings_that_make_no_study_are_refused(settings_file, key, value, message):
    change_setting(settings_file, **{key: value})
    with pytest.raises(ConfigurationError, match=message):
        load_settings(settings_file)


def test_no_update_leaves_target_and_engine_alone(engine, started):
    image, target = started
    adapted = adapt(engine, image, target, Arm("none", "none", SHIPPED))
    assert adapted.target is target
    assert adapted.engine is engine


def test_pixels_are_updated_as_the_tracker_does_it(engine, started):
    image, target = started
    adapted = adapt(engine, image, target, Arm("p", "pixels", SHIPPED))
    shipped, _ = engine.adapt(image, target, SHIPPED)
    np.testing.assert_array_equal(adapted.target.adapted_template, shipped.adapted_template)
    assert all(map(np.array_equal, adapted.target.features, shipped.features))
    assert adapted.values == 3 * 128 * 128


def test_random_signs_change_every_pixel_as_much_as_the_update_but_not_the_same_way(
    engine, started
):
    image, target = started
    update, control, other = (
        adapt(engine, image, target, Arm("a", kind, SHIPPED), seed).target.adapted_template
        for kind, seed in (("pixels", 0), ("random_sign", 1), ("random_sign", 2))
    )
    inside = (target.template > 8) & (target.template < 247)  # nothing is cut off at 0 or 255
    sizes = [np.abs(template - target.template)[inside] for template in (update, control)]
    np.testing.assert_allclose(*sizes, atol=1e-3, rtol=0)
    moved = inside & (update != target.template)
    same = (np.sign(update - target.template) == np.sign(control - target.template))[moved]
    assert 0.4 < same.mean() < 0.6
    assert not np.array_equal(control, other)


def test_a_feature_update_changes_the_feature_map_and_nothing_else(engine, started):
    image, target = started
    adapted = adapt(engine, image, target, Arm("f", "features", SHIPPED, rate=0.01)).target
    before, after = target.features[0], adapted.features[0]
    assert 0 < np.abs(after - before).max() <= 3 * 0.01 * before.std(ddof=1) + 1e-6
    assert all(map(np.array_equal, adapted.features[1:], target.features[1:]))
    assert np.array_equal(adapted.adapted_template, target.template)


def test_fine_tuning_changes_the_head_of_a_copy(engine, started):
    image, target = started
    before = {name: value.clone() for name, value in network_of(engine).state_dict().items()}
    arm = Arm("h", "head", SHIPPED, rate=1e-4)
    adapted = adapt(engine, image, target, arm)
    tuned = network_of(adapted.engine).state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, tuned[name])}
    assert changed
    assert all(name.startswith("head.") for name in changed)
    now = network_of(engine).state_dict()
    assert all(torch.equal(value, now[name]) for name, value in before.items())
    assert adapted.values == sum(v.numel() for n, v in before.items() if n.startswith("head."))
    assert not any(value.requires_grad for value in network_of(adapted.engine).parameters())


@pytest.mark.parametrize(
    "arm",
    [
        Arm("f", "features", SHIPPED, rate=0.005),
        Arm("h", "head", SHIPPED, rate=1e-4),
        Arm("s", "head", SHIPPED, rate=1e-5, optimizer="sgd"),
    ],
)
def test_the_loss_on_the_support_crops_falls(engine, started, arm):
    image, target = started
    adapted = adapt(engine, image, target, arm)
    before = loss_of(engine, target, adapted.search, adapted.targets)
    after = loss_of(adapted.engine, adapted.target, adapted.search, adapted.targets)
    assert after < before


@pytest.mark.parametrize("kind", ["features", "head"])
def test_steps_that_raise_the_loss_are_taken_back(engine, started, kind):
    image, target = started
    adapted = adapt(engine, image, target, Arm("a", kind, SHIPPED, rate=50.0))
    before = loss_of(engine, target, adapted.search, adapted.targets)
    after = loss_of(adapted.engine, adapted.target, adapted.search, adapted.targets)
    assert after == pytest.approx(before, rel=1e-5)


def test_the_later_loss_is_taken_around_the_truth_of_later_frames(settings_file, engine):
    case = read_cases(load_settings(settings_file))[0]
    begin = start(engine, case, later_frames=2)
    assert np.array_equal(begin.target.template, engine.start(begin.image, BOX).template)
    assert len(begin.later_targets.boxes) == 4  # two crops a frame
    middle = begin.later_targets.boxes[2]
    box = middle[begin.later_targets.cls[2] > 0][0]
    assert float(box[::2].mean()) == pytest.approx(127.5, abs=0.5)  # the centred crop of a frame
    assert float(box[1::2].mean()) == pytest.approx(127.5, abs=0.5)
    # The target moves with the whole image, so its surroundings look as they did at first.
    first, _ = engine.support(begin.image, begin.target, AdaptationSettings(support_crops=1))
    apart = (begin.later_search.maps[0][2] - first.maps[0][0]).abs().mean()
    assert apart < 0.2 * first.maps[0].std()


def test_a_study_gives_a_page_with_every_arm_and_is_not_done_twice(settings_file, monkeypatch):
    page = run(settings_file, monkeypatch)
    text = page.read_text(encoding="utf-8")
    assert "Unfinished" not in text
    assert "It does no harm." in text
    assert all(f"| {name} | " in text for name in NAMES)
    assert "3 dev_sequences" in text
    for image in ("page_auc.png", "page_overfitting.png"):
        assert f"images/{image}" in text
        assert cv2.imread(str(page.parent / "images" / image)) is not None

    def never(*_):
        raise AssertionError("a row that is done was done again")

    monkeypatch.setattr(rows, "adapt", never)
    assert run(settings_file, monkeypatch).read_text(encoding="utf-8") == text
    change_setting(settings_file, later_frames=1)
    with pytest.raises(AssertionError):
        run(settings_file, monkeypatch)


def test_an_interrupted_study_goes_on_where_it_was(settings_file, monkeypatch):
    few, names = ARMS[:2], NAMES[1:2]
    tables = [{"title": "Two of them", "arms": names}]
    change_setting(settings_file, arms=few, tables=tables, compared=names)
    calls, real = [], rows.adapt

    def interrupted(engine, image, target, arm, seed):
        calls.append(arm.name)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(engine, image, target, arm, seed)

    monkeypatch.setattr(rows, "adapt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(settings_file, monkeypatch)
    run(settings_file, monkeypatch)
    assert len(calls) == 3 * len(few) + 1
    assert calls[4:6] == ["shipped update"] * 2


def test_a_page_of_an_unfinished_study_says_so(settings_file, monkeypatch):
    real = rows.adapt

    def interrupted(engine, image, target, arm, seed):
        if arm.kind == "head":
            raise KeyboardInterrupt
        return real(engine, image, target, arm, seed)

    monkeypatch.setattr(rows, "adapt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(settings_file, monkeypatch)
    text = run(settings_file, monkeypatch, "--page-only").read_text(encoding="utf-8")
    assert "**Unfinished**: of 5 arms 1" in text
    assert "through all their sequences: head. " in text
    assert "| head | " not in text


def test_without_update_the_row_is_that_of_the_tracker(settings_file, engine):
    settings = load_settings(settings_file)
    cases = read_cases(settings)
    study = Study(settings, settings_file.parent / "results", lambda: (engine, cases))
    row = study.row(settings.arms[0])
    for case in cases:
        first, *images = case.frames
        target = engine.start(first, Box(*case.truth[0]))
        boxes = [target.first_box]
        for image in images:
            ((target, result),) = engine.follow(image, [target])
            boxes.append(result.box)
        overlaps = rows.ious(np.array(boxes), case.truth)
        assert row.results[case.name].auc == rows.success_auc(overlaps)
    (file,) = (settings_file.parent / "results").glob("row_*.json")
    assert json.loads(file.read_text(encoding="utf-8"))["content"]["done"]


def test_differences_are_paired_and_count_clear_changes():
    def row(aucs: list[float]) -> Row:
        results = {str(i): Result(auc, (1, 1), (1, 1), 0) for i, auc in enumerate(aucs)}
        return Row(results, 0, "", True)

    found = difference(row([0.5, 0.62, 0.7, 0.1]), row([0.5, 0.6, 0.71, 0.104]), list("0123"))
    assert found.mean == pytest.approx((0.02 - 0.01 - 0.004) / 4)
    assert (found.cases, found.better, found.worse) == (4, 1, 1)
    assert found.least == pytest.approx(-0.01)
    assert found.low < found.mean < found.high
    assert found.verdict == "no difference shown"
    assert difference(row([0.6] * 4), row([0.5] * 4), list("0123")).verdict == "better"
    assert difference(row([0.4] * 4), row([0.5] * 4), list("0123")).verdict == "worse"


def test_cost_is_measured_in_a_process_of_its_own(settings_file):
    settings = load_settings(settings_file)
    cost = measure_cost(settings, settings.arms[-1], read_cases(settings)[0])
    assert cost.values > 80_000
    assert cost.peak_mb > 1
    assert cost.total_ms > cost.step_ms >= 0  # a difference of two times
    assert cost.ready_ms > 0


# --- the clips made for it


def write_cutout(path: Path, color: tuple[int, int, int], turned: float = 0) -> View:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((120, 160, 4), np.uint8)
    cv2.ellipse(image, (80, 60), (round(70 - 20 * turned), 50), 0, 0, 360, (*color, 255), -1)
    cv2.imwrite(str(path), image)
    return View(path, None)


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> tuple[list[TrainingObject], list[Path]]:
    folder = tmp_path_factory.mktemp("stage")
    colors = {"ball": (40, 250, 40), "red": (30, 30, 220), "blue": (220, 60, 30)}
    objects = [
        TrainingObject(name, name, [write_cutout(folder / f"{name}/0.png", color)])
        for name, color in colors.items()
    ]
    background = folder / "grey.png"
    cv2.imwrite(str(background), np.full((300, 420, 3), 90, np.uint8))
    return objects, [background]


def test_lone_events_leave_the_target_uncovered_and_do_what_they_say(stage):
    events = ("distractors", "rotation", "illumination")
    clips = make_clips(*stage, count=6, seed=1, frames=40, events=events)
    for clip, event in zip(clips, events * 2, strict=True):
        assert clip.attributes[0] == event
        assert "look_alike" not in clip.attributes
        brightness = np.array([frame.mean() for frame in clip.frames])
        changes_much = brightness.max() > 1.5 * brightness.min()
        assert changes_much == (event == "illumination")
        if event == "rotation":
            assert "in_plane_rotation" in clip.attributes
        if event != "distractors":  # which may pass in front of it
            assert clip.visible.min() > 0.9


def test_the_clips_of_the_training_are_what_they_were(stage):
    default = make_clips(*stage, count=3, seed=1, frames=40)
    events = ("partial_occlusion", "full_occlusion", "out_of_view")
    named = make_clips(*stage, count=3, seed=1, frames=40, events=events)
    assert [clip.files for clip in default] == [clip.files for clip in named]


def test_an_unknown_event_is_refused(stage):
    with pytest.raises(ConfigurationError, match=r"earthquake.*accepted are partial_occlusion"):
        make_clips(*stage, count=1, seed=1, frames=40, events=("earthquake",))
