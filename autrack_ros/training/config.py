"""The training configuration: one YAML file, every key checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.tracking.presets import DEFAULT_PRESET
from autrack_ros.training.pairs import PairSettings


@dataclass(frozen=True, slots=True)
class OptimizationSettings:
    """How the heads are trained (AdamW, cosine schedule, weights averaged over time)."""

    pairs: int = 65536  # different training pairs in the cache
    validation_pairs: int = 1024  # further pairs, never trained on
    passes: int = 3  # times each pair is used
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 300  # iterations
    ema_decay: float = 0.9995
    seed: int = 0  # of the initial weights and of the order of pairs
    threads: int = 2
    log_every: int = 200  # iterations
    save_every: int = 1000  # iterations; validation, learning curve and checkpoint

    def __post_init__(self) -> None:
        for name in ("pairs", "passes", "batch", "threads", "log_every", "save_every"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ConfigurationError(
                    f"optimization.{name} = {value!r}: must be a whole number of at least 1"
                )
        if self.pairs < self.batch:
            raise ConfigurationError(
                f"optimization.pairs = {self.pairs}: must be at least one batch ({self.batch})"
            )
        if not 0 < self.learning_rate < 1:
            raise ConfigurationError(
                f"optimization.learning_rate = {self.learning_rate!r}: must be above 0 and below 1"
            )
        if not 0 <= self.ema_decay < 1:
            raise ConfigurationError(
                f"optimization.ema_decay = {self.ema_decay!r}: must be at least 0 and below 1"
            )


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What decides the result of a training. Paths are relative to the working directory."""

    preset: str = DEFAULT_PRESET
    data: Path = Path("../shared/data/train_boxes")
    cutouts: Path = Path(".cache/training/tuxpaint-stamps")
    cache: Path = Path(".cache/training/features")
    workers: int = 2  # processes that make pairs and features; no influence on the result
    pairs: PairSettings = field(default_factory=PairSettings)
    optimization: OptimizationSettings = field(default_factory=OptimizationSettings)


def load_config(path: Path) -> TrainingConfig:
    """Read a configuration; what it leaves out has its default.

    Raises:
        ConfigurationError: no such file, no mapping, an unknown key (the accepted ones are
            named) or a value outside its range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"training configuration {path}: {error}") from error
    settings = _checked(TrainingConfig, content, str(path))
    for key in ("data", "cutouts", "cache"):
        if key in settings:
            settings[key] = Path(settings[key])
    for key, kind in (("pairs", PairSettings), ("optimization", OptimizationSettings)):
        if key in settings:
            settings[key] = kind(**_checked(kind, settings[key], f"{path}: {key}"))
    return TrainingConfig(**settings)


def _checked(kind: type, content: Any, where: str) -> dict[str, Any]:
    accepted = {entry.name for entry in dataclasses.fields(kind)}
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where}: must be a mapping with keys of {sorted(accepted)}")
    unknown = sorted(map(str, set(content) - accepted))
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown}; accepted are {sorted(accepted)}")
    return dict(content)
