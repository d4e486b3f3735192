"""Our tracker as the node follows a target: with its states, LOST, and the search for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autrack_ros.evaluation.runner import Answer
from autrack_ros.tracking import AdaptationReport, Box, Follower, Target, Tracker, TrackingEngine
from autrack_ros.tracking.presence import PresenceSettings

_NAME = "target"


def presence_settings(recover: bool) -> PresenceSettings:
    """The node's own; without recovery no score is so low that a target is LOST."""
    return PresenceSettings() if recover else PresenceSettings(lost_score=0.0)


class PresenceTracker:
    """One target, followed as in the node; with a ``lost_score`` of 0 it is the bare tracker.

    Args:
        tracker: gives what computes, and how templates are adapted.
        settings: when a target is LOST and when found.
        make_follower: another follower than the node's, for comparisons.
    """

    def __init__(
        self,
        tracker: Tracker,
        settings: PresenceSettings,
        make_follower: Callable[[TrackingEngine, PresenceSettings], Follower] = Follower,
    ) -> None:
        self._engine, self._adaptation = tracker.engine, tracker.adaptation
        self._settings, self._make_follower = settings, make_follower

    @property
    def target(self) -> Target:
        """The target where it was found last, with its templates; after ``initialize`` only."""
        return self._follower[_NAME]

    def initialize(self, image: np.ndarray, box: Box) -> AdaptationReport:
        """Take a target and adapt its template to it, see ``Tracker.initialize``."""
        target, report = self._engine.adapt(image, self._engine.start(image, box), self._adaptation)
        self._follower, self._box = self._make_follower(self._engine, self._settings), box
        self._follower.put(_NAME, target, image)
        return report

    def update(self, image: np.ndarray) -> Answer:
        """Find the target in the next image, HxWx3 uint8 BGR of the same size.

        While it is LOST, the last box that was reported stands for it.

        Raises:
            InvalidImageError: not such an image.
        """
        frame = self._follower.follow(image)[_NAME]
        if frame.box is not None:
            self._box = frame.box
        return Answer(self._box, frame.score, frame.state, frame.result)
