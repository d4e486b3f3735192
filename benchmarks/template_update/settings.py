"""What the study compares: one YAML file, every key checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autrack_ros.tracking import DEFAULT_PRESET, AdaptationSettings
from autrack_ros.tracking.errors import ConfigurationError

KINDS = ("none", "pixels", "random_sign", "features", "head")
OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to adapt to the first frame.

    Attributes:
        name: its row in the tables.
        kind: what is changed. ``random_sign`` is the change that ``pixels`` would make, with the
            sign of every pixel's drawn at random.
        adaptation: of pixels all of it; of the others steps, loss and support crops.
        rate: of features the step, in standard deviations of a feature map; of the head the
            learning rate.
        optimizer: of the head.
        sweep: followed through fewer made clips.
    """

    name: str
    kind: str
    adaptation: AdaptationSettings
    rate: float = 0.0
    optimizer: str = "adam"
    sweep: bool = False

    def __post_init__(self) -> None:
        for key, accepted in (("kind", KINDS), ("optimizer", OPTIMIZERS)):
            if getattr(self, key) not in accepted:
                raise ConfigurationError(
                    f"arm {self.name!r}: {key} {getattr(self, key)!r}: accepted is one of "
                    f"{', '.join(accepted)}"
                )
        if self.kind in ("features", "head") and not self.rate > 0:
            raise ConfigurationError(f"arm {self.name!r}: rate {self.rate}: accepted is above 0")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page: arms by name, and what is said above it."""

    title: str
    arms: tuple[str, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class StudySettings:
    """The study. Paths are relative to the working directory.

    Attributes:
        arms: the first is that without update.
        tables: of the page.
        compared: arms of the tables by attribute and size.
        costed: arms whose time and memory are measured.
        dataset: folder of annotated sequences.
        pictures: what ``autrack_ros.training.fetch`` made.
        events: of the made clips, in turn.
        made_clips: their number.
        sweep_clips: number of them that arms of a sweep are followed through.
        frames: their length.
        seed: of the made clips.
        later_frames: frames after the first in which the loss is taken, per case.
        preset, checkpoint: the network; without a checkpoint the shipped weights.
        films, boxes: a list of films that are never trained on, and the folder of their sets;
            without a list there are none.
    """

    arms: tuple[Arm, ...]
    tables: tuple[Table, ...]
    compared: tuple[str, ...]
    costed: tuple[str, ...]
    dataset: Path
    pictures: Path
    events: tuple[str, ...]
    made_clips: int
    sweep_clips: int
    frames: int
    seed: int
    later_frames: int
    preset: str = DEFAULT_PRESET
    checkpoint: Path | None = None
    films: Path | None = None
    boxes: Path = Path("../shared/data/train_boxes")

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if not self.arms or self.arms[0].kind != "none":
            raise ConfigurationError("arms: the first must be of kind none")
        if len(set(names)) < len(names):
            raise ConfigurationError(f"arms: a name is there twice in {names}")
        used = {name for table in self.tables for name in table.arms}
        unknown = sorted((used | {*self.compared, *self.costed}) - {*names})
        if unknown:
            raise ConfigurationError(f"tables: no arm is called {unknown}; there are {names}")


def load_settings(path: Path) -> StudySettings:
    """Read the settings.

    Raises:
        ConfigurationError: no such file, an unknown or missing key, or a value not accepted.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"study {path}: {error}") from error
    values = _mapping(content, StudySettings, str(path))
    values["arms"] = tuple(_arm(entry, path) for entry in values.get("arms", ()))
    values["tables"] = tuple(
        _made(Table, {**entry, "arms": tuple(entry["arms"])}, f"{path}: tables")
        for entry in values.get("tables", ())
    )
    for key in ("compared", "costed", "events"):
        values[key] = tuple(values.get(key, ()))
    for key in ("dataset", "pictures", "checkpoint", "films", "boxes"):
        if values.get(key) is not None:
            values[key] = Path(values[key])
    return _made(StudySettings, values, str(path))


def _arm(entry: Any, path: Path) -> Arm:
    own = {field.name for field in dataclasses.fields(Arm)} - {"adaptation"}
    where = f"{path}: arms"
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f"{where}: {entry!r}: must be a mapping")
    adaptation = {key: value for key, value in entry.items() if key not in own}
    values = {key: value for key, value in entry.items() if key in own}
    return _made(Arm, {**values, "adaptation": _made(AdaptationSettings, adaptation, where)}, where)


def _mapping(content: Any, kind: type, where: str) -> dict[str, Any]:
    accepted = sorted(field.name for field in dataclasses.fields(kind))
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where}: must be a mapping with keys of {accepted}")
    unknown = sorted(map(str, {*content} - {*accepted}))
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown}; accepted are {accepted}")
    return dict(content)


def _made(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    checked = _mapping(values, kind, where)
    try:
        return kind(**checked)
    except TypeError as error:  # a key is missing, or a value is of another type
        raise ConfigurationError(f"{where}: {error}") from error
