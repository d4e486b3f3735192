"""What the trained networks are worth in films, with the update that they learnt and without."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings
from autrack_ros.tracking import DEFAULT_PRESET, AdaptationSettings, load_tracker
from autrack_ros.tracking.threads import set_threads
from benchmarks.peers.__main__ import say
from benchmarks.peers.accuracy import Entry, SequenceSet, entry_settings, our_code, run
from benchmarks.peers.tables import markdown, shown_difference

PLAIN = AdaptationSettings(method="none")
FREE = 255.0  # epsilon: in training, too, the steps alone bound the change


def learnt_update(steps: int, step_size: float) -> AdaptationSettings:
    """The update of a training, beside the template as it was cut."""
    return AdaptationSettings(method="l2", steps=steps, step_size=step_size, epsilon=FREE)


def make_tracker(weights: Path, update: AdaptationSettings, threads: int) -> PresenceTracker:
    """The bare tracker with some weights, on a processor."""
    set_threads(threads)
    tracker = load_tracker(DEFAULT_PRESET, weights, "cpu", update)
    return PresenceTracker(tracker, presence_settings(recover=False))


def aucs(
    weights: Path,
    update: AdaptationSettings,
    sets: Sequence[SequenceSet],
    cache: Path,
    jobs: int,
    threads: int,
) -> np.ndarray:
    """Success AUC of every sequence, in the order of the sets.

    Raises:
        AutrackError: a sequence fails.
    """
    name = f"{weights.stem} {update.method} {update.steps} {update.step_size:.4f}"
    entry = Entry(
        name,
        functools.partial(make_tracker, weights, update, threads),
        {**entry_settings(name, [weights], threads, our_code()), "update": repr(update)},
    )
    found = []
    for one in sets:
        report = functools.partial(say, f"{one.name}: {name}", time.monotonic())
        outcomes = run(entry, one, cache, jobs, report)
        found += [outcomes[sequence].auc for sequence in one.readers]
    return np.array(found)


def tracking_table(rows: Mapping[str, np.ndarray], sets: Sequence[SequenceSet]) -> str:
    """Means of each row, and how it differs from the first, over all sequences.

    Args:
        rows: AUC of each sequence, by what followed it; the first row is what is compared with.
        sets: in the order of the AUCs.
    """
    first = next(iter(rows.values()))
    table = [["", *(f"{one.name} ({len(one.readers)})" for one in sets), "all", "change", "least"]]
    ends = np.cumsum([len(one.readers) for one in sets])[:-1]
    for name, values in rows.items():
        means = [f"{part.mean():.3f}" for part in (*np.split(values, ends), values)]
        change = least = ""
        if values is not first:
            change, least = shown_difference(values, first), f"{(values - first).min():+.3f}"
        table.append([name, *means, change, least])
    return markdown(table)
