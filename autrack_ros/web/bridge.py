"""What the server needs of whatever tracks: ROS topics, or a clip on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from autrack_ros.web.messages import Command

#: Told once what became of a command: whether it was accepted, and that in words. Any thread.
Answered = Callable[[bool, str], None]


class Bridge(Protocol):
    """The other end of the server. All methods return at once; they are called in its thread.

    Attributes:
        source: topic or file of the pictures.
        tracker: what tracks.
        can: names of the commands it takes.
    """

    source: str
    tracker: str
    can: tuple[str, ...]

    def watch(self, on: bool) -> None:
        """The first page has come, or the last one gone: pictures cost nothing meanwhile."""

    def do(self, command: Command, answered: Answered) -> None:
        """Do what a page wants."""

    def bag(self, name: str) -> Path | None:
        """Folder of a finished recording; None where there is none of the name."""
