"""A box that a target is to be started with, and the names that targets may have."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.tracking import Box

#: Of a target's id in UTF-8: every message about the target repeats it.
MAX_ID_BYTES = 256


class End(enum.Enum):
    """Why a target is not followed, or no longer."""

    REFUSED = enum.auto()  # its box
    REMOVED = enum.auto()  # by command, or forgotten with its images
    REPLACED = enum.auto()  # by a newer box of its id
    LOST = enum.auto()  # for longer than was asked for
    TIMEOUT = enum.auto()  # followed as long as was asked for
    NODE_DOWN = enum.auto()


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A box that a target is to be started with.

    Attributes:
        id: of the target; one that is followed is started anew.
        box: edge coordinates, pixels.
        stamp_ns: of the image that the box was drawn in; 0: the next one.
        answer: called once, when it is known what became of the request: with the adaptation, or
            with the reason why there was none.
        patient: waits for its image however long that takes.
        started: called when its target is followed.
        ended: called once, when it is not or no longer followed, with the reason in words as well.
    """

    id: str
    box: Box
    stamp_ns: int
    answer: Callable[[Adapted | str], None]
    patient: bool = True
    started: Callable[[], None] = lambda: None
    ended: Callable[[End, str], None] = lambda end, text: None

    @property
    def id_fault(self) -> str:
        """Why no target can have this id; empty if one can."""
        size = _byte_count(self.id)
        if 0 < size <= MAX_ID_BYTES:
            return ""
        return f"its id has {size} bytes, 1 to {MAX_ID_BYTES} are accepted"


def shown_id(target_id: str) -> str:
    """Return the id for a message: the beginning of one that is too long for a target."""
    if _byte_count(target_id) <= MAX_ID_BYTES:
        return target_id
    return f"{target_id[: MAX_ID_BYTES // 8]}..."


def _byte_count(target_id: str) -> int:
    return len(target_id.encode(errors="surrogatepass"))
