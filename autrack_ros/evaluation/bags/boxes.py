"""Annotated boxes of a bag's images, from a file or from a topic, and the box to start from.

As an array (N x 4, an image a row) a box of NaN means that nothing is annotated, a box of zeros
that the target is absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation.bags.reading import Bag, StampedImage, StoredMessage, seconds, stamp_ns
from autrack_ros.evaluation.boxfiles import read_boxes
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.evaluation.metrics import present
from autrack_ros.messages.detections import select_boxes
from autrack_ros.tracking.boxes import Box

BOX_TYPES = ("autrack_ros/msg/InitBox", "vision_msgs/msg/Detection2DArray")
UNKNOWN = Box(math.nan, math.nan, math.nan, math.nan)
ABSENT = Box(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class StampedBox:
    """A box of a topic: of the image that has its stamp; where that is 0, of the next image."""

    stamp_ns: int
    received_ns: int
    box: Box


@dataclass(frozen=True, slots=True)
class Start:
    """The box a tracker starts from, and in which image.

    Attributes:
        source: what the user gave, for errors.
        box: edge coordinates, pixels.
        index: of the image, from 0; None where the stamps decide.
        stamp_ns: of the image; 0 for the next one.
        received_ns: when the box was recorded.
    """

    source: str
    box: Box
    index: int | None = None
    stamp_ns: int = 0
    received_ns: int = 0

    def is_in(self, image: StampedImage | StoredMessage) -> bool:
        """Whether this is the image."""
        if self.index is not None:
            return image.index == self.index
        if self.stamp_ns:
            return image.stamp_ns == self.stamp_ns
        return image.received_ns >= self.received_ns


class FileTruth:
    """Boxes of a file, one line an image; ``nan,nan,nan,nan`` or no area: the target is absent.

    Args:
        path: see ``read_boxes``.
        images: how many there are.

    Raises:
        SourceError: the file cannot be read, or has another number of boxes.
    """

    def __init__(self, path: Path, images: int) -> None:
        self.source = str(path)
        self._boxes = read_boxes(path)
        if len(self._boxes) != images:
            raise SourceError(f"{path} holds {len(self._boxes)} boxes for {images} images")

    @property
    def start(self) -> Start:
        """The first box that is there.

        Raises:
            SourceError: there is none.
        """
        found = np.flatnonzero(present(self._boxes))
        if len(found) == 0:
            raise SourceError(f"{self.source}: no box to start from, the target is always absent")
        index = int(found[0])
        return Start(f"{self.source}, box {index + 1}", Box(*self._boxes[index].tolist()), index)

    def of(self, stamps: Sequence[int]) -> np.ndarray:
        """The boxes of the first images, N x 4; stamps do not matter.

        Raises:
            SourceError: there are more images than the bag said it had.
        """
        if len(stamps) > len(self._boxes):
            raise SourceError(f"{self.source}: {len(self._boxes)} boxes for {len(stamps)} images")
        there = present(self._boxes)[:, None]
        return np.where(there, self._boxes, ABSENT)[: len(stamps)]


class TopicTruth:
    """Boxes of a topic, each of the image that has its stamp.

    An image without a message is not annotated. The target is absent where the box is all NaN or
    has no area, or an array holds no detection.

    Args:
        bag: open.
        topic: of a type of ``BOX_TYPES``.
        target: id of the target, where the topic holds several.

    Raises:
        SourceError: of ``Bag.require``; a box is not usable, two have one stamp, or several targets
            are there and none is named.
    """

    def __init__(self, bag: Bag, topic: str, target: str = "") -> None:
        self.source = topic
        self._boxes: dict[int, StampedBox] = {}
        for item in topic_boxes(bag, topic, target):
            if item.stamp_ns in self._boxes:
                raise SourceError(
                    f"{bag.path}, {topic}: two boxes have the stamp {seconds(item.stamp_ns)}"
                )
            self._boxes[item.stamp_ns] = item

    @property
    def start(self) -> Start:
        """The first box that is there.

        Raises:
            SourceError: there is none.
        """
        return first_start(self.source, iter(self._boxes.values()))

    def of(self, stamps: Sequence[int]) -> np.ndarray:
        """The boxes of images, N x 4.

        Raises:
            SourceError: no box has the stamp of an image, or two images have one stamp.
        """
        if len(set(stamps)) < len(stamps):
            raise SourceError(
                f"{self.source}: images share stamps, so boxes cannot be matched by them; "
                "give the boxes as a file"
            )
        if stamps and not self._boxes.keys() & set(stamps):
            raise SourceError(
                f"{self.source}: none of its {len(self._boxes)} boxes has the stamp of an image; "
                f"its first is {seconds(min(self._boxes))}, that of the images "
                f"{seconds(min(stamps))}"
            )
        return np.array([self._boxes[s].box if s in self._boxes else UNKNOWN for s in stamps])


def topic_start(bag: Bag, topic: str, target: str = "") -> Start:
    """The first box of a topic.

    Raises:
        SourceError: of ``Bag.require``; a box is not usable, or there is none.
    """
    return first_start(topic, topic_boxes(bag, topic, target))


def first_start(topic: str, boxes: Iterator[StampedBox]) -> Start:
    """The first of the boxes where the target is there."""
    for item in boxes:
        if present(np.array([item.box]))[0]:
            source = f"{topic}, stamp {seconds(item.stamp_ns)}"
            return Start(source, item.box, None, item.stamp_ns, item.received_ns)
    raise SourceError(f"{topic}: no box to start from, the target is always absent")


def topic_boxes(bag: Bag, topic: str, target: str = "") -> Iterator[StampedBox]:
    """Boxes of one target on a topic, in order.

    Raises:
        SourceError: see ``TopicTruth``.
    """
    kind = bag.require(topic, BOX_TYPES)
    read = _init_boxes if kind == BOX_TYPES[0] else _detected_boxes
    names: set[str] = set()
    for received_ns, message in bag.messages(topic):
        stamp = stamp_ns(message)
        where = f"{bag.path}, {topic}, stamp {seconds(stamp)}"
        boxes = read(message, where)
        names |= boxes.keys()
        if not target and len(names) > 1:
            listed = ", ".join(sorted(names))
            raise SourceError(f"{where}: there are several targets ({listed}); name one")
        if target and target not in boxes and kind == BOX_TYPES[0]:
            continue  # of another target
        box = next(iter(boxes.values()), ABSENT) if not target else boxes.get(target, ABSENT)
        _check(box, where)
        there = present(np.array([box]))[0]
        yield StampedBox(stamp, received_ns, box if there else ABSENT)
    if target and target not in names:
        raise SourceError(
            f"{bag.path}, {topic}: no target {target!r}; it has: {', '.join(sorted(names))}"
        )


def _init_boxes(message: Any, where: str) -> dict[str, Box]:
    return {message.id: Box(message.x, message.y, message.width, message.height)}


def _detected_boxes(message: Any, where: str) -> dict[str, Box]:
    try:
        selection = select_boxes(message, take_all=True)
    except AttributeError as error:  # of vision_msgs before Humble
        raise SourceError(f"{where}: vision_msgs of another version ({error})") from error
    if selection.refused:
        raise SourceError(f"{where}: {selection.refused[0]}")
    return dict(selection.boxes)


def _check(box: Box, where: str) -> None:
    """Refuse a box that is neither one nor says that the target is absent."""
    finite = [math.isfinite(value) for value in box]
    if not all(finite) and not all(map(math.isnan, box)):
        raise SourceError(
            f"{where}: {','.join(f'{value:g}' for value in box)}; accepted: four finite numbers, "
            "or four NaN where the target is absent"
        )
    if all(finite) and (box.w < 0 or box.h < 0):
        raise SourceError(f"{where}: size {box.w:g} x {box.h:g}; accepted: 0 or more")
