"""Many bags as the sequences of one run, each with a report of its own.

The results' folder is that of ``evaluation.results``, and below ``bags`` in it there is a folder a
bag as ``bags.results`` has it.
"""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation.attributes import box_attributes
from autrack_ros.evaluation.bags import fingerprints, results
from autrack_ros.evaluation.bags.boxes import Start, TopicTruth, topic_start
from autrack_ros.evaluation.bags.evaluation import Answers, describe, run_offline, write_results
from autrack_ros.evaluation.bags.reading import IMAGE_TYPES, STORAGE_SUFFIXES, Bag
from autrack_ros.evaluation.bags.recording import Recording
from autrack_ros.evaluation.bags.tracks import IDLE, last_boxes_of
from autrack_ros.evaluation.datasets import Readers
from autrack_ros.evaluation.frames import Frames, SourceError
from autrack_ros.evaluation.results import ResultFolder, TrackedSequence
from autrack_ros.evaluation.runner import Answer, FollowsTarget
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.presence import TrackState

FORMAT = "bags"
BAGS = "bags"  # folder in that of the results, with a folder a bag


@dataclass(frozen=True, slots=True)
class BagTopics:
    """What is read of every bag.

    Attributes:
        images: topic of the images.
        truth: topic of the boxes to compare with; None where there are none.
        init: topic whose first box is the target, or the box on the first image; None: the first
            box to compare with.
        target: id of the target, where a topic has several.
    """

    images: str
    truth: str | None
    init: str | Box | None
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BagSequence(Sequence):
    """A bag from the image on in which the target is marked.

    Attributes:
        path: of the bag.
        topics: that are read.
        start: where the target is.
        sha256: of the bag's files.
    """

    path: Path
    topics: BagTopics
    start: Start
    sha256: str

    @property
    def truth_sha256(self) -> str:
        """Hash of the bag and of what is read of it."""
        return fingerprints.hash_value([self.sha256, self.topics.images, self.topics.truth,
                                        self.topics.target, list(self.start.box),
                                        sorted(self.attributes)])  # fmt: skip


def find_bags(where: str) -> dict[str, Path]:
    """Bags by name: those anywhere below a folder, or what a pattern such as drives/2026* matches.

    Raises:
        SourceError: there is none, or two have one name.
    """
    folder = Path(where)
    if folder.is_dir() and not (folder / "metadata.yaml").is_file():
        found = [file.parent for file in folder.rglob("metadata.yaml")]
        names = ["_".join(path.relative_to(folder).parts) for path in found]
    else:
        found = [path for path in map(Path, glob.glob(where)) if _may_be_bag(path)]
        names = [path.resolve().name for path in found]
    bags = dict(sorted(zip(names, found, strict=True)))
    if not bags:
        raise SourceError(f"{where}: no bag; accepted: a folder of bags, or a pattern in quotes")
    if len(bags) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SourceError(f"{where}: several bags are named {', '.join(twice)}")
    return bags


def _may_be_bag(path: Path) -> bool:
    return (path / "metadata.yaml").is_file() or path.suffix in STORAGE_SUFFIXES


def bag_readers(bags: dict[str, Path], topics: BagTopics) -> Readers:
    """Readers of bags, as ``run_benchmark`` wants them; one raises SourceError."""
    return {name: partial(_read, name, path, topics) for name, path in bags.items()}


def _read(name: str, path: Path, topics: BagTopics) -> BagSequence:
    with Bag(path) as bag:
        bag.require(topics.images, IMAGE_TYPES)
        truth = None if topics.truth is None else TopicTruth(bag, topics.truth, topics.target)
        start = _start(bag, topics, truth)
        first, stamps = None, []
        for image in bag.stored_messages(topics.images):
            if first is None and start.is_in(image):
                first = image.index
            stamps.append(image.stamp_ns)
        if first is None:
            raise SourceError(f"{path}: {start.source}: no image has this stamp")
        boxes = np.full((len(stamps), 4), np.nan) if truth is None else truth.of(stamps)
        (picture,) = bag.images(topics.images, [0])
    boxes = boxes[first:]
    annotated = np.isfinite(boxes).all(axis=1)
    height, width = picture.bgr.shape[:2]
    return BagSequence(
        name,
        Frames(str(path), len(boxes), None, partial(iter, ())),  # read with their stamps instead
        boxes,
        box_attributes(boxes, (width, height), annotated),
        annotated,
        path=path,
        topics=topics,
        start=start,
        sha256=fingerprints.hash_bag(path),
    )


def _start(bag: Bag, topics: BagTopics, truth: TopicTruth | None) -> Start:
    if isinstance(topics.init, str):
        return topic_start(bag, topics.init, topics.target)
    if topics.init is not None:
        return Start(f"--init {topics.init}", topics.init, 0)
    assert truth is not None  # one of both is there
    return truth.start


def track_bag(
    settings: dict[str, Any],
    tracker: FollowsTarget[Answer],
    sequence: BagSequence,
    folder: ResultFolder,
    advance: Callable[[], None],
) -> str | None:
    """Track in a bag, write its report and its results; what went wrong, or None.

    Args:
        settings: that the report tells.
        tracker: that is measured.
        sequence: the bag.
        folder: of all results.
        advance: called after every image from the start on.
    """
    own = folder.path / BAGS / sequence.name
    topics = sequence.topics
    with Bag(sequence.path) as bag:
        truth = None if topics.truth is None else TopicTruth(bag, topics.truth, topics.target)
        results.prepare(own)
        with Recording(own / results.OFFLINE / "bag", pictures=False) as recording:
            answers = run_offline(
                tracker,
                bag,
                topics.images,
                sequence.start,
                recording,
                lambda track: None if track.state == IDLE else advance(),
            )
        facts = describe(bag, topics.images, sequence.sha256, sequence.start, settings)
        _, failure = write_results(own, bag, topics.images, truth, [answers], facts)
    if isinstance(failure, KeyboardInterrupt):
        raise failure
    if failure is not None:
        return f"{sequence.name}, image {len(answers.tracks) + 1}: {failure}"
    folder.save(sequence, _tracked(answers))
    return None


def _tracked(answers: Answers) -> TrackedSequence:
    tracks = [track for track in answers.tracks if track.state != IDLE]
    return TrackedSequence(
        last_boxes_of(tracks),
        np.array([answers.start_seconds, *answers.seconds]),
        np.array([track.score for track in tracks]),
        [TrackState(track.state) for track in tracks],
    )
