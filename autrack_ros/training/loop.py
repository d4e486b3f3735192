"""From a configuration to a file of weights: the steps of a training, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import torch

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.fear import WIDTH, FearSiamFCpp
from autrack_ros.networks.lite import LayeredSiamese
from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.presets import Preset, find_preset
from autrack_ros.tracking.runtimes import resolve_device
from autrack_ros.training.calibrate import calibrate, save_weights
from autrack_ros.training.config import OptimizationSettings, TrainingConfig, load_config
from autrack_ros.training.learning.features import FeatureCache, FrozenLayers
from autrack_ros.training.learning.feed import CachedFeed, Feed, LiveFeed
from autrack_ros.training.learning.initial import load_initial
from autrack_ros.training.learning.processes import ALONE, Processes, joined
from autrack_ros.training.learning.slimming import slimmed
from autrack_ros.training.learning.trainer import Trainer
from autrack_ros.training.pairs.bank import CropBank
from autrack_ros.training.pairs.maker import PairMaker
from autrack_ros.training.pairs.sheet import pair_sheet
from autrack_ros.training.sources import SOURCE_KINDS, Source
from autrack_ros.training.validation.clips import film_clips
from autrack_ros.training.validation.held_out import held_out
from autrack_ros.training.validation.made_clips import make_clips
from autrack_ros.training.validation.measuring import ValidationSet

Report = Callable[[str, int, int, str], None]  # stage, steps done, steps in all, note


def _silent(stage: str, done: int, total: int, note: str) -> None:
    pass


def train(
    config_path: Path, output_dir: Path, device: str = "auto", report: Report = _silent
) -> Path:
    """Train the model that a configuration describes, or go on with an interrupted training.

    Args:
        config_path: YAML, see ``config``.
        output_dir: gets the weights (safetensors, with the calibration of their score),
            ``log.csv``, ``learning_curve.png``, ``validation.json``, ``reliability.png`` and a
            checkpoint.
        device: auto, cpu, cuda or cuda:N.
        report: called as the work goes on.

    Returns:
        The weights file.

    Raises:
        ConfigurationError, DataError, CheckpointError, TrainingError: see where they are defined.
    """
    with joined(torch.device(resolve_device(device))) as (processes, own_device):
        return _train(config_path, output_dir, own_device, processes, report)


def _train(
    config_path: Path, output_dir: Path, device: torch.device, processes: Processes, report: Report
) -> Path:
    config = load_config(config_path)
    preset = find_preset(config.preset)
    settings = config.optimization
    report = report if processes.is_first else _silent
    torch.manual_seed(settings.seed)
    network = make_network(preset, wide=config.slimming is not None)
    frozen, layers = settings.frozen_layers, network.basemodel.layer_count
    if frozen > layers:
        raise ConfigurationError(f"optimization.frozen_layers = {frozen}: must be 0..{layers}")
    load_initial(network, config.initial)
    initial = {key: value.clone() for key, value in network.state_dict().items()}
    sources = read_sources(config)
    with processes.first_alone():  # it packs the crops that all read
        bank = load_crops(config, sources, report)
    maker = PairMaker(bank, config.pairs, device, preset.settings.box_windows)
    clips = validation_set(config, sources)
    trainer = Trainer(
        network,
        make_feed(config, maker, network, report, processes),
        preset.loss,
        settings,
        output_dir,
        lambda averaged: clips.evaluate(averaged, preset).auc,
        config.validation.every,
        device,
        processes,
    )
    trainer.run(lambda done, total, note: report("training", done, total, note))
    weights = output_dir / preset.checkpoint
    trained = trainer.averaged
    share_weights(trained, initial, settings.initial_share)
    if config.slimming is not None:
        schedule = replace(config, optimization=config.slimming)
        feed = make_feed(schedule, maker, trained, report, processes)
        trained = slim(
            trained, feed, preset, config.slimming, output_dir, device, processes, report
        )
    if not processes.is_first:
        return weights
    report("calibration", 0, 1, "")
    fitted = calibrate(trained, preset, clips, output_dir)
    metadata = {"configuration": config_path.read_text(encoding="utf-8"), **fitted}
    save_weights(trained, metadata, weights)
    report("calibration", 1, 1, "" if fitted else "none, see validation.json")
    return weights


def slim(
    wide: LayeredSiamese,
    feed: Feed,
    preset: Preset,
    settings: OptimizationSettings,
    output_dir: Path,
    device: torch.device,
    processes: Processes,
    report: Report,
) -> LayeredSiamese:
    """The network with narrower towers, which have learnt to do as the wide ones.

    Args:
        wide: a ``FearSiamFCpp``, trained; its weights are written to ``wide.safetensors``.
        feed: gives the batches.
        preset: of the network.
        settings: schedule and batches.
        output_dir: gets a folder ``slimming`` as that of a training.
        device: where the towers are trained.
        processes: that train them together.
        report: called as the work goes on.
    """
    assert isinstance(wide, FearSiamFCpp)
    if processes.is_first:
        save_weights(wide, {}, output_dir / "wide.safetensors")
    student = slimmed(wide, next(iter(feed.validation())), settings.frozen_layers)
    trainer = Trainer(
        student,
        feed,
        preset.loss,
        settings,
        output_dir / "slimming",
        device=device,
        processes=processes,
        teacher=wide,
    )
    trainer.run(lambda done, total, note: report("slimming", done, total, note))
    return trainer.averaged


def share_weights(
    network: LayeredSiamese, initial: Mapping[str, torch.Tensor], share: float
) -> None:
    """Move a trained network's weights towards those that it started from.

    What a tracker learnt from millions of frames is not lost to the few that it is trained on after
    (WiSE-FT: Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).

    Args:
        network: trained; changed in place.
        initial: its state before.
        share: of the initial weights, 0..1.
    """
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(initial[key].to(value.device), share)


def show_pairs(config_path: Path, picture: Path) -> None:
    """Write a sheet of the first training pairs: template, search region and the target's box."""
    config = load_config(config_path)
    windows = find_preset(config.preset).settings.box_windows
    bank = load_crops(config, read_sources(config))
    maker = PairMaker(bank, config.pairs, box_windows=windows)
    cv2.imwrite(str(picture), pair_sheet(maker))


