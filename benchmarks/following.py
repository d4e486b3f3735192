"""What LOST, search and comparison are worth, and each part of them: all switched off in turn.

    python -m benchmarks.hard_cases          # once
    python -m benchmarks.following [--way NAME ...] [--jobs 2]

Success AUC, where the last box counts while the target is LOST, and frames with a wrong box, on
development sequences, held-out films and the four sets of ``benchmarks.hard_cases``, against the
bare tracker with the same weights; templates are not updated. What was tracked is kept below
--cache, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import copy
import functools
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np

from autrack_ros.evaluation import metrics
from autrack_ros.evaluation.long_term import Counts, count
from autrack_ros.evaluation.presence_tracker import PresenceTracker
from autrack_ros.evaluation.results import SequenceResult
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    AdaptationSettings,
    AutrackError,
    Follower,
    Target,
    TrackingEngine,
    follower,
    load_tracker,
    recovery,
)
from autrack_ros.tracking.camera_motion import CameraMotion, Shift
from autrack_ros.tracking.follower import FollowedFrame
from autrack_ros.tracking.presence import LEARNT, Presence, PresenceSettings
from autrack_ros.tracking.presets import find_preset
from autrack_ros.tracking.threads import set_threads
from benchmarks.hard_cases import KINDS
from benchmarks.machine import describe_machine
from benchmarks.peers.__main__ import say
from benchmarks.peers.accuracy import (
    Entry,
    SequenceSet,
    dev_sequences,
    entry_settings,
    held_out_films,
    our_code,
    track_all,
)
from benchmarks.peers.speed import positive
from benchmarks.peers.tables import markdown, shown_difference


class _StillCamera(CameraMotion):
    """A camera whose motion is not looked at."""

    def shift(self) -> Shift:
        return 0.0, 0.0


class _Without(Follower):
    """The node's follower with some of its parts left out."""

    def __init__(
        self, engine: TrackingEngine, settings: PresenceSettings, parts: tuple[str, ...]
    ) -> None:
        if "comparison" in parts:
            engine = copy.copy(engine)
            engine.evidence = None
        super().__init__(engine, settings)
        self._parts = parts
        if "camera" in parts:
            self._camera = _StillCamera()

    def put(self, name: str, target: Target, image: np.ndarray) -> None:
        super().put(name, target, image)
        if "what is beside it" in self._parts:
            self._followed[name].change(lambda target: replace(target, discriminant=None))
        if "own level" in self._parts:
            # As if its first frames had all scored 1.
            self._followed[name].presence = Presence(usual=1.0, learnt=LEARNT[1])

    def follow(self, image: np.ndarray) -> dict[str, FollowedFrame]:
        plausible = math.inf if "plausible size" in self._parts else recovery.PLAUSIBLE
        rate = 1.0 if "usual size" in self._parts else follower.SIZE_RATE
        with (
            mock.patch.object(recovery, "PLAUSIBLE", plausible),
            mock.patch.object(follower, "SIZE_RATE", rate),
        ):
            frames = super().follow(image)
        if "undo" in self._parts:
            for followed in self._followed.values():
                followed.old_place = None
        return frames


@dataclass(frozen=True, slots=True)
class Way:
    """A way to follow a target.

    Attributes:
        settings: of the states.
        without: parts of the follower that are left out.
    """

    settings: PresenceSettings
    without: tuple[str, ...] = ()

    def follower(self, engine: TrackingEngine, settings: PresenceSettings) -> Follower:
        """As ``PresenceTracker`` asks for it."""
        return _Without(engine, settings, self.without)


BARE = "bare tracker"
WRONG = "wrong (called TRACKING)"
RIGHT = "of the right, called TRACKING"
_AT_ONCE = PresenceSettings(search_after=0)
_ALONE = PresenceSettings(search_after=0, doubt_frames=0)
WAYS: Mapping[str, Way] = {
    BARE: Way(PresenceSettings(lost_score=0)),
    "as the node follows": Way(PresenceSettings()),
    "without the camera's jumps taken out": Way(PresenceSettings(), ("camera",)),
    "without a watch of the old place first": Way(_AT_ONCE),
    "without the target's own level of score": Way(PresenceSettings(), ("own level",)),
    "without the comparison with the first image": Way(PresenceSettings(), ("comparison",)),
    "without learning what is beside it": Way(PresenceSettings(), ("what is beside it",)),
    "without doubt when it may have been swapped": Way(PresenceSettings(doubt_frames=0)),
    "without a plausible size": Way(PresenceSettings(), ("plausible size",)),
    "without the size it usually has": Way(PresenceSettings(), ("usual size",)),
    "without undoing finds": Way(PresenceSettings(), ("undo",)),
    "LOST and search alone": Way(
        _ALONE,
        (
            "camera",
            "own level",
            "comparison",
            "what is beside it",
            "plausible size",
            "usual size",
            "undo",
        ),
    ),
}


def make_tracker(preset: str, weights: Path | None, way: str, threads: int) -> PresenceTracker:
    """A tracker on a processor; ``way`` is one of ``WAYS``."""
    set_threads(threads)
    tracker = load_tracker(preset, weights, "cpu", AdaptationSettings(method="none"))
    return PresenceTracker(tracker, WAYS[way].settings, WAYS[way].follower)


def entry(preset: str, weights: Path | None, way: str, threads: int) -> Entry:
    """A way as ``track_all`` takes it.

    Raises:
        AutrackError: no such preset or weights.
    """
    file = weights or find_preset(preset).require_shipped_weights()
    make: Callable[[], PresenceTracker]
    make = functools.partial(make_tracker, preset, weights, way, threads)
    return Entry(
        way,
        make,
        entry_settings(f"{preset}, {way}", [file], threads, [*our_code(), Path(__file__)]),
    )


