"""A training that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch

from autrack_ros.networks.lite import LiteSiamFCpp
from autrack_ros.training.config import OptimizationSettings
from autrack_ros.training.pairs.maker import PairMaker, PairSettings

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


def write_photos(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(1)
    for number in range(count):
        coarse = generator.integers(60, 120, (10, 12, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), cv2.resize(coarse, (480, 400)))
    return folder


EASY = PairSettings(
    source_weights={"blocks": 1.0},
    negative_share=0,
    distractor=0,
    lookalike=0,
    occluder=0,
    shift=0.15,
    scale=0.1,
)


QUICK = OptimizationSettings(
    pairs=32,
    validation_pairs=8,
    passes=1,
    frozen_layers=12,
    learning_rate=0.005,
    warmup=5,
    backbone_warmup=5,
    ema_decay=0.9,
    threads=1,
    log_every=5,
    save_every=20,
)


def keep_alive(network: LiteSiamFCpp, maker: PairMaker) -> None:
    """Random weights shrink what passes eleven blocks, but for statistics of real crops."""
    network.basemodel.train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        network.basemodel(maker.batch(0).search)
    network.eval()
