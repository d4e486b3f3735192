"""Write rosbag2 folders through ``rosbags``, without rosbag2 itself."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from autrack_ros.evaluation.bags.types import message_types
from autrack_ros.evaluation.frames import SourceError

# The bag format of Humble, which every later distribution reads too.
_VERSION: Final = 8
_FOREVER = QosTime(2147483647, 4294967295)  # as rosbag2 writes an infinite duration


class BagWriter:
    """A new bag; what was written stays readable when an error ends it. A context manager.

    Args:
        path: folder to make; it must not exist.
        storage: sqlite3 or mcap.

    Raises:
        SourceError: there is something at ``path``.
    """

    def __init__(self, path: Path, storage: str = "sqlite3") -> None:
        try:
            self._writer = Writer(
                path, version=_VERSION, storage_plugin=StoragePlugin[storage.upper()]
            )
        except WriterError as error:
            raise SourceError(str(error)) from error
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
            topic,
            message_type,
            typestore=message_types(),
            offered_qos_profiles=[_reliable(latched)],
        )

    def write(self, topic: str, received_ns: int, message: bytes | memoryview) -> None:
        """Append a serialised message (CDR) that came at a time, nanoseconds since 1970."""
        self._writer.write(self._connections[topic], received_ns, message)

    def write_message(self, topic: str, received_ns: int, message: Any) -> None:
        """Append a message of ``new_message``."""
        self.write(topic, received_ns, message_types().serialize_cdr(message, message.__msgtype__))


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
