"""Training of the heads from cached features; resumable."""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autrack_ros.tracking.errors import AutrackError, CheckpointError
from autrack_ros.tracking.losses import Losses, overlap_of, tracking_loss
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.tracking.siamese import Prediction, SiameseNetwork, response_grid
from autrack_ros.tracking.targets import make_targets
from autrack_ros.training.cache import FeatureBatch, FeatureCache
from autrack_ros.training.config import OptimizationSettings
from autrack_ros.training.curve import draw_learning_curve
from autrack_ros.training.pairs import SEARCH_SIZE

LOG_FIELDS = (
    "iteration", "pairs", "learning_rate", "loss", "cls", "ctr", "reg",
    "validation_loss", "validation_iou", "pairs_per_second",
)  # fmt: skip


class TrainingError(AutrackError):
    """A training that cannot go on."""


class HeadTrainer:
    """Trains all of a network but its backbone, from cached features of the backbone.

    Pairs 0..validation_pairs-1 of the cache are for validation, the following ones for training.

    Args:
        network: with the backbone's weights; trained in place.
        cache: filled.
        loss: weights of the loss terms.
        settings: schedule and batches.
        output_dir: gets ``checkpoint.pt``, ``log.csv`` and ``learning_curve.png``. A checkpoint
            found there is gone on from.

    Raises:
        CheckpointError: the checkpoint found was made with other settings or other features.
    """

    def __init__(
        self,
        network: SiameseNetwork,
        cache: FeatureCache,
        loss: LossSettings,
        settings: OptimizationSettings,
        output_dir: Path,
    ) -> None:
        self.network = network.train()
        self.cache = cache
        self.loss = loss
        self.settings = settings
        self.output_dir = output_dir
        output_dir.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(settings.threads)
        network.requires_grad_(True)
        network.basemodel.requires_grad_(False)
        self.averaged = copy.deepcopy(network).eval()
        self._trained = [p for p in network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._trained, settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._batches_per_pass = settings.pairs // settings.batch
        self.iterations = settings.passes * self._batches_per_pass
        self.iteration = 0
        self._identity = {**asdict(settings), **asdict(loss), "features": cache.folder.name}
        self._rows: list[dict[str, float | str]] = []
        self._resume()

    def run(self, report: Callable[[int, int, str], None] = lambda done, total, note: None) -> None:
        """Train to the end.

        Args:
            report: called with the iterations done and wanted, and the last losses in words.

        Raises:
            TrainingError: the loss is not finite; the last checkpoint is kept.
        """
        settings = self.settings
        sums, count, since = np.zeros(4), 0, time.perf_counter()
        for batch in self._batches():
            losses = self._step(batch)
            sums += [loss.item() for loss in (losses.total, *losses)]
            count += 1
            self.iteration += 1
            last = self.iteration == self.iterations
            saves = self.iteration % settings.save_every == 0 or last
            if self.iteration % settings.log_every == 0 or saves:
                speed = count * settings.batch / (time.perf_counter() - since)
                self._log(sums / count, speed, self.validate() if saves else None)
                report(self.iteration, self.iterations, f"loss {sums[0] / count:.3f}")
                sums, count, since = np.zeros(4), 0, time.perf_counter()
            if saves:
                self._save()

    def validate(self) -> tuple[float, float]:
        """Loss of the averaged weights on the validation pairs, and their mean overlap.

        The overlap, 0..1, is that of the box at the best-scored cell with the target, over the
        pairs that show the target.
        """
        losses, overlaps = [], []
        size = self.settings.batch
        for start in range(0, self.settings.validation_pairs - size + 1, size):
            batch = self.cache.batch(range(start, start + size))
            with torch.inference_mode():
                prediction = self._predict(self.averaged, batch)
                losses.append(self._loss(prediction, batch).total.item())
            present = ~batch.negative
            overlaps += _best_overlap(prediction, batch.corners)[present].tolist()
        return float(np.mean(losses)), float(np.mean(overlaps))

    def _step(self, batch: FeatureBatch) -> Losses:
        settings = self.settings
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        losses = self._loss(self._predict(self.network, batch), batch)
        if not torch.isfinite(losses.total):
            raise TrainingError(
                f"the loss is {losses.total.item()} at iteration {self.iteration}: lower "
                f"optimization.learning_rate ({settings.learning_rate})"
            )
        self._optimizer.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(self._trained, 10.0)
        self._optimizer.step()
        self._average()
        return losses

    def _learning_rate(self) -> float:
        settings = self.settings
        rise = min(1.0, (self.iteration + 1) / settings.warmup) if settings.warmup else 1.0
        fall = (1 + math.cos(math.pi * self.iteration / self.iterations)) / 2
        return settings.learning_rate * rise * fall

    def _average(self) -> None:
        decay = min(self.settings.ema_decay, (self.iteration + 1) / (self.iteration + 10))
        current = self.network.state_dict()
        with torch.no_grad():
            for key, value in self.averaged.state_dict().items():
                if key.startswith("basemodel."):
                    continue
                if value.is_floating_point():
                    value.lerp_(current[key], 1 - decay)
                else:
                    value.copy_(current[key])

    def _predict(self, network: SiameseNetwork, batch: FeatureBatch) -> Prediction:
        template = network.template_from_features(batch.template)
        search = network.search_from_features(batch.search, SEARCH_SIZE)
        return network.predict(template, search)

    def _loss(self, prediction: Prediction, batch: FeatureBatch) -> Losses:
        rows, cols = prediction.cls.shape[1:]
        points = response_grid(rows, cols, SEARCH_SIZE, self.network.stride)
        targets = make_targets(batch.corners, points, batch.negative)
        return tracking_loss(prediction, targets, self.loss)

    def _batches(self) -> Iterator[FeatureBatch]:
        """The remaining batches; the next one is read while one is in use."""
        numbers = self._numbers()
        with ThreadPoolExecutor(1) as reader:
            pending = None
            for chosen in numbers:
                following = reader.submit(self.cache.batch, chosen)
                if pending is not None:
                    yield pending.result()
                pending = following
            if pending is not None:
                yield pending.result()

    def _numbers(self) -> Iterator[list[int]]:
        settings = self.settings
        for iteration in range(self.iteration, self.iterations):
            in_pass = iteration % self._batches_per_pass
            if in_pass == 0 or iteration == self.iteration:
                generator = np.random.default_rng(
                    (settings.seed, iteration // self._batches_per_pass)
                )
                order = generator.permutation(settings.pairs) + settings.validation_pairs
            start = in_pass * settings.batch
            yield order[start : start + settings.batch].tolist()

    def _log(
        self, losses: np.ndarray, speed: float, validation: tuple[float, float] | None
    ) -> None:
        values: list[float | str] = [
            self.iteration,
            self.iteration * self.settings.batch,
            f"{self._optimizer.param_groups[0]['lr']:.3e}",
            *(f"{value:.4f}" for value in losses),
            *(f"{value:.4f}" for value in validation or ()),
            *([""] * (0 if validation else 2)),
            f"{speed:.0f}",
        ]
        self._rows.append(dict(zip(LOG_FIELDS, values, strict=True)))

    def _save(self) -> None:
        state = {
            "identity": self._identity,
            "iteration": self.iteration,
            "model": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rows": self._rows,
        }
        partial = self.output_dir / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.output_dir / "checkpoint.pt")
        with (self.output_dir / "log.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, LOG_FIELDS)
            writer.writeheader()
            writer.writerows(self._rows)
        draw_learning_curve(self._rows, self.output_dir / "learning_curve.png")

    def _resume(self) -> None:
        path = self.output_dir / "checkpoint.pt"
        if not path.is_file():
            return
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity:
            changed = [
                key for key, value in self._identity.items() if state["identity"].get(key) != value
            ]
            raise CheckpointError(
                f"{path} was made with other settings ({', '.join(changed)}); go on with the old "
                "ones, or choose another output folder"
            )
        self.iteration = state["iteration"]
        self.network.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._rows = state["rows"]


def _best_overlap(prediction: Prediction, corners: torch.Tensor) -> torch.Tensor:
    """(B,) overlap, 0..1, of the box at the best-scored cell with the target."""
    best = prediction.score.flatten(1).argmax(dim=1)
    boxes = prediction.boxes.flatten(1, 2)[torch.arange(len(best)), best]
    return overlap_of(boxes, corners)
