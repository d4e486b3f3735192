"""A bag's images through the real node, over DDS: in lock-step, or in real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autrack_ros.evaluation.bags import results
from autrack_ros.evaluation.bags.evaluation import Answers
from autrack_ros.evaluation.bags.reading import Bag
from autrack_ros.evaluation.bags.realtime import Arrival, known_tracks, punctuality
from autrack_ros.evaluation.bags.tracks import IDLE, Track
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.node.parameters import ADAPTATION_PREFIX, PRESENCE_PREFIX
from autrack_ros.replay.link import Clip, node_link
from autrack_ros.tracking.errors import AutrackError
from autrack_ros.tracking.presence import TrackState


def run_live(
    bag: Bag,
    topic: str,
    offline: Answers,
    settings: Mapping[str, Any],
    folder: Path,
    storage: str,
    rate: float,
    begun: Callable[[str], None],
    told: Callable[[], None],
) -> list[Answers]:
    """Run the node in lock-step and, unless that fails, in real time.

    Args:
        bag: open.
        topic: of its images.
        offline: the answers to the same images, all of them.
        settings: see ``node_parameters``.
        folder: of the results.
        storage: of the bags of what the node published, sqlite3 or mcap.
        rate: of the real time; 2 is twice as fast.
        begun: called with the name of every run.
        told: called after every image.
    """
    try:
        clip = Clip.of(bag, topic, offline.tracks)
    except SourceError as error:
        return [Answers(results.LOCK_STEP, failure=error)]
    parameters = node_parameters(settings)
    begun(results.LOCK_STEP)
    lock_step = run_lock_step(clip, parameters, folder / results.LOCK_STEP, storage, told)
    if lock_step.failure is not None:
        return [lock_step]
    begun(results.REAL_TIME)
    return [
        lock_step,
        run_real_time(clip, parameters, folder / results.REAL_TIME, storage, rate, told),
    ]


def node_parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a node that tracks as the offline evaluation does.

    Args:
        settings: preset, checkpoint, device, runtime and threads; adaptation and presence.
    """
    names = ("preset", "checkpoint", "device", "runtime", "threads")
    groups = ((ADAPTATION_PREFIX, "adaptation"), (PRESENCE_PREFIX, "presence"))
    return {name: settings[name] for name in names} | {
        prefix + name: value for prefix, group in groups for name, value in settings[group].items()
    }


def run_lock_step(
    clip: Clip,
    parameters: Mapping[str, Any],
    folder: Path,
    storage: str,
    told: Callable[[], None],
) -> Answers:
    """Send every image when the last one was answered, the second when the template is adapted.

    Nothing is dropped, so the node does what the offline evaluation does. An error or Ctrl-C ends
    it, and is in the answers.

    Args:
        clip: what to send.
        parameters: of the node.
        folder: for the bag of what it published, and its log.
        storage: of that bag, sqlite3 or mcap.
        told: called after every image.
    """
    answers = Answers(results.LOCK_STEP)
    # None may be lost; DDS' own queue holds one image, which is all that is on the way.
    reliable = {f"qos_overrides.{clip.node_topic}.subscription.reliability": "reliable"}
    sent: list[float] = []
    with _failures(answers), node_link(clip, {**parameters, **reliable}, folder, storage) as link:
        try:
            for image in clip.images:
                sent.append(link.send(image))
                arrival = link.wait_for(image)
                answers.tracks.append(arrival.track)
                told()
                if image.index == clip.start:
                    # The box may come after its image; the target starts in that one all the same.
                    answers.tracks[-1] = _start(clip, image.stamp_ns)
                    answers.report = link.wait_for_report(image)
                    answers.start_seconds = time.monotonic() - sent[-1]
                elif image.index > clip.start:
                    answers.seconds.append(arrival.time_s - sent[-1])
        finally:
            answers.live = punctuality(sent, link.arrivals)
    return answers


def run_real_time(
    clip: Clip,
    parameters: Mapping[str, Any],
    folder: Path,
    storage: str,
    rate: float,
    told: Callable[[], None],
) -> Answers:
    """Send the images at the times at which they were recorded, and wait for nothing.

    But for the image of the target: the next one follows when the node has taken it, as in VOT's
    real-time experiment. The template is adapted while the images go on. What counts for an image
    is what was known when the next one came, see ``known_tracks``. An error or Ctrl-C ends it, and
    is in the answers.

    Args:
        clip: what to send.
        parameters: of the node.
        folder: for the bag of what it published, and its log.
        storage: of that bag, sqlite3 or mcap.
        rate: 2 is twice as fast.
        told: called after every image.
    """
    answers = Answers(results.REAL_TIME)
    sent: list[float] = []
    stamps: list[int] = []
    with _failures(answers), node_link(clip, parameters, folder, storage) as link:
        try:
            began, first_ns = time.monotonic(), None
            for image in clip.images:
                first_ns = image.received_ns if first_ns is None else first_ns
                due = began + (image.received_ns - first_ns) / 1e9 / rate
                link.pass_time(due, rate)
                sent.append(link.send(image))
                stamps.append(image.stamp_ns)
                told()
                if image.index == clip.start:
                    link.wait_for_start(image)
                    began += time.monotonic() - due  # meanwhile the bag stood still
            link.settle(stamps[-1])
        finally:
            answers.tracks = _known(clip, stamps, sent, link.arrivals)
            answers.seconds = [
                item.time_s - sent[item.index] for item in link.arrivals if item.index > clip.start
            ]
            answers.report = link.report
            answers.live = {"rate": rate, **punctuality(sent, link.arrivals)}
    return answers


@contextmanager
def _failures(answers: Answers) -> Iterator[None]:
    """Put what ends a run into its answers."""
    try:
        yield
    except (AutrackError, KeyboardInterrupt) as error:
        answers.failure = error


def _start(clip: Clip, stamp: int) -> Track:
    return Track(stamp, TrackState.TRACKING.value, clip.box, 1.0)


def _known(
    clip: Clip, stamps: Sequence[int], sent_s: Sequence[float], arrivals: Sequence[Arrival]
) -> list[Track]:
    if len(stamps) <= clip.start:
        return [Track(stamp, IDLE) for stamp in stamps]
    return known_tracks(stamps, sent_s, arrivals, _start(clip, stamps[clip.start]))
