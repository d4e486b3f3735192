"""A small training as a program: ``FOLDER OUTPUT``; alone, or two by torchrun.

Alone it takes the batches that two would take as one.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from small_training import EASY, QUICK, keep_alive

from autrack_ros.networks.backbones.efficientnet_lite import EfficientNetLite0
from autrack_ros.networks.lite import LiteSiamFCpp
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.training.learning.features import FeatureBatch, FrozenLayers
from autrack_ros.training.learning.feed import LiveFeed
from autrack_ros.training.learning.processes import joined
from autrack_ros.training.learning.trainer import Trainer
from autrack_ros.training.pairs.bank import CropBank
from autrack_ros.training.pairs.maker import PairMaker
from autrack_ros.training.sources.boxes import Boxes

STEPS = 4
BATCH = 4


class JoinedFeed:
    """Two batches of another feed as one."""

    def __init__(self, feed: LiveFeed) -> None:
        self.identity, self._feed = feed.identity, feed
        self.validation, self.rounds = feed.validation, feed.rounds

    def training(self, iteration: int) -> FeatureBatch:
        first, second = (self._feed.training(2 * iteration + part) for part in (0, 1))
        joined_maps = (
            tuple(map(torch.cat, zip(a, b, strict=True)))
            for a, b in ((first.template, second.template), (first.search, second.search))
        )
        rest = ("template_corners", "corners", "negative")
        values = (torch.cat((getattr(first, name), getattr(second, name))) for name in rest)
        return FeatureBatch(*joined_maps, *values)


def main(folder: Path, output: Path) -> None:
    """Train; the log has the losses of every step."""
    for name, module in list(sys.modules.items()):
        if name.startswith("autrack_ros.training") and hasattr(module, "BATCH"):
            module.BATCH = BATCH  # type: ignore[attr-defined]
    with joined(torch.device("cpu")) as (processes, device):
        settings = replace(
            QUICK,
            pairs=BATCH * STEPS * processes.count,
            validation_pairs=BATCH,
            passes=1,
            learning_rate=5e-4,  # Adam's first steps make as much of rounding as of gradients
            log_every=1,
            save_every=100,
        )
        torch.manual_seed(0)
        network = LiteSiamFCpp(EfficientNetLite0())
        bank = CropBank.build([Boxes(folder / "blocks")], [folder / "photos"])
        maker = PairMaker(bank, EASY)
        keep_alive(network, maker)
        live = LiveFeed(maker, FrozenLayers(network, 12), settings)
        feed = live if processes.count == 2 else JoinedFeed(live)
        own = output if processes.is_first else output / "other"
        trainer = Trainer(network, feed, LossSettings(), settings, own, None, 1, device, processes)
        trainer.run()
        torch.save(trainer.network.state_dict(), own / "weights.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
