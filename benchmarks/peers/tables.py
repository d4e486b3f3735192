"""The tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from autrack_ros.evaluation.statistics import paired_difference
from benchmarks.peers.accuracy import Outcome

GROUPS: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "all": lambda words: True,
    "people and animals": lambda words: "people_and_animals" in words,
    "others": lambda words: "people_and_animals" not in words,
    "with look-alikes": lambda words: "lookalikes" in words,
}


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, its first row the head."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def shown_difference(values: np.ndarray, reference: np.ndarray) -> str:
    """The mean difference on the same sequences, with its interval where there is one."""
    found = paired_difference(values, reference)
    within = "" if found.low is None else f" ({found.low:+.3f} to {found.high:+.3f})"
    return f"{found.mean:+.3f}{within}"


def accuracy_table(
    outcomes: Mapping[str, Mapping[str, Outcome]], groups: Mapping[str, Sequence[str]]
) -> str:
    """AUC of every tracker by group, and how often something else was followed.

    Args:
        outcomes: by tracker and sequence.
        groups: the words of each sequence.
    """
    chosen = _chosen(groups)
    counts = [f"{title} ({len(names)})" for title, names in chosen.items()]
    head = ["", *(f"AUC, {count}" for count in counts), "frames astray", "end astray"]
    rows = [head]
    for tracker, by_name in outcomes.items():
        means = [np.mean([by_name[name].auc for name in names]) for names in chosen.values()]
        astray = np.mean([outcome.astray for outcome in by_name.values()])
        ends = sum(outcome.ends_astray for outcome in by_name.values())
        rows.append([tracker, *(f"{mean:.3f}" for mean in means), f"{astray:.3f}", str(ends)])
    return markdown(rows)


def difference_table(
    outcomes: Mapping[str, Mapping[str, Outcome]], groups: Mapping[str, Sequence[str]]
) -> str:
    """AUC of the first tracker less that of each other by group, with 95 % intervals.

    Args:
        outcomes: by tracker and sequence.
        groups: the words of each sequence.
    """
    first, *others = outcomes
    chosen = _chosen(groups)
    rows = [[f"{first} less", *chosen, "won / equal / lost"]]
    for other in others:
        cells = []
        for names in chosen.values():
            ours, theirs = (
                np.array([outcomes[tracker][name].auc for name in names])
                for tracker in (first, other)
            )
            cells.append(shown_difference(ours, theirs))
        overall = paired_difference(*(_aucs(outcomes[tracker]) for tracker in (first, other)))
        rows.append([other, *cells, f"{overall.wins} / {overall.ties} / {overall.losses}"])
    return markdown(rows)


def sequence_table(outcomes: Mapping[str, Mapping[str, Outcome]]) -> str:
    """AUC of every sequence; in brackets what ended astray."""
    names = next(iter(outcomes.values()))
    rows = [["", *outcomes]]
    for name in names:
        cells = [by_name[name] for by_name in outcomes.values()]
        shown = [f"({one.auc:.3f})" if one.ends_astray else f"{one.auc:.3f}" for one in cells]
        rows.append([name, *shown])
    return markdown(rows)


def _chosen(groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The sequences of each of ``GROUPS`` that has any."""
    members = {
        title: [name for name, words in groups.items() if is_in(words)]
        for title, is_in in GROUPS.items()
    }
    return {title: names for title, names in members.items() if names}


def _aucs(by_name: Mapping[str, Outcome]) -> np.ndarray:
    return np.array([outcome.auc for outcome in by_name.values()])
