"""``~/status``: what became of boxes and commands."""

from __future__ import annotations

from autrack_ros.msg import Status
from autrack_ros.node import qos
from autrack_ros.node.outputs.output import Output, Topics


class StatusEvents(Output):
    """One message an event."""

    def __init__(self, topics: Topics) -> None:
        self._status = topics.make(Status, "~/status", qos.STATUS)

    def happened(self, status: Status) -> None:
        """Publish it."""
        self._status.publish(status)
