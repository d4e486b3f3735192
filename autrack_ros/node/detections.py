"""vision_msgs/Detection2DArray: targets out to other nodes, and boxes in from a detector.

The ``vision_msgs.msg`` module comes as an argument, because it is not installed everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from std_msgs.msg import Header

from autrack_ros.msg import Track
from autrack_ros.tracking import Box

if TYPE_CHECKING:
    from vision_msgs.msg import Detection2D, Detection2DArray

_UNSEEN = (Track.IDLE, Track.LOST)  # a lost target's box is a guess


@dataclass(frozen=True, slots=True)
class Selection:
    """What was taken from a detector's message.

    Attributes:
        boxes: unique target id and box of each chosen detection, best score first.
        refused: why detections of the wanted class could not be used, one line each.
    """

    boxes: list[tuple[str, Box]]
    refused: list[str]


@dataclass(frozen=True, slots=True)
class _Candidate:
    id: str
    class_id: str
    score: float
    box: Box


def detections_message(
    messages: ModuleType, header: Header, tracks: Iterable[Track]
) -> Detection2DArray:
    """Make the Detection2DArray of the targets that are seen in an image.

    Targets that are lost or have no box yet are left out: a detection is a claim. The class is
    empty: a target is what was marked, whatever it is.

    Args:
        messages: ``vision_msgs.msg``.
        header: of the camera image; that of the array and of every detection.
        tracks: one for each target.
    """
    detections = [
        _detection(messages, header, track)
        for track in tracks
        if track.state not in _UNSEEN and track.size_x > 0 and track.size_y > 0
    ]
    return messages.Detection2DArray(header=header, detections=detections)


def select_boxes(
    message: Detection2DArray, class_id: str = "", take_all: bool = False
) -> Selection:
    """Choose the boxes that targets are to be started with.

    A detection is of the class that its best-scoring hypothesis names. Its id becomes the target's;
    where it has none, the class does ("person", "person-2"), and without a class "target". A
    rotated box becomes the upright box around it.

    Args:
        message: from a detector; its pixels are those of the image of its header.
        class_id: only detections of this class; empty: of every class, and without one.
        take_all: every such detection, otherwise the best-scoring one.
    """
    candidates, refused = [], []
    for index, detection in enumerate(message.detections):
        try:
            candidate = _read(detection)
        except ValueError as error:
            refused.append(f"detection {index}: {error}")
            continue
        if candidate.class_id != class_id and class_id:
            continue
        fault = _fault(candidate)
        if fault:
            refused.append(f"detection {index}{_shown(candidate)}: {fault}")
        else:
            candidates.append(candidate)
    candidates.sort(key=lambda candidate: -candidate.score)  # stable: equal scores keep their order
    return Selection(_with_unique_ids(candidates if take_all else candidates[:1]), refused)


def _detection(messages: ModuleType, header: Header, track: Track) -> Detection2D:
    detection = messages.Detection2D(header=header, id=track.id)
    detection.bbox.center.position.x = track.center_x
    detection.bbox.center.position.y = track.center_y
    detection.bbox.size_x = track.size_x
    detection.bbox.size_y = track.size_y
    result = messages.ObjectHypothesisWithPose()
    result.hypothesis.score = float(track.score)
    detection.results = [result]
    return detection


def _read(detection: Detection2D) -> _Candidate:
    """Read a detection; without a hypothesis it has no class and the score 0.

    Raises:
        ValueError: there is no telling which class it is of.
    """
    hypotheses = [result.hypothesis for result in detection.results]
    if any(math.isnan(hypothesis.score) for hypothesis in hypotheses):
        raise ValueError("score nan: a score must be a number")
    best = max(hypotheses, key=lambda hypothesis: hypothesis.score, default=None)
    box, angle = detection.bbox, detection.bbox.center.theta
    width, height = box.size_x, box.size_y
    if angle and math.isfinite(angle):
        cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
        width, height = width * cosine + height * sine, width * sine + height * cosine
    elif angle:
        width = height = math.nan
    center = box.center.position
    return _Candidate(
        detection.id,
        "" if best is None else best.class_id,
        0.0 if best is None else best.score,
        Box(center.x - width / 2, center.y - height / 2, width, height),
    )


def _fault(candidate: _Candidate) -> str:
    """Why the box cannot be used whatever the image; empty if it can."""
    box = candidate.box
    if not all(math.isfinite(value) for value in box):
        return "centre, size and angle must be finite numbers"
    if box.w <= 0 or box.h <= 0:
        return f"size {box.w:g} x {box.h:g} px: both must be greater than 0"
    return ""


def _shown(candidate: _Candidate) -> str:
    names = [name for name in (candidate.id, candidate.class_id) if name]
    return f" ({', '.join(names)})" if names else ""


def _with_unique_ids(candidates: list[_Candidate]) -> list[tuple[str, Box]]:
    given = {candidate.id for candidate in candidates}
    used: set[str] = set()
    boxes = []
    for candidate in candidates:
        name = wanted = candidate.id or candidate.class_id or "target"
        number = 1
        while name in used or (name in given and name != candidate.id):
            number += 1
            name = f"{wanted}-{number}"
        used.add(name)
        boxes.append((name, candidate.box))
    return boxes
