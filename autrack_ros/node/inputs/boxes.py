"""Boxes that come from people."""

from __future__ import annotations

from autrack_ros.msg import InitBox
from autrack_ros.tracking import Box


def box_of(message: InitBox) -> Box:
    """Read the box of an init box message; not checked."""
    return Box(message.x, message.y, message.width, message.height)
