"""Answers of a node that images were sent to: what was known when, and how two runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autrack_ros.evaluation.bags import results
from autrack_ros.evaluation.bags.reading import seconds, stamp_ns
from autrack_ros.evaluation.bags.tracks import IDLE, Run, Track, boxes_of
from autrack_ros.evaluation.bags.types import constants
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.tracking.boxes import Box

LOCK_STEP_DIFFERENCE = "lock_step_against_offline"
COST = "real_time_auc_points"
_PERCENTILES = (50, 95)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An answer as it came.

    Attributes:
        index: of its image, from 0.
        time_s: when, on the clock that the images were sent by.
        track: the answer.
    """

    index: int
    time_s: float
    track: Track


def read_track(message: Any) -> Track:
    """An autrack_ros/Track, of rclpy or of rosbags, as it is scored."""
    states = {value: name.lower() for name, value in constants("autrack_ros/msg/Track").items()}
    width, height = message.size_x, message.size_y
    box = None
    if width > 0:
        box = Box(message.center_x - width / 2, message.center_y - height / 2, width, height)
    return Track(stamp_ns(message), states[message.state], box, float(message.score))


def require_ascending(source: str, tracks: Sequence[Track]) -> None:
    """Check that answers can be told apart by their stamps.

    Args:
        source: of the images, for the error.
        tracks: an image each.

    Raises:
        SourceError: an image is not newer than the one before; a node leaves such images out.
    """
    for index in range(1, len(tracks)):
        before, stamp = tracks[index - 1].stamp_ns, tracks[index].stamp_ns
        if stamp <= before:
            raise SourceError(
                f"{source}, image {index + 1} (stamp {seconds(stamp)}) is not newer than the one "
                f"before ({seconds(before)}); a live evaluation needs stamps that ascend"
            )


def known_tracks(
    stamps: Sequence[int], sent_s: Sequence[float], arrivals: Sequence[Arrival], start: Track
) -> list[Track]:
    """What a robot knew of every image when the next one came, as in VOT's real-time experiment.

    An answer counts for its image if it came by then. Where it did not, late or never, the newest
    known one counts, for that is what a robot acts on; before the first, the box of the start.

    Args:
        stamps: of the images in order, nanoseconds.
        sent_s: when each was sent.
        arrivals: in the order in which they came; those of no target do not count.
        start: of the image in which the target was marked, one of the stamps.
    """
    first = stamps.index(start.stamp_ns)
    gap = float(np.median(np.diff(sent_s))) if len(sent_s) > 1 else 0.0
    deadlines = [*sent_s[1:], sent_s[-1] + gap]
    tracks = [Track(stamp, IDLE) for stamp in stamps[:first]] + [start]
    known = start
    coming = iter([item for item in arrivals if item.index > first and item.track.state != IDLE])
    following = next(coming, None)
    for stamp, deadline in zip(stamps[first + 1 :], deadlines[first + 1 :], strict=True):
        while following is not None and following.time_s <= deadline:
            known, following = following.track, next(coming, None)
        tracks.append(replace(known, stamp_ns=stamp))
    return tracks


def punctuality(sent_s: Sequence[float], arrivals: Sequence[Arrival]) -> dict[str, Any]:
    """Images whose answer never came (``dropped``) or after the next image, and the latencies."""
    came = {item.index: item.time_s for item in arrivals}
    late = sum(time_s > sent_s[i + 1] for i, time_s in came.items() if i + 1 < len(sent_s))
    latencies = [1e3 * (time_s - sent_s[i]) for i, time_s in came.items()]
    numbers: dict[str, Any] = {"sent": len(sent_s), "dropped": len(sent_s) - len(came)}
    numbers["late"] = late
    for share in _PERCENTILES:
        value = round(float(np.percentile(latencies, share)), 3) if latencies else None
        numbers[f"latency_p{share}_ms"] = value
    return numbers


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """How lock-step differs from offline, and what real time costs; only whole runs are compared.

    ``lock_step_against_offline`` has the largest difference of a box's coordinates, and the number
    of images that have a box in one of the two runs only. ``real_time_auc_points`` is 100 times
    what the success AUC changes from lock-step (without that, from offline) to real time: the cost
    of dropped images and latency.

    Args:
        runs: the first is the offline one.
    """
    offline = runs[0]
    whole = {run.name: run for run in runs if len(run.tracks) == len(offline.tracks)}
    lock_step, real_time = whole.get(results.LOCK_STEP), whole.get(results.REAL_TIME)
    found: dict[str, Any] = {}
    if lock_step is not None:
        boxes = [boxes_of(run.tracks) for run in (offline, lock_step)]
        boxed = [np.isfinite(rows).all(axis=1) for rows in boxes]
        differences = np.abs(boxes[0] - boxes[1])[boxed[0] & boxed[1]]
        found[LOCK_STEP_DIFFERENCE] = {
            "largest_px": float(differences.max(initial=0.0)),
            "box_in_one_only": int((boxed[0] != boxed[1]).sum()),
        }
    reference = offline if lock_step is None else lock_step
    if real_time is not None and real_time.numbers.get("scores"):
        auc, full = (run.numbers["scores"]["auc"] for run in (real_time, reference))
        found[COST] = 100 * (auc - full)
    return found
