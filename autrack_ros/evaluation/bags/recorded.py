"""Answers that a node gave while the bag was played to it, from the bag they were recorded in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autrack_ros.evaluation.bags import results
from autrack_ros.evaluation.bags.evaluation import Answers
from autrack_ros.evaluation.bags.reading import Bag
from autrack_ros.evaluation.bags.realtime import (
    Arrival,
    known_tracks,
    punctuality,
    read_track,
    require_ascending,
)
from autrack_ros.evaluation.bags.tracks import IDLE, Track
from autrack_ros.evaluation.frames import SourceError

_TRACK = "autrack_ros/msg/Track"
_EARLIEST_S, _LATEST_S = -0.1, 60.0  # of an answer after its image; /clock comes in steps


def open_answers(path: Path) -> list[tuple[float, Track]]:
    """When and what a node said of images, read from its ``~/track``.

    Raises:
        SourceError: the bag cannot be read, or does not have one topic of this type.
    """
    with Bag(path) as bag:
        topics = [topic for topic, kind in bag.topics.items() if kind == _TRACK]
        if len(topics) != 1:
            raise SourceError(
                f"{path} has {', '.join(topics) or 'no topic'} of type {_TRACK}; accepted: one"
            )
        bag.require(topics[0], (_TRACK,))
        return [
            (received_ns / 1e9, read_track(message))
            for received_ns, message in bag.messages(topics[0])
        ]


def recorded_answers(
    path: Path,
    recorded: Sequence[tuple[float, Track]],
    bag: Bag,
    image_topic: str,
    offline: Sequence[Track],
    rate: float,
) -> Answers:
    """The recorded answers as a run in real time; what is wrong with them is its failure.

    Args:
        path: of their bag, for errors.
        recorded: of ``open_answers``, in the time of the bag.
        bag: that was played, open.
        image_topic: its images.
        offline: an image each, the same images.
        rate: that it was played at.
    """
    answers = Answers(results.REAL_TIME)
    try:
        require_ascending(f"{bag.path}, {image_topic}", offline)
    except SourceError as error:
        answers.failure = error
        return answers
    times = (message.received_ns for message in bag.stored_messages(image_topic))
    sent_s = [time_ns / 1e9 for _, time_ns in zip(offline, times, strict=False)]
    indices = {track.stamp_ns: index for index, track in enumerate(offline)}
    arrivals = [
        Arrival(indices[track.stamp_ns], time_s, track)
        for time_s, track in recorded
        if track.stamp_ns in indices
    ]
    start = next(track for track in offline if track.state != IDLE)
    delays_s = [item.time_s - sent_s[item.index] for item in arrivals]
    if all(item.track.state == IDLE for item in arrivals):
        answers.failure = SourceError(
            f"{path}: none of its {len(recorded)} tracks is of a target in an image of {bag.path}"
        )
    elif min(delays_s) < _EARLIEST_S or max(delays_s) > _LATEST_S:
        answers.failure = SourceError(
            f"{path}: a track was recorded {delays_s[0]:g} s after its image, so not in the time "
            "of the bag; record with `ros2 bag record --use-sim-time` and play with `--clock`"
        )
    else:
        answers.tracks = known_tracks(list(indices), sent_s, arrivals, start)
        answers.seconds = [delay_s / rate for delay_s in delays_s]
        wall = [Arrival(a.index, a.time_s / rate, a.track) for a in arrivals]
        answers.live = {"rate": rate, **punctuality([time_s / rate for time_s in sent_s], wall)}
    return answers
