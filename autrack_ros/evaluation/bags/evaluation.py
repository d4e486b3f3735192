"""Track in a bag, score the answers, write all results.

``run_offline`` is one way to get answers; ``write_results`` takes those of any number of ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation.bags import fingerprints, results
from autrack_ros.evaluation.bags.boxes import FileTruth, Start, TopicTruth
from autrack_ros.evaluation.bags.figures import draw_figures
from autrack_ros.evaluation.bags.offline import track_offline
from autrack_ros.evaluation.bags.reading import Bag
from autrack_ros.evaluation.bags.realtime import compare
from autrack_ros.evaluation.bags.recording import Recording
from autrack_ros.evaluation.bags.report import find_troubles, frames_to_show, write_report
from autrack_ros.evaluation.bags.tracks import IDLE, Run, Track, score
from autrack_ros.evaluation.runner import Answer, FollowsTarget
from autrack_ros.tracking import AdaptationReport
from autrack_ros.tracking.errors import AutrackError

Truth = FileTruth | TopicTruth


@dataclass(slots=True)
class Answers:
    """What one way of tracking gave.

    Attributes:
        name: of the way, and of its folder in the results.
        tracks: an image each, in order.
        seconds: of following, an image each after the start.
        start_seconds: of starting and adapting.
        report: of the template's adaptation; None before the start.
        failure: what ended it early.
        live: numbers of a live run (see ``realtime``); empty of any other.
        size: width and height of the images, pixels; None of a live run and before the first.
    """

    name: str
    tracks: list[Track] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    start_seconds: float = 0.0
    report: AdaptationReport | None = None
    failure: AutrackError | KeyboardInterrupt | None = None
    live: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None


def describe(
    bag: Bag, image_topic: str, sha256: str, start: Start, settings: dict[str, Any]
) -> dict[str, Any]:
    """What metrics.json and the report tell of a run besides its numbers."""
    return {
        "bag": {
            "name": bag.path.resolve().name,
            "sha256": sha256,
            "image_topic": image_topic,
            "image_type": bag.topics[image_topic],
            "images": bag.count(image_topic),
        },
        "init": {"source": start.source, "box": list(start.box)},
        "settings": settings,
        "settings_sha256": fingerprints.hash_value(settings),
    }


def run_offline(
    tracker: FollowsTarget[Answer],
    bag: Bag,
    image_topic: str,
    start: Start,
    recording: Recording,
    told: Callable[[Track], None] = lambda _: None,
) -> Answers:
    """Track in every image and record the answers; an error or Ctrl-C ends it, and is in them.

    Args:
        tracker: that is measured.
        bag: open.
        image_topic: its images.
        start: where the target is.
        recording: open.
        told: called with every answer.
    """
    answers = Answers(results.OFFLINE)
    started = False
    try:
        for tracked in track_offline(tracker, bag.images(image_topic), start):
            recording.add(tracked)
            answers.size = tracked.image.bgr.shape[1], tracked.image.bgr.shape[0]
            answers.tracks.append(tracked.track)
            if started:
                answers.seconds.append(tracked.seconds)
            elif tracked.track.state != IDLE:
                started = True
                answers.report, answers.start_seconds = tracked.report, tracked.seconds
            told(tracked.track)
    except (AutrackError, KeyboardInterrupt) as error:
        answers.failure = error
    return answers


def write_results(
    folder: Path,
    bag: Bag,
    image_topic: str,
    truth: Truth | None,
    answers: Sequence[Answers],
    facts: dict[str, Any],
) -> tuple[list[Run], BaseException | None]:
    """Score and draw the answers, write everything but the recordings into the folder.

    Args:
        folder: of ``results.prepare``.
        bag: open.
        image_topic: its images.
        truth: to compare with.
        answers: the first is that of the report's pictures; the others are over the same images,
            unless they ended early.
        facts: what metrics.json and the report are to tell besides.

    Returns:
        the scored runs, and the first failure, that of matching the truth too.
    """
    failure: BaseException | None = next((a.failure for a in answers if a.failure), None)
    compared, mismatch = _compared(truth, answers[0].tracks)
    failure = failure or mismatch
    size = answers[0].size
    runs = [
        Run(item.name, item.tracks, {**score(item.tracks, compared, size), **item.live})
        for item in answers
    ]
    facts = {
        "complete": failure is None,
        "error": None if failure is None else str(failure) or "interrupted",
        **facts,
        "truth": None if truth is None else {"source": truth.source},
        "runs": {
            item.name: {**run.numbers, "template_update": _without_times(item.report)}
            for item, run in zip(answers, runs, strict=True)
        },
        **({"comparison": compare(runs)} if len(runs) > 1 else {}),
    }
    results.write(folder / results.METRICS, facts)
    results.write(folder / results.TIMING, {item.name: _times(item) for item in answers})
    for item in answers:
        results.write_run(folder / item.name, item.tracks, compared)
    if not runs[0].tracks:
        return runs, failure
    troubles = find_troubles(runs[0], compared)
    shown = frames_to_show(len(runs[0].tracks), troubles)
    write_report(
        folder / results.REPORT,
        facts,
        runs,
        compared,
        draw_figures(runs, compared, folder / results.PLOTS),
        bag.images(image_topic, shown),
        troubles,
    )
    return runs, failure


def _compared(
    truth: Truth | None, tracks: Sequence[Track]
) -> tuple[np.ndarray | None, AutrackError | None]:
    """The truth of each track, or what kept it from being matched."""
    if truth is None:
        return None, None
    try:
        return truth.of([track.stamp_ns for track in tracks]), None
    except AutrackError as error:
        return None, error


def _without_times(report: AdaptationReport | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {name: value for name, value in asdict(report).items() if name != "elapsed_ms"}


def _times(answers: Answers) -> dict[str, Any]:
    if not answers.seconds:
        return {"start_ms": round(1e3 * answers.start_seconds, 3)}
    p50, p95, p99 = (1e3 * np.percentile(answers.seconds, (50, 95, 99))).round(3).tolist()
    return {
        "start_ms": round(1e3 * answers.start_seconds, 3),
        **({} if answers.live else {"images_a_second": round(1 / np.mean(answers.seconds), 2)}),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
    }
