"""What the choices in the default network are worth: variants of it, the same small training each.

    python -m benchmarks.ablations config/training/ablations.yaml [--only NAME ...] [--json FILE]

Accuracy is that on held-out pairs and clips, without update; time is that of the network alone in
OpenVINO on 1 thread, all variants in turns. What was trained and tracked before, below
``--output-dir``, is not done again.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from autrack_ros.evaluation.peers.networks import infer_request
from autrack_ros.evaluation.statistics import interval
from autrack_ros.networks.backbones.efficientnet_lite import EfficientNetLite0
from autrack_ros.networks.head import DenseboxHead
from autrack_ros.networks.layers import conv_bn_relu
from autrack_ros.networks.lite import (
    TEMPLATE_SIZE,
    FineCoarse,
    LiteSiamFCpp,
    pixelwise_correlation,
    separable_block,
)
from autrack_ros.networks.siamese import Prediction, SearchFeatures
from autrack_ros.networks.siamfcpp import depthwise_correlation
from autrack_ros.tracking import AutrackError, Box, TrackingEngine
from autrack_ros.tracking.presets import Preset, find_preset
from autrack_ros.tracking.runtimes.openvino_runtime import import_openvino
from autrack_ros.tracking.runtimes.torch_runtime import TorchRuntime
from autrack_ros.training.config import TrainingConfig, load_config
from autrack_ros.training.learning.feed import Feed
from autrack_ros.training.learning.initial import IMAGENET, load_initial
from autrack_ros.training.learning.trainer import Trainer
from autrack_ros.training.loop import (
    load_crops,
    make_feed,
    make_network,
    read_sources,
    validation_set,
)
from autrack_ros.training.pairs.maker import PairMaker
from autrack_ros.training.validation.measuring import ValidationSet
from benchmarks.machine import describe_machine
from benchmarks.peers.ours import export_frame
from benchmarks.peers.speed import Clip, positive, time_in_turns

WIDTH = 96  # channels of the shipped network
TOWER_CONVS = 3


class Rewired(LiteSiamFCpp):
    """The shipped network with other inputs of its towers, of so many channels."""

    def __init__(self, matched_channels: int) -> None:
        super().__init__(EfficientNetLite0())
        bias = self.head.get_parameter("cls_score_p5.bn.bias")
        self.head = DenseboxHead(
            matched_channels, WIDTH, (True,) * TOWER_CONVS, self.stride, separable_block
        )
        self.head.get_parameter("cls_score_p5.bn.bias").data.copy_(bias)


class WithoutBox(Rewired):
    """Only the template's crop says what the target is."""

    def __init__(self) -> None:
        super().__init__((TEMPLATE_SIZE // self.stride) ** 2 + WIDTH)

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """As shipped, but for coverage and sides of the target's box."""
        (search_map,) = search.maps
        matched = torch.cat((pixelwise_correlation(search_map, template[0]), search_map), dim=1)
        return self.head(matched, matched, search.size)


class DepthWise(Rewired):
    """SiamFC++'s correlation, whose maps do not know of the box either; response 9x9."""

    def __init__(self) -> None:
        super().__init__(WIDTH)

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """Correlation alone, as the original."""
        matched = depthwise_correlation(search.maps[0], template[0])
        return self.head(matched, matched, search.size)


class DepthWiseBox(Rewired):
    """Depth-wise correlation with all other inputs of the shipped network; response 9x9."""

    def __init__(self) -> None:
        super().__init__(3 * WIDTH + 2)

    def predict(self, template: tuple[torch.Tensor, ...], search: SearchFeatures) -> Prediction:
        """Template cells inside and outside the box apart; search features half a cell aside."""
        (search_map,) = search.maps
        template_map, coverage, log_sides = template
        target = template_map * coverage.reshape(-1, 1, *template_map.shape[2:])
        split = [
            depthwise_correlation(search_map, part) for part in (target, template_map - target)
        ]
        rows, columns = split[0].shape[2:]
        top, left = (search_map.shape[2] - rows) // 2, (search_map.shape[3] - columns) // 2
        middle = search_map[:, :, top : top + rows, left : left + columns]
        sides = log_sides[..., None, None].expand(len(search_map), -1, rows, columns)
        matched = torch.cat((*split, middle, sides), dim=1)
        return self.head(matched, matched, search.size)


class Stride8(LiteSiamFCpp):
    """Response 32x32; the template's map and coverage are averaged to the shipped 8x8 cells."""

    def __init__(self) -> None:
        super().__init__(EfficientNetLite0())
        self.stride = self.head.stride = 8
        self.template_cells *= 2
        fine = self.basemodel.out_channels[0]
        self.lateral8 = conv_bn_relu(fine, WIDTH, 3, padding=1, relu=False)

    def merge(self, features: FineCoarse) -> torch.Tensor:
        """Stride-8 and stride-16 backbone maps -> one (B, width, H/8, W/8) map."""
        fine, coarse = features
        return self.lateral8(fine) + F.interpolate(self.lateral16(coarse), scale_factor=2.0)

    def template_from_features(
        self, features: FineCoarse, corners: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """As shipped."""
        merged, coverage, sides = super().template_from_features(features, corners)
        cells = coverage.unflatten(1, (self.template_cells, self.template_cells))
        return F.avg_pool2d(merged, 2), F.avg_pool2d(cells, 2).flatten(1), sides


def light(width: int = WIDTH) -> LiteSiamFCpp:
    """The network on the backbone that all variants are compared on."""
    return LiteSiamFCpp(EfficientNetLite0(), width)


@dataclass(frozen=True, slots=True)
class Variant:
    """A network, and how it is used.

    Attributes:
        build: makes it with random weights.
        folder: of its training; variants that share it share the weights.
        search_size: side of the search region it tracks with. All are trained with 256.
    """

    build: Callable[[], LiteSiamFCpp]
    folder: str
    search_size: int = 256


VARIANTS: Mapping[str, Variant] = {
    "as shipped": Variant(light, "shipped"),
    "without the target's box": Variant(WithoutBox, "without_box"),
    "depth-wise correlation": Variant(DepthWise, "depthwise"),
    "depth-wise, with the box": Variant(DepthWiseBox, "depthwise_box"),
    "width 64": Variant(functools.partial(light, width=64), "width64"),
    "width 144": Variant(functools.partial(light, width=144), "width144"),
    "search 192": Variant(light, "shipped", 192),
    "search 320": Variant(light, "shipped", 320),
    "stride 8": Variant(Stride8, "stride8"),
}


def preset_of(variant: Variant, preset: Preset) -> Preset:
    """The preset with the variant's search size."""
    return replace(preset, settings=replace(preset.settings, search_size=variant.search_size))


def trained(variant: Variant, folder: Path, feed: Feed, config: TrainingConfig) -> Trainer:
    """Train a variant, or read it where that is done."""
    torch.manual_seed(config.optimization.seed)
    network = variant.build()
    load_initial(network, IMAGENET)
    preset = find_preset(config.preset)
    trainer = Trainer(network, feed, preset.loss, config.optimization, folder / variant.folder)
    trainer.run(lambda done, total, note: say(f"{variant.folder}: {done} of {total}, {note}"))
    return trainer


def measure(trainer: Trainer, clips: ValidationSet, preset: Preset) -> dict[str, Any]:
    """Parameters in millions, overlap on validation pairs, success AUC of every clip."""
    network = trainer.averaged
    tracked = clips.evaluate(network, preset)
    return {
        "parameters": sum(value.numel() for value in network.parameters()) / 1e6,
        "pair_iou": trainer.validate()[1],
        "real": {result.clip.name: result.auc for result in tracked.clips if not result.clip.made},
        "made": {result.clip.name: result.auc for result in tracked.clips if result.clip.made},
    }


def time_variants(variants: Mapping[str, Variant], preset: Preset, frames: int) -> dict[str, float]:
    """Median milliseconds a frame of each variant's network; weights do not matter."""
    core, clip = import_openvino().Core(), Clip()
    runs = []
    for variant in variants.values():
        own = preset_of(variant, preset)
        runtime = TorchRuntime(variant.build().eval(), own)
        target = TrackingEngine(runtime, own).start(clip.frame(0), Box(*clip.box(0)))
        model, inputs = export_frame(runtime.network, target, own.settings.search_size)
        infer = infer_request(core, model).infer
        runs.append(functools.partial(infer, inputs, share_inputs=True, share_outputs=True))
    return dict(zip(variants, time_in_turns(runs, frames), strict=True))


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a variant; the differences are those of all clips, from the first row."""
    lines = [
        "| variant | parameters, M | IoU, pairs | AUC, real clips | AUC, made clips "
        "| difference, 95 % | ms | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    base = next(iter(results.values()))
    for name, result in results.items():
        real, made = (np.array(list(result[kind].values())) for kind in ("real", "made"))
        reference = [*base["real"].values(), *base["made"].values()]
        difference = np.concatenate([real, made]) - reference
        low, high = interval(difference)
        apart = f"{difference.mean():+.3f} ({low:.3f} to {high:.3f})" if result is not base else ""
        lines.append(
            f"| {name} | {result['parameters']:.3f} | {result['pair_iou']:.3f} "
            f"| {real.mean():.3f} | {made.mean():.3f} | {apart} "
            f"| {result['ms']:.2f} | {result['ms'] / base['ms']:.2f} |"
        )
    return "\n".join(lines)


def say(text: str) -> None:
    """Progress, beside the table."""
    print(f"{time.strftime('%X')} {text}", file=sys.stderr, flush=True)


def figures_of(variant: Variant, output_dir: Path) -> Path:
    """The file of what was measured of a variant."""
    return output_dir / variant.folder / f"search{variant.search_size}.json"


def train_and_measure(
    variants: Sequence[Variant], config: TrainingConfig, preset: Preset, output_dir: Path
) -> None:
    """Write the figures of variants."""
    sources = read_sources(config)
    clips = validation_set(config, sources)
    network = make_network(preset)
    load_initial(network, IMAGENET)
    # Every variant has the same frozen backbone, so that all learn from the same features.
    feed = make_feed(config, PairMaker(load_crops(config, sources), config.pairs), network)
    for variant in variants:
        trainer = trained(variant, output_dir, feed, config)
        result = measure(trainer, clips, preset_of(variant, preset))
        figures_of(variant, output_dir).write_text(json.dumps(result), encoding="utf-8")


def run(config_path: Path, names: Sequence[str], output_dir: Path, frames: int) -> dict[str, Any]:
    """Train, track and time variants.

    Raises:
        AutrackError: of the configuration, the data or a training.
    """
    config = load_config(config_path)
    preset = find_preset(config.preset)
    variants = {name: VARIANTS[name] for name in names}
    missing = [one for one in variants.values() if not figures_of(one, output_dir).is_file()]
    if missing:
        train_and_measure(missing, config, preset, output_dir)
    milliseconds = time_variants(variants, preset, frames)
    return {
        name: json.loads(figures_of(variant, output_dir).read_text(encoding="utf-8"))
        | {"ms": milliseconds[name]}
        for name, variant in variants.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=VARIANTS, default=[*VARIANTS])
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path(".cache/training/ablations"),
        help="what is in it was made with this configuration (default %(default)s)",
    )
    parser.add_argument("--frames", type=positive, default=300, help="that are timed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, clip by clip")
    arguments = parser.parse_args()
    try:
        results = run(arguments.config, arguments.only, arguments.output_dir, arguments.frames)
    except AutrackError as error:
        parser.error(str(error))
    print(f"{describe_machine()}\n\n{table(results)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
