"""What the trained networks are worth in films, with the update that they learnt and without."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings
from autrack_ros.networks.checkpoint import load_weights
from autrack_ros.tracking import DEFAULT_PRESET, AdaptationSettings, Tracker, load_tracker
from autrack_ros.tracking.presets import find_preset
from autrack_ros.tracking.threads import set_threads
from autrack_ros.training.loop import make_network
from benchmarks.meta_training.learned_update import LearnedUpdate, LearnedUpdateEngine
from benchmarks.peers.__main__ import say
from benchmarks.peers.accuracy import Entry, SequenceSet, entry_settings, our_code, run
from benchmarks.peers.tables import markdown, shown_difference

PLAIN = AdaptationSettings(method="none")
FREE = 255.0  # epsilon: in training, too, the steps alone bound the change


def learnt_update(steps: int, step_size: float) -> AdaptationSettings:
    """The update of a training, beside the template as it was cut."""
    return AdaptationSettings(method="l2", steps=steps, step_size=step_size, epsilon=FREE)


@dataclass(frozen=True, slots=True)
class Making:
    """How a tracker is made.

    Attributes:
        weights: of the network.
        update: of the templates.
        threads: to compute with.
        learnt: weights of a ``LearnedUpdate``, which takes the place of the package's; None: that.
        blind: whether that is not told the gradient.
    """

    weights: Path
    update: AdaptationSettings
    threads: int
    learnt: Path | None = None
    blind: bool = False

    @property
    def name(self) -> str:
        """Short, of its own."""
        file, update = self.learnt or self.weights, self.update
        alone = "" if update.hypotheses else " alone"
        return f"{file.stem} {update.method} {update.steps} {update.step_size:.4f}{alone}"

    def __call__(self) -> PresenceTracker:
        """The bare tracker, on a processor."""
        set_threads(self.threads)
        tracker = load_tracker(DEFAULT_PRESET, self.weights, "cpu", self.update)
        if self.learnt is not None:
            preset = find_preset(DEFAULT_PRESET)
            network = make_network(preset)
            load_weights(network, self.weights, preset.name)
            learner = LearnedUpdate(network, preset.loss, self.blind)
            learner.load(self.learnt)
            tracker = Tracker(LearnedUpdateEngine(tracker.engine, learner), self.update)
        return PresenceTracker(tracker, presence_settings(recover=False))


def aucs(made: Making, sets: Sequence[SequenceSet], cache: Path, jobs: int) -> np.ndarray:
    """Success AUC of every sequence, in the order of the sets.

    Raises:
        AutrackError: a sequence fails.
    """
    files = [made.weights, *([] if made.learnt is None else [made.learnt])]
    entry = Entry(
        made.name,
        made,
        {
            **entry_settings(made.name, files, made.threads, our_code()),
            "update": repr(made.update),
        },
    )
    found = []
    for one in sets:
        report = functools.partial(say, f"{one.name}: {made.name}", time.monotonic())
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
