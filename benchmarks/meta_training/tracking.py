"""What the trained networks are worth in films, with the update that they learnt and without."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import autrack_ros.tracking
from autrack_ros.evaluation import metrics, presence_tracker
from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings
from autrack_ros.evaluation.statistics import paired_difference
from autrack_ros.tracking import DEFAULT_PRESET, AdaptationSettings, load_tracker
from autrack_ros.tracking.threads import set_threads
from benchmarks.peers.__main__ import say
from benchmarks.peers.accuracy import Entry, SequenceSet, entry_settings, track_all
from benchmarks.peers.tables import markdown

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
    code = sorted(Path(autrack_ros.tracking.__file__).parent.rglob("*.py"))
    code += [Path(inspect.getfile(presence_tracker))]
    name = f"{weights.stem} {update.method} {update.steps} {update.step_size:.4f}"
    entry = Entry(
        name,
        functools.partial(make_tracker, weights, update, threads),
        {**entry_settings(name, [weights], threads, code), "update": repr(update)},
    )
    found = []
    for one in sets:
        report = functools.partial(say, f"{one.name}: {name}", time.monotonic())
        results = track_all(entry, one, cache, jobs, report)
        for sequence, read in one.readers.items():
            overlaps = metrics.ious(results[sequence].boxes, read().truth)
            found.append(metrics.success_auc(overlaps))
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
            found = paired_difference(values, first)
            within = "" if found.low is None else f" ({found.low:+.3f} to {found.high:+.3f})"
            change, least = f"{found.mean:+.3f}{within}", f"{(values - first).min():+.3f}"
        table.append([name, *means, change, least])
    return markdown(table)
