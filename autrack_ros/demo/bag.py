"""Write and read the demo's bag: rosbag2 files through ``rosbags``, without rosbag2 itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rosbags.highlevel import AnyReader
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

# The bag format of Humble, which every later distribution reads too.
_VERSION: Final = 8
_FOREVER = QosTime(2147483647, 4294967295)  # as rosbag2 writes an infinite duration


def typestore(message_folder: Path) -> Typestore:
    """Message types of ROS 2 and of this package, whose definitions (``*.msg``) lie in a folder."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    for file in sorted(message_folder.glob("*.msg")):
        name = f"autrack_ros/msg/{file.stem}"
        store.register(get_types_from_msg(file.read_text(encoding="utf-8"), name))
    return store


class BagWriter:
    """A new bag in sqlite3 format; messages come serialised (CDR). A context manager.

    Args:
        path: folder to make; it must not exist.
        types: message types of the topics.
    """

    def __init__(self, path: Path, types: Typestore) -> None:
        self._writer = Writer(path, version=_VERSION, storage_plugin=StoragePlugin.SQLITE3)
        self._types = types
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def add_topic(self, topic: str, message_type: str, *, latched: bool = False) -> None:
        """Declare a topic, with the quality of service that a player is to offer."""
        self._connections[topic] = self._writer.add_connection(
            topic, message_type, typestore=self._types, offered_qos_profiles=[_reliable(latched)]
        )

    def write(self, topic: str, received_ns: int, message: bytes) -> None:
        """Append a serialised message that came at a time, nanoseconds since 1970."""
        self._writer.write(self._connections[topic], received_ns, message)


def read_topic(bag: Path, types: Typestore, topic: str) -> Iterator[tuple[int, Any]]:
    """Time of reception (nanoseconds) and message of everything on a topic, in order."""
    with AnyReader([bag], default_typestore=types) as reader:
        connections = [item for item in reader.connections if item.topic == topic]
        if not connections:  # AnyReader takes no connections for all
            return
        for connection, received_ns, data in reader.messages(connections):
            yield received_ns, reader.deserialize(data, connection.msgtype)


def stamp_ns(message: Any) -> int:
    """Stamp of a message's header, nanoseconds."""
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def _reliable(latched: bool) -> Qos:
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        avoid_ros_namespace_conventions=False,
    )
