"""What a target session tells: its targets in an image, and what happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from std_msgs.msg import Header

from autrack_ros.drawing import Trail
from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.tracking import Box, TrackResult, TrackState, iou

SAME_THING = 0.5  # overlap of two boxes


@dataclass(frozen=True, slots=True)
class TrackedTarget:
    """A target in the live image.

    Attributes:
        id: of the target.
        state: None while it catches up.
        adapting: whether the adaptation of its template is not done yet.
        box: edge coordinates; None while it is lost or catches up.
        last_box: where it was found last.
        score: 0..1; 1 in the image of the request.
        result: None without a response map.
        adaptation_ms: time of the adaptation; 0 until it is done.
        trail: its centres in the last seconds.
    """

    id: str
    state: TrackState | None
    adapting: bool
    box: Box | None
    last_box: Box
    score: float
    result: TrackResult | None
    adaptation_ms: float
    trail: Trail


def look_alikes(targets: Sequence[TrackedTarget]) -> dict[str, Box]:
    """By target, what is beside it and looks like it, edge coordinates.

    Other targets, and what another target has already, are left out.
    """
    taken = [target.box for target in targets if target.box is not None]
    found: dict[str, Box] = {}
    for target in targets:
        twin = None if target.box is None or target.result is None else target.result.look_alike
        if twin is not None and all(iou(twin, other) < SAME_THING for other in taken):
            found[target.id] = twin
            taken.append(twin)
    return found


class SessionListener(Protocol):
    """What is told of a session's events; called in its thread."""

    def started(self, target_id: str, header: Header) -> None:
        """A target was started in the image of the header."""

    def refused(self, target_id: str, reason: str) -> None:
        """A request was refused; what was followed still is."""

    def ended(self, target_id: str, reason: str) -> None:
        """A target is no longer followed."""

    def adapted(self, done: Adapted) -> None:
        """An adaptation has ended, as wished or cancelled."""