@dataclass(frozen=True, slots=True)
class Followed:
    """What a way made of a set: N success AUCs in the order of the set, and what was counted."""

    aucs: np.ndarray
    counts: Counts

    @classmethod
    def of(cls, results: Mapping[str, SequenceResult], sequences: SequenceSet) -> Followed:
        """Of the results of a set, by the sequence's name."""
        truths = [read().truth for read in sequences.readers.values()]
        rows = [results[name] for name in sequences.readers]
        aucs = [
            metrics.success_auc(metrics.ious(row.boxes, truth))
            for row, truth in zip(rows, truths, strict=True)
        ]
        return cls(np.array(aucs), sum((count(row.reports) for row in rows), Counts()))

    def __add__(self, other: Followed) -> Followed:
        return Followed(np.concatenate([self.aucs, other.aucs]), self.counts + other.counts)


def way_table(sets: Mapping[str, Mapping[str, Followed]], way: str) -> str:
    """A way against the bare tracker, a row for each set.

    Args:
        sets: by set and way.
        way: of ``WAYS``, not the bare tracker.
    """
    rows = [
        [
            *("set", "sequences", "bare", way, "difference", "least", "wrong, bare"),
            *(WRONG, RIGHT, "gone, LOST", "there, LOST", "found again"),
        ]
    ]
    for name, ways in {**sets, "all": _all(sets)}.items():
        bare, this = ways[BARE], ways[way]
        counts, before = this.counts, bare.counts
        again = f"{counts.found} of {counts.returns} ({before.found})" if counts.returns else ""
        rows.append(
            [
                *(name, str(len(this.aucs)), f"{bare.aucs.mean():.3f}", f"{this.aucs.mean():.3f}"),
                *(shown_difference(this.aucs, bare.aucs), f"{(this.aucs - bare.aucs).min():+.3f}"),
                _wrong(before),
                _wrong(counts),
                _share(counts.right_tracking, counts.right_frames),
                _share(counts.absent_lost, counts.absent),
                _share(counts.present_lost, counts.frames - counts.absent),
                again,
            ]
        )
    return markdown(rows)


def parts_table(sets: Mapping[str, Mapping[str, Followed]]) -> str:
    """Every way over all sets, and its AUC on each.

    Args:
        sets: by set and way.
    """
    rows = [
        [
            *("", *sets, "all", "less the bare tracker's", "least", WRONG, RIGHT),
            *("gone, LOST", "there, LOST", "found again"),
        ]
    ]
    together = _all(sets)
    bare = together[BARE]
    for way, this in together.items():
        counts = this.counts
        rows.append(
            [
                *(way, *(f"{ways[way].aucs.mean():.3f}" for ways in sets.values())),
                *(
                    f"{this.aucs.mean():.3f}",
                    "" if this is bare else shown_difference(this.aucs, bare.aucs),
                ),
                "" if this is bare else f"{(this.aucs - bare.aucs).min():+.3f}",
                _wrong(counts),
                _share(counts.right_tracking, counts.right_frames),
                _share(counts.absent_lost, counts.absent),
                _share(counts.present_lost, counts.frames - counts.absent),
                f"{counts.found} of {counts.returns}",
            ]
        )
    return markdown(rows)


def _all(sets: Mapping[str, Mapping[str, Followed]]) -> dict[str, Followed]:
    first, *others = sets.values()
    return {way: sum((ways[way] for ways in others), first[way]) for way in first}


def _wrong(counts: Counts) -> str:
    frames = counts.frames
    return f"{_share(counts.wrong_frames, frames)} ({_share(counts.wrong_tracking, frames)})"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else ""


def hard_cases(folder: Path) -> list[SequenceSet]:
    """The sets that ``benchmarks.hard_cases`` wrote to a folder.

    Raises:
        AutrackError: one is missing.
    """
    found = [dev_sequences(folder / kind) for kind in KINDS]
    return [SequenceSet(one.name, one.readers, {}) for one in found]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="not those shipped")
    parser.add_argument(
        "--way", nargs="+", choices=list(WAYS)[1:], default=list(WAYS)[1:], help="besides the bare"
    )
    data = Path("../shared/data")
    parser.add_argument("--dev", type=Path, default=data / "dev_sequences")
    parser.add_argument("--films", type=Path, default=Path("config/training/held_out_films.yaml"))
    parser.add_argument("--boxes", type=Path, default=data / "train_boxes", help="of the films")
    parser.add_argument("--cases", type=Path, default=Path(".cache/hard_cases"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/following"))
    parser.add_argument("--jobs", type=positive, default=1)
    parser.add_argument("--threads", type=positive, default=1)
    arguments = parser.parse_args()
    try:
        sets = [
            dev_sequences(arguments.dev),
            held_out_films(arguments.films, arguments.boxes),
            *hard_cases(arguments.cases),
        ]
        found: dict[str, dict[str, Followed]] = {one.name: {} for one in sets}
        for way in (BARE, *arguments.way):
            row = entry(arguments.preset, arguments.weights, way, arguments.threads)
            for one in sets:
                report = functools.partial(say, f"{one.name}: {way}", time.monotonic())
                results = track_all(row, one, arguments.cache, arguments.jobs, report)
                found[one.name][way] = Followed.of(results, one)
    except AutrackError as error:
        sys.exit(f"error: {error}")
    print(f"{describe_machine()}, {arguments.threads} threads\n")
    print(way_table(found, arguments.way[0]), parts_table(found), sep="\n\n")


if __name__ == "__main__":
    main()
