"""All that was measured in the study, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.template_update.cost import Cost
from benchmarks.template_update.paired import Difference, difference
from benchmarks.template_update.rows import CaseFacts, Row, Study
from benchmarks.template_update.settings import Arm, StudySettings

Names = Sequence[str]  # of cases


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was measured, by the names of arms and cases.

    Attributes:
        settings: of the study.
        rows: those that are done, in the order of the arms.
        cases: all.
        costs: of the arms whose cost was measured.
    """

    settings: StudySettings
    rows: Mapping[str, Row]
    cases: Mapping[str, CaseFacts]
    costs: Mapping[str, Cost]

    @classmethod
    def of(cls, study: Study) -> Findings:
        """What is done of a study; nothing is measured now."""
        rows = {arm.name: study.kept_row(arm) for arm in study.settings.arms}
        costs = {
            arm.name: study.kept_cost(arm)
            for arm in study.settings.arms
            if arm.name in study.settings.costed
        }
        return cls(
            study.settings,
            {name: row for name, row in rows.items() if row is not None and row.done},
            study.facts(),
            {name: cost for name, cost in costs.items() if cost is not None},
        )

    @property
    def base(self) -> str:
        """The arm without update."""
        return self.settings.arms[0].name

    def arm(self, name: str) -> Arm:
        """An arm."""
        return next(arm for arm in self.settings.arms if arm.name == name)

    def measured(self, arms: Iterable[str]) -> list[str]:
        """Those of the arms whose row is done."""
        return [name for name in arms if name in self.rows]

    def shared(self, arms: Iterable[str], group: str | None = None) -> list[str]:
        """Cases that all of these arms and the base have, of a group or of both."""
        rows = [self.rows[name] for name in (self.base, *arms)]
        return [
            name
            for name, case in self.cases.items()
            if group in (None, case.group) and all(name in row.results for row in rows)
        ]

    def auc(self, arm: str, names: Names) -> float:
        """Mean success AUC."""
        return float(np.mean([self.rows[arm].results[name].auc for name in names]))

    def milliseconds(self, arm: str, names: Names) -> float:
        """Mean time of the update."""
        return float(np.mean([self.rows[arm].results[name].milliseconds for name in names]))

    def change(self, arm: str, names: Names, against: str | None = None) -> Difference:
        """Paired difference of the AUC, from the base or another arm."""
        return difference(self.rows[arm], self.rows[against or self.base], names)

    def loss_change(self, arm: str, names: Names, where: str) -> np.ndarray:
        """After less before, on ``support`` crops or in ``later`` frames."""
        pairs = [getattr(self.rows[arm].results[name], where) for name in names]
        return np.array([after - before for before, after in pairs])
