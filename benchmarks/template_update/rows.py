"""An arm through all its cases: a row of the tables, kept in a file as it grows."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation.metrics import ious, success_auc
from autrack_ros.tracking import Target, TrackingEngine
from autrack_ros.tracking.presets import find_preset
from benchmarks.machine import describe_machine
from benchmarks.template_update.arms import adapt, loss_of
from benchmarks.template_update.cases import Case, Start, start
from benchmarks.template_update.cost import Cost, measure_cost
from benchmarks.template_update.settings import Arm, StudySettings

# Settings of the study that every result depends on. Arms can be added, and tables changed.
DECISIVE = (
    *("preset", "dataset", "pictures", "events", "made_clips", "sweep_clips"),
    *("frames", "seed", "later_frames", "films", "boxes"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What an arm made of a case.

    Attributes:
        auc: success AUC of the frames that count.
        support: training loss on the arm's support crops, before and after.
        later: training loss around the truth in later frames, before and after.
        milliseconds: of the processor, for the update.
    """

    auc: float
    support: tuple[float, float]
    later: tuple[float, float]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """Results by the name of their case."""

    results: dict[str, Result]
    values: int  # numbers that could change
    machine: str  # of the last result, with its date
    done: bool  # whether all its cases are there


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the tables need to know of a case.

    Attributes:
        group, words: as of the case.
        side: of the square with the area of the first box, pixels.
        frames: their number.
    """

    group: str
    words: tuple[str, ...]
    side: float
    frames: int


@dataclass(slots=True)
class Study:
    """What a study measures, measured where it is missing and kept in files.

    Attributes:
        settings: what is compared.
        folder: of the files, one a row, one a cost, and one with facts about the cases.
        load: gives engine and cases, which are only needed where a row is missing.
        report: called as the work goes on.
    """

    settings: StudySettings
    folder: Path
    load: Callable[[], tuple[TrackingEngine, list[Case]]]
    report: Callable[[str], None] = lambda text: None
    _loaded: tuple[TrackingEngine, list[Case]] | None = None
    _starts: dict[str, Start] = field(default_factory=dict)

    def row(self, arm: Arm) -> Row:
        """The row of an arm; an interrupted one goes on after the last case that was done."""
        row = self.kept_row(arm) or Row({}, 0, "", False)
        if row.done:
            return row
        results = dict(row.results)
        for case in self._cases_of(arm):
            if case.name not in results:
                results[case.name], values = self._result(arm, case)
                row = Row(results, values, describe_machine(), False)
                self._keep("row", arm, asdict(row))
        row = replace(row, done=True)
        self._keep("row", arm, asdict(row))
        self.report(arm.name)
        return row

    def kept_row(self, arm: Arm) -> Row | None:
        """What there is of an arm's row for these settings."""
        content = self._read("row", arm)
        if content is None:
            return None
        results = {
            name: Result(**{k: tuple(v) if isinstance(v, list) else v for k, v in result.items()})
            for name, result in content.pop("results").items()
        }
        return Row(results, **content)

    def cost(self, arm: Arm) -> Cost:
        """The cost of an arm, on the first case."""
        cost = self.kept_cost(arm)
        if cost is None:
            cost = measure_cost(self.settings, arm, self.loaded[1][0])
            self._keep("cost", arm, asdict(cost))
        return cost

    def kept_cost(self, arm: Arm) -> Cost | None:
        """The cost of an arm, if it was measured."""
        content = self._read("cost", arm)
        return None if content is None else Cost(**content)

    def facts(self) -> dict[str, CaseFacts]:
        """Of every case, by its name."""
        base = self.settings.arms[0]
        content = self._read("cases", base)
        if content is None:
            facts = {
                case.name: asdict(CaseFacts(case.group, case.words, case.side, len(case.truth)))
                for case in self.loaded[1]
            }
            content = self._keep("cases", base, facts)
        return {
            name: CaseFacts(**{**facts, "words": tuple(facts["words"])})
            for name, facts in content.items()
        }

    @property
    def loaded(self) -> tuple[TrackingEngine, list[Case]]:
        """Engine and cases."""
        if self._loaded is None:
            self._loaded = self.load()
        return self._loaded

    def _cases_of(self, arm: Arm) -> Iterator[Case]:
        made = 0
        for case in self.loaded[1]:
            made += case.group == "made"
            if not arm.sweep or made <= self.settings.sweep_clips:
                yield case

    def _result(self, arm: Arm, case: Case) -> tuple[Result, int]:
        engine, _ = self.loaded
        if case.name not in self._starts:
            self._starts[case.name] = start(engine, case, self.settings.later_frames)
        begin = self._starts[case.name]
        adapted = adapt(engine, begin.image, begin.target, arm, zlib.crc32(case.name.encode()))
        support, later = (
            (
                loss_of(engine, begin.target, *there),
                loss_of(adapted.engine, adapted.target, *there),
            )
            for there in (
                (adapted.search, adapted.targets),
                (begin.later_search, begin.later_targets),
            )
        )
        overlaps = follow(adapted.engine, adapted.target, case)
        auc = success_auc(overlaps[case.seen])
        return Result(auc, support, later, adapted.milliseconds), adapted.values

    def _path(self, kind: str, arm: Arm) -> Path:
        slug = re.sub(r"[^a-z0-9.]+", "_", arm.name.lower()).strip("_")
        return self.folder / f"{kind}_{slug}.json"

    def _read(self, kind: str, arm: Arm) -> dict[str, Any] | None:
        path = self._path(kind, arm)
        if not path.is_file():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["content"] if content["key"] == self._key(arm) else None

    def _keep(self, kind: str, arm: Arm, content: dict[str, Any]) -> dict[str, Any]:
        """Written whole or not at all; what is returned is as it will be read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(kind, arm)
        text = json.dumps({"key": self._key(arm), "content": content}, indent=1)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
        return json.loads(text)["content"]

    def _key(self, arm: Arm) -> str:
        """Changes with whatever the row depends on, as far as settings and files tell."""
        settings = self.settings
        weights = settings.checkpoint or find_preset(settings.preset).require_shipped_weights()
        depends = {
            "arm": asdict(arm),
            "weights": hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
            **{name: str(getattr(settings, name)) for name in DECISIVE},
        }
        return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()


def follow(engine: TrackingEngine, target: Target, case: Case) -> np.ndarray:
    """Overlap a frame, N float64, 1 in the first."""
    boxes: list[Sequence[Any]] = [target.first_box]
    for number, image in enumerate(case.frames):
        if number:
            ((target, result),) = engine.follow(image, [target])
            boxes.append(result.box)
    return ious(np.array(boxes), case.truth)
