"""Read rosbag2 folders (sqlite3 and mcap, compressed or not) through ``rosbags``, without ROS.

Whatever is wrong with a bag becomes a ``SourceError`` that names the bag, and the topic and the
message where it is about one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection

from autrack_ros.evaluation.bags.types import message_types
from autrack_ros.evaluation.frames import SourceError
from autrack_ros.messages.images import compressed_to_bgr, image_to_bgr
from autrack_ros.tracking.errors import AutrackError, InvalidImageError

STORAGE_SUFFIXES = (".db3", ".mcap")
_DECODERS = {
    "sensor_msgs/msg/Image": image_to_bgr,
    "sensor_msgs/msg/CompressedImage": compressed_to_bgr,
}
IMAGE_TYPES = tuple(_DECODERS)


@dataclass(frozen=True, slots=True)
class StampedImage:
    """An image of a bag.

    Attributes:
        index: its place among the images of its topic, from 0.
        stamp_ns: of its header, nanoseconds.
        received_ns: when it was recorded, nanoseconds.
        frame_id: of its header.
        bgr: HxWx3 uint8.
    """

    index: int
    stamp_ns: int
    received_ns: int
    frame_id: str
    bgr: np.ndarray


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it is stored.

    Attributes:
        index: its place among the messages of its topic, from 0.
        stamp_ns: of its header, nanoseconds.
        received_ns: when it was recorded, nanoseconds.
        data: serialised (CDR).
    """

    index: int
    stamp_ns: int
    received_ns: int
    data: bytes


class Bag:
    """An open bag; a context manager.

    Args:
        path: its folder, or its one storage file.

    Raises:
        SourceError: there is none, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        _check_folder(path)
        self.path = path
        with self._reading():
            self._reader = AnyReader([path], default_typestore=message_types())

    def __enter__(self) -> Bag:
        with self._reading():
            self._reader.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.close()

    @property
    def topics(self) -> dict[str, str]:
        """Type of every topic, such as ``sensor_msgs/msg/Image``."""
        return {item.topic: item.msgtype for item in self._reader.connections}

    def require(self, topic: str, accepted: Collection[str]) -> str:
        """Type of a topic.

        Raises:
            SourceError: it is not there, holds nothing, or its type is not an accepted one.
        """
        topics = self.topics
        if topic not in topics:
            listed = ", ".join(f"{name} ({kind})" for name, kind in sorted(topics.items()))
            raise SourceError(f"{self.path} has no topic {topic}; it has: {listed or 'none'}")
        kind = topics[topic]
        if kind not in accepted:
            raise SourceError(
                f"{self.path}: {topic} is of type {kind}; accepted: {', '.join(accepted)}"
            )
        if kind not in self._reader.typestore.fielddefs:
            raise SourceError(f"{self.path}: the bag does not define {kind}, the type of {topic}")
        if self.count(topic) == 0:
            raise SourceError(f"{self.path}: {topic} holds no message")
        return kind

    def count(self, topic: str) -> int:
        """Number of messages on a topic."""
        return sum(connection.msgcount for connection in self._connections(topic))

    def messages(self, topic: str) -> Iterator[tuple[int, Any]]:
        """Time of reception (nanoseconds) and message of everything on a topic, in order.

        Raises:
            SourceError: the bag is damaged, at the message where it shows.
        """
        for received_ns, message, _ in self._stored(topic):
            yield received_ns, message

    def stored_messages(self, topic: str) -> Iterator[StoredMessage]:
        """Everything on a topic of messages with headers, in order, to be sent as it is.

        Raises:
            SourceError: see ``messages``.
        """
        for index, (received_ns, message, data) in enumerate(self._stored(topic)):
            yield StoredMessage(index, stamp_ns(message), received_ns, bytes(data))

    def images(self, topic: str, only: Sequence[int] | None = None) -> Iterator[StampedImage]:
        """Images of a topic, in order; all have one size.

        Args:
            topic: of a type of ``IMAGE_TYPES``.
            only: indices of those that are wanted, ascending; the others are not decoded.

        Raises:
            SourceError: of ``require``; an image cannot be read, or has another size.
        """
        decode = _DECODERS[self.require(topic, IMAGE_TYPES)]
        size = None
        count = None if only is None else max(only, default=-1) + 1
        for index, (received_ns, message) in enumerate(islice(self.messages(topic), count)):
            if only is not None and index not in only:
                continue
            stamp = stamp_ns(message)
            where = f"{self.path}, {topic}, image {index + 1} (stamp {seconds(stamp)})"
            try:
                bgr = decode(message)
            except InvalidImageError as error:
                raise SourceError(f"{where}: {error}") from error
            shown = f"{bgr.shape[1]}x{bgr.shape[0]}"
            if shown != (size or shown):
                raise SourceError(f"{where} is {shown}, those before are {size}")
            size = shown
            yield StampedImage(index, stamp, received_ns, message.header.frame_id, bgr)

    def _stored(self, topic: str) -> Iterator[tuple[int, Any, bytes]]:
        """Time of reception, message, and that serialised."""
        connections = self._connections(topic)
        if not connections:  # AnyReader takes no connections for all
            return
        with self._reading(topic):
            for connection, received_ns, data in self._reader.messages(connections):
                yield received_ns, self._reader.deserialize(data, connection.msgtype), data

    def _connections(self, topic: str) -> list[Connection]:
        return [item for item in self._reader.connections if item.topic == topic]

    @contextmanager
    def _reading(self, topic: str = "") -> Iterator[None]:
        """Name the bag in what goes wrong in rosbags, sqlite, zstd, lz4 and yaml."""
        try:
            yield
        except AutrackError:
            raise
        except Exception as error:
            where = f"{self.path}, {topic}" if topic else str(self.path)
            shown = str(error) or type(error).__name__
            raise SourceError(f"{where}: cannot be read: {shown}") from error


def read_topic(bag: Path, topic: str) -> Iterator[tuple[int, Any]]:
    """Time of reception (nanoseconds) and message of everything on a topic, in order."""
    with Bag(bag) as opened:
        yield from opened.messages(topic)


def stamp_ns(message: Any) -> int:
    """Stamp of a message's header, nanoseconds."""
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def seconds(nanoseconds: int) -> str:
    """A time as it is shown, with all its digits."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"


def _check_folder(path: Path) -> None:
    if not path.exists():
        raise SourceError(f"{path}: no such bag")
    if path.is_file():
        if path.suffix not in STORAGE_SUFFIXES:
            raise SourceError(
                f"{path} is no bag; accepted: a rosbag2 folder, or its .db3 or .mcap file"
            )
    elif not (path / "metadata.yaml").is_file():
        files = sorted(file.name for file in path.iterdir() if file.suffix in STORAGE_SUFFIXES)
        mend = (
            f"; the recording did not end: `ros2 bag reindex {path}` makes it, or give "
            f"{path / files[0]} itself"
            if files
            else ""
        )
        raise SourceError(f"{path} is no bag: it has no metadata.yaml{mend}")