def read_sources(config: TrainingConfig) -> list[Source]:
    """The data sets that a configuration names.

    Raises:
        DataError: a set is missing, empty or damaged.
    """
    return [SOURCE_KINDS[entry.kind](entry.folder, entry.name) for entry in config.sources]


def load_crops(
    config: TrainingConfig, sources: Sequence[Source], report: Report = _silent
) -> CropBank:
    """All crops to train on: those packed before, or made of the sources and packed."""
    if config.crops is not None and config.crops.is_dir():
        return CropBank.load(config.crops)
    report("crops", 0, 1, "")
    never = partial(held_out, films=config.validation.films)
    bank = CropBank.build(sources, config.backgrounds, never)
    if config.crops is not None:
        bank.save(config.crops)
        del bank  # not both in memory
        bank = CropBank.load(config.crops)  # packing rounds pixels: the same ones from now on
    skipped = f"; {len(bank.skipped)} broken pictures skipped" if bank.skipped else ""
    report("crops", 1, 1, f"{len(bank)} crops{skipped}")
    return bank


def validation_set(config: TrainingConfig, sources: Sequence[Source]) -> ValidationSet:
    """Clips of what is held out of the training.

    Raises:
        DataError: nothing is held out, a set lacks a film, or a picture cannot be read.
    """
    kept = [
        thing for source in sources for thing in source.objects() if held_out(source.name, thing)
    ]
    settings = config.validation
    cutouts = [thing for thing in kept if thing.views[0].box is None]
    photos = [path for folder in config.backgrounds for path in sorted(folder.glob("*.jpg"))]
    made = make_clips(cutouts, photos, settings.made_clips, settings.seed) if cutouts else []
    return ValidationSet([*film_clips(sources, settings.films), *made])


def make_feed(
    config: TrainingConfig,
    maker: PairMaker,
    network: LayeredSiamese,
    report: Report = _silent,
    processes: Processes = ALONE,
) -> Feed:
    """The batches: cached features of the frozen layers, or composed on the spot.

    The latter on a GPU, and where several processes train together.
    """
    settings = config.optimization
    frozen = FrozenLayers(network, settings.frozen_layers)
    is_cached = maker.device.type == "cpu" and processes.count == 1
    if config.features is None or settings.frozen_layers == 0 or not is_cached:
        return LiveFeed(maker, frozen, settings)
    cache = FeatureCache(
        config.features,
        maker,
        frozen,
        config.workers,
        report=lambda done, total: report("features", done, total, ""),
    )
    return CachedFeed(cache, settings)


def make_network(preset: Preset, wide: bool = False) -> LayeredSiamese:
    """The preset's network with random weights.

    Args:
        preset: one of the project's own.
        wide: with towers as wide as those of FEAR-XS, to be slimmed.

    Raises:
        ConfigurationError: it is one of the official networks, whose training is not ours, or one
            that is not slimmed.
    """
    network = NETWORKS[preset.network]()
    if wide and not isinstance(network, FearSiamFCpp):
        raise ConfigurationError(f"slimming: the towers of {preset.name} are not slimmed")
    if wide:
        network = FearSiamFCpp(WIDTH)
    if not isinstance(network, LayeredSiamese):
        raise ConfigurationError(
            f"preset = {preset.name!r}: only the project's own networks are trained here; "
            "the weights of the official ones come from their authors"
        )
    return network
