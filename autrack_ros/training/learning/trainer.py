"""Training of a network on batches of pairs; resumable."""

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

from autrack_ros.networks.lite import LayeredSiamese
from autrack_ros.networks.losses import Losses, overlap_of, tracking_loss
from autrack_ros.networks.siamese import Prediction
from autrack_ros.tracking.errors import AutrackError, CheckpointError
from autrack_ros.tracking.grid import response_grid
from autrack_ros.tracking.presets import LossSettings
from autrack_ros.tracking.targets import Targets, make_targets
from autrack_ros.tracking.threads import set_threads
from autrack_ros.training.config import OptimizationSettings
from autrack_ros.training.learning.curve import draw_learning_curve
from autrack_ros.training.learning.features import FeatureBatch, Maps
from autrack_ros.training.learning.feed import Feed
from autrack_ros.training.learning.processes import ALONE, Processes
from autrack_ros.training.learning.slimming import LABEL_WEIGHT, distillation_loss
from autrack_ros.training.pairs.maker import BATCH, SEARCH_SIZE

LOG_FIELDS = (
    "iteration", "pairs", "learning_rate", "loss", "cls", "ctr", "reg",
    "validation_loss", "validation_iou", "validation_auc", "pairs_per_second",
)  # fmt: skip


class TrainingError(AutrackError):
    """A training that cannot go on."""


Validate = Callable[[LayeredSiamese], float]  # averaged network -> tracking AUC, 0..1


