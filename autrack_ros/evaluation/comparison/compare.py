"""Several runs, sequence by sequence, against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from autrack_ros.evaluation import long_term, metrics
from autrack_ros.evaluation.comparison.runs import StoredRun, common_sequences
from autrack_ros.evaluation.statistics import Difference, paired_difference
from autrack_ros.tracking.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """The AUC on the frames that have an attribute.

    Attributes:
        sequences: how many have such frames.
        means: by run.
        differences: of every run but the first, by run.
    """

    sequences: int
    means: dict[str, float]
    differences: dict[str, Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs over the same sequences.

    Attributes:
        runs: the first is what the others are compared with.
        names: of the sequences.
        left_out: sequences that not all runs have.
        means: every metric, by run.
        long_term: ``long_term.summary`` by run.
        differences: every metric, by run but for the first.
        attributes: by attribute.
    """

    runs: list[StoredRun]
    names: list[str]
    left_out: list[str]
    means: dict[str, metrics.Scores]
    long_term: dict[str, dict[str, Any]]
    differences: dict[str, dict[str, Difference]]
    attributes: dict[str, AttributeRow]

    def values(self, run: StoredRun, metric: str) -> np.ndarray:
        """A metric of a run, by sequence."""
        return np.array([run.sequences[name].scores[metric] for name in self.names])


def compare(runs: Sequence[StoredRun], common: bool = False) -> Comparison:
    """Compare runs with the first of them.

    Args:
        runs: two or more.
        common: see ``common_sequences``.

    Raises:
        ConfigurationError: fewer than two runs, or see ``common_sequences``.
    """
    if len(runs) < 2:
        raise ConfigurationError(f"{len(runs)} run: two or more can be compared")
    names, left_out = common_sequences(runs, common)
    scores = {run.name: [run.sequences[name].scores for name in names] for run in runs}
    first, *others = scores
    return Comparison(
        list(runs),
        names,
        left_out,
        {run: metrics.mean_scores(rows) or {} for run, rows in scores.items()},
        {
            run.name: long_term.summary({name: run.sequences[name].reports for name in names})
            for run in runs
        },
        {
            other: {
                metric: _difference(scores[other], scores[first], metric)
                for metric in metrics.COLUMNS
            }
            for other in others
        },
        _attributes(runs, names),
    )


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """All its numbers, as JSON takes them."""
    return {
        "reference": comparison.runs[0].name,
        "runs": {
            run.name: {
                "settings": run.settings,
                "fps": run.fps,
                **comparison.means[run.name],
                "long_term": comparison.long_term[run.name],
            }
            for run in comparison.runs
        },
        "differences": {
            run: {metric: asdict(difference) for metric, difference in row.items()}
            for run, row in comparison.differences.items()
        },
        "attributes": {name: asdict(row) for name, row in comparison.attributes.items()},
        "sequences": {
            name: {run.name: run.sequences[name].scores for run in comparison.runs}
            for name in comparison.names
        },
        "left_out": comparison.left_out,
    }


def _difference(
    rows: Sequence[metrics.Scores], reference: Sequence[metrics.Scores], metric: str
) -> Difference:
    return paired_difference(
        np.array([row[metric] for row in rows]), np.array([row[metric] for row in reference])
    )


def _attributes(runs: Sequence[StoredRun], names: Sequence[str]) -> dict[str, AttributeRow]:
    first = runs[0].sequences  # the truth is the same, and with it the attributes
    found = sorted({attribute for name in names for attribute in first[name].attributes})
    rows = {}
    for attribute in found:
        having = [name for name in names if attribute in first[name].attributes]
        scores = {
            run.name: [run.sequences[name].attributes[attribute] for name in having] for run in runs
        }
        reference, *others = scores
        rows[attribute] = AttributeRow(
            len(having),
            {run: float(np.mean([row["auc"] for row in own])) for run, own in scores.items()},
            {run: _difference(scores[run], scores[reference], "auc") for run in others},
        )
    return rows
