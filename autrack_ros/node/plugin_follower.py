"""Targets of anybody's class by name, each with its state: what ``Follower`` is for ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from autrack_ros.evaluation.plugin_process import PluginError
from autrack_ros.node.plugin_engine import PluginEngine, PluginTarget
from autrack_ros.tracking import Box, PresenceSettings, TrackState, iou
from autrack_ros.tracking.presence import Presence
from autrack_ros.tracking.recovery import NEAR_IOU


@dataclass(frozen=True, slots=True)
class PluginFrame:
    """What became of a target in an image; as ``FollowedFrame``, without a response map."""

    state: TrackState
    box: Box | None
    score: float
    result: None = None


@dataclass(slots=True)
class _Followed:
    target: PluginTarget
    presence: Presence = field(default_factory=Presence)

    def see(self, box: Box, score: float, settings: PresenceSettings) -> PluginFrame:
        """Take note of where the class says that it is."""
        lost = self.presence.state is TrackState.LOST
        if lost and iou(self.target.box, box) < NEAR_IOU:
            self.presence = replace(self.presence, frames=0)  # evidence is for one place
        self.target = replace(self.target, box=box)
        self.presence = self.presence.advance(score, settings)
        state = self.presence.state
        return PluginFrame(state, None if state is TrackState.LOST else box, score)


class PluginFollower:
    """Follows targets by name, with the states of ``Presence`` from their scores.

    Where a LOST target is looked for is up to the class. One thread at a time may call it.

    Args:
        engine: what computes.
        settings: when a target is lost and when found.
    """

    def __init__(self, engine: PluginEngine, settings: PresenceSettings) -> None:
        self._engine = engine
        self.settings = settings
        self._followed: dict[str, _Followed] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The targets, in the order they were put."""
        return tuple(self._followed)

    def __getitem__(self, name: str) -> PluginTarget:
        """A target where it was found last; KeyError where there is none of the name."""
        return self._followed[name].target

    def put(self, name: str, target: PluginTarget, image: np.ndarray) -> None:
        """Follow a target from where it is; one of the same name is replaced."""
        self.drop(name)
        self._followed[name] = _Followed(target)

    def retouch(self, name: str, adapted: PluginTarget) -> None:
        """Nothing: it has no template."""

    def hand_over(self, name: str, other: PluginFollower) -> None:
        """Let another follower of the same engine go on with a target, from where it is."""
        other._followed[name] = self._followed.pop(name)

    def drop(self, name: str) -> None:
        """Follow it no longer; nothing happens where there is none of the name."""
        followed = self._followed.pop(name, None)
        if followed is not None:
            self._engine.release(followed.target)

    def follow(self, image: np.ndarray) -> dict[str, PluginFrame | PluginError]:
        """Find all targets in the next image; what the class did wrong where it did.

        Args:
            image: HxWx3 uint8 BGR.
        """
        answers = self._engine.follow(image, [each.target for each in self._followed.values()])
        return {
            name: answer if isinstance(answer, PluginError) else each.see(*answer, self.settings)
            for (name, each), answer in zip(self._followed.items(), answers, strict=True)
        }