class Trainer:
    """Trains a network but for the frozen layers of its backbone.

    The frozen layers' batch normalisation, and that of the backbone's trained ones, keeps its
    statistics: batches are small and full of pasted things.

    Args:
        network: with the backbone's weights; trained in place.
        feed: gives the batches.
        loss: weights of the loss terms.
        settings: schedule and batches.
        output_dir: gets ``checkpoint.pt``, ``log.csv`` and ``learning_curve.png``. A checkpoint
            found there is gone on from.
        track: tracks the validation clips, every ``track_every`` iterations and at the end.
        device: where the network trains; on a GPU the forward pass is in bfloat16.
        processes: that train it together, each on a batch of an iteration. The first alone
            validates and writes.
        teacher: a network with the same layers before the head. Then the head alone is trained, to
            do as the teacher's.

    Raises:
        CheckpointError: the checkpoint found was made with other settings or other pairs.
    """

    def __init__(
        self,
        network: LayeredSiamese,
        feed: Feed,
        loss: LossSettings,
        settings: OptimizationSettings,
        output_dir: Path,
        track: Validate | None = None,
        track_every: int = 1,
        device: torch.device | str = "cpu",
        processes: Processes = ALONE,
        teacher: LayeredSiamese | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.processes = processes
        # Channels last: 1.7 times as fast on a CPU. (torch's stubs lack this overload.)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        self.network.basemodel.eval()
        processes.join_normalisation(self.network)
        self.feed = feed
        self.loss = loss
        self.settings = settings
        self.output_dir = output_dir
        self.track = track
        self.track_every = track_every
        output_dir.mkdir(parents=True, exist_ok=True)
        set_threads(settings.threads)
        backbone = network.basemodel.layer_parameters(
            settings.frozen_layers, settings.backbone_kernels
        )
        learns = network if teacher is None else network.get_submodule("head")
        network.requires_grad_(False)  # what does not learn needs no gradient
        learns.requires_grad_(True)
        network.basemodel.requires_grad_(False)
        heads = [parameter for parameter in learns.parameters() if parameter.requires_grad]
        backbone = backbone if teacher is None else []
        for parameter in backbone:
            parameter.requires_grad_(True)
        self._teacher = None if teacher is None else teacher.to(self.device).eval()
        self._trained = [*heads, *backbone]
        self.averaged = copy.deepcopy(network).eval()
        self._optimizer = torch.optim.AdamW(
            [{"params": heads}, {"params": backbone}],
            settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.iterations = settings.rounds * settings.round_iterations // processes.count
        self.iteration = 0
        self._identity = {**asdict(settings), **asdict(loss), "feed": feed.identity}
        if processes.count > 1:
            self._identity["processes"] = processes.count
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
        sums, count, since = torch.zeros(4), 0, time.perf_counter()
        for batch in self._batches():
            losses = self._step(batch)
            sums += torch.stack((losses.total, *losses)).detach().cpu()
            count += 1
            self.iteration += 1
            last = self.iteration == self.iterations
            saves = self.iteration % settings.save_every == 0 or last
            tracks = self.track and (self.iteration % self.track_every == 0 or last)
            if not self.processes.is_first:
                continue
            if self.iteration % settings.log_every == 0 or saves or tracks:
                pairs = count * BATCH * self.processes.count
                speed = pairs / (time.perf_counter() - since)
                auc = self.track(self.averaged) if self.track and tracks else None
                self._log(sums / count, speed, self.validate() if saves else None, auc)
                report(self.iteration, self.iterations, f"loss {sums[0] / count:.3f}")
                sums, count, since = torch.zeros(4), 0, time.perf_counter()
            if saves:
                self._save()

    def validate(self) -> tuple[float, float]:
        """Loss of the averaged weights on the validation pairs, and their mean overlap.

        The overlap, 0..1, is that of the box at the best-scored cell with the target, over the
        pairs that show the target.
        """
        losses, overlaps = [], []
        for batch in self.feed.validation():
            with torch.inference_mode():
                prediction = self._predict(self.averaged, batch)
                losses.append(self._loss(prediction, batch).total.item())
            present = ~batch.negative
            overlaps += _best_overlap(prediction, batch.corners)[present].tolist()
        return float(np.mean(losses)), float(np.mean(overlaps))

    def _step(self, batch: FeatureBatch) -> Losses:
        settings = self.settings
        rate = self._learning_rate()
        later = min(1.0, (self.iteration + 1) / settings.backbone_warmup)
        heads, backbone = self._optimizer.param_groups
        heads["lr"], backbone["lr"] = rate, rate * settings.backbone_rate * later
        prediction = self._predict(self.network, batch)
        targets = self._targets(prediction, batch)
        own = self.processes.weighted(tracking_loss(prediction, targets, self.loss), targets)
        losses = Losses(*self.processes.mean(torch.stack(own)))
        if not torch.isfinite(losses.total):
            raise TrainingError(
                f"the loss is {losses.total.item()} at iteration {self.iteration}: lower "
                f"optimization.learning_rate ({settings.learning_rate})"
            )
        objective = own.total
        if self._teacher is not None:
            with torch.no_grad():
                wanted = self._predict(self._teacher, batch)
            objective = LABEL_WEIGHT * objective + distillation_loss(prediction, wanted)
        self._optimizer.zero_grad()
        objective.backward()
        self.processes.average_gradients(self._trained)
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
                if value.is_floating_point():
                    value.lerp_(current[key], 1 - decay)
                else:
                    value.copy_(current[key])

    def _predict(self, network: LayeredSiamese, batch: FeatureBatch) -> Prediction:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            template = network.template_from_features(
                self._trained_layers(network, batch.template), batch.template_corners
            )
            search = network.search_from_features(
                self._trained_layers(network, batch.search), SEARCH_SIZE
            )
            prediction = network.predict(template, search)
        return Prediction(*(part.float() for part in prediction))

    def _trained_layers(self, network: LayeredSiamese, maps: Maps) -> Maps:
        maps = tuple(part.contiguous(memory_format=torch.channels_last) for part in maps)
        backbone = network.basemodel
        return backbone.run_layers(maps, self.settings.frozen_layers, backbone.layer_count)

    def _loss(self, prediction: Prediction, batch: FeatureBatch) -> Losses:
        return tracking_loss(prediction, self._targets(prediction, batch), self.loss)

    def _targets(self, prediction: Prediction, batch: FeatureBatch) -> Targets:
        rows, cols = prediction.cls.shape[1:]
        network = self.network
        points = response_grid(rows, cols, SEARCH_SIZE, network.stride, network.origin)
        corners, negative = (part.cpu().numpy() for part in (batch.corners, batch.negative))
        labels = make_targets(corners, points, negative)
        targets = Targets(*(torch.from_numpy(part).to(self.device) for part in labels))
        # The official code ignores what surrounds the other object of a negative pair; here the
        # template's object is known to be nowhere in the search region.
        return targets._replace(cls=targets.cls.clamp(min=0))

    def _batches(self) -> Iterator[FeatureBatch]:
        """The remaining batches; the next one is made while one is in use."""
        with ThreadPoolExecutor(1) as maker:
            for iterations in self.feed.rounds(self.iteration, self.iterations):
                pending = None
                for iteration in iterations:
                    number = self.processes.number(iteration)
                    following = maker.submit(self.feed.training, number)
                    if pending is not None:
                        yield pending.result()
                    pending = following
                if pending is not None:
                    yield pending.result()

    def _log(
        self,
        losses: torch.Tensor,
        speed: float,
        validation: tuple[float, float] | None,
        auc: float | None,
    ) -> None:
        values: list[float | str] = [
            self.iteration,
            self.iteration * BATCH * self.processes.count,
            f"{self._optimizer.param_groups[0]['lr']:.3e}",
            *(f"{value:.4f}" for value in losses.tolist()),
            *(f"{value:.4f}" for value in validation or ()),
            *([""] * (0 if validation else 2)),
            "" if auc is None else f"{auc:.4f}",
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
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
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
