"""Whether a target is in sight, from its scores over time."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from autrack_ros.tracking.calibration import logit
from autrack_ros.tracking.errors import ConfigurationError

STRONGEST = 2.0  # log odds; no frame says more, for or against
LEARNT = 5, 30  # frames from which, and up to which, it is learnt how high a target scores
SEEN_WELL = 0.8  # so high a target scores for which ``lost_score`` holds as it is
LEAST_SHARE = 0.4  # of ``lost_score`` that every target is held to


class TrackState(enum.Enum):
    """What is known of a target in a frame."""

    TRACKING = "tracking"  # the box is on it
    UNCERTAIN = "uncertain"  # the box may be on it
    LOST = "lost"  # no box: it is searched for


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """When a target changes its state; scores are 0..1, a probability with calibrated weights.

    Raises:
        ConfigurationError: a value is outside what is accepted.
    """

    tracking_score: float = 0.5  # from here on TRACKING, if not in doubt; below, UNCERTAIN
    lost_score: float = 0.4  # a frame below speaks for LOST, one above against it
    lost_frames: int = 3  # as many in a row with scores near 0 are LOST
    found_score: float = 0.7  # of a find elsewhere: of its first frame, and of the mean of
    found_frames: int = 3  # so many in a row, each near the one before; then it is TRACKING
    search_after: int = 30  # frames LOST; until then it is looked for where it was, no further
    doubt_frames: int = 30  # UNCERTAIN once it may have been swapped for a look-alike; 0: never

    def __post_init__(self) -> None:
        scores = ("lost_score", "tracking_score", "found_score")
        values = [getattr(self, name) for name in scores]
        if not 0 <= values[0] <= values[1] <= values[2] <= 1:
            shown = ", ".join(f"{n} {v!r}" for n, v in zip(scores, values, strict=True))
            raise ConfigurationError(f"{shown}: accepted are 0 to 1, none below the one before")
        for name, low, high in (
            ("lost_frames", 1, 1000),
            ("found_frames", 1, 1000),
            ("search_after", 0, 100_000),
            ("doubt_frames", 0, 100_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigurationError(f"{name}={value!r}: accepted is {low} to {high}")

    @property
    def has_states(self) -> bool:
        """Whether a target can be LOST; else it is the bare tracker, for comparisons."""
        return self.lost_score > 0


@dataclass(frozen=True, slots=True)
class Presence:
    """State, and how much speaks for another.

    Whether a target is gone is decided by Page's cumulative sum (Page: Continuous Inspection
    Schemes, Biometrika 1954). In every frame the log odds of ``lost_score`` less those of the score
    are added, at most ``STRONGEST`` and in parts of it: a score near 0 counts as one frame, one of
    ``lost_score`` as nothing, a higher one takes away. The sum stays from 0 on; at ``lost_frames``
    the target is LOST. Some targets never score high, in plain sight: for one whose first frames
    have a mean below ``SEEN_WELL``, ``lost_score`` is lower by as much.

    Attributes:
        state: after the last frame.
        frames: the sum; of a LOST target, frames in a row in which it seems to be back.
        usual: mean score of the first frames in sight.
        learnt: how many they were.
    """

    state: TrackState = TrackState.TRACKING
    frames: float = 0
    usual: float = 0.0
    learnt: int = 0

    def found(self) -> Presence:
        """The same target, back in sight."""
        return replace(self, state=TrackState.TRACKING, frames=0)

    def advance(self, score: float, settings: PresenceSettings) -> Presence:
        """After one more frame.

        Args:
            score: of the best box; of a LOST target, 0 where it is not near the last frame's.
            settings: thresholds.
        """
        if self.state is TrackState.LOST:
            frames = self.frames + 1 if score >= settings.found_score else 0
            found = frames >= settings.found_frames
            return self.found() if found else replace(self, frames=frames)
        speaks = logit(settings.lost_score * self._share()) - logit(score)
        frames = max(self.frames + min(max(speaks / STRONGEST, -1.0), 1.0), 0.0)
        if frames >= settings.lost_frames:
            return replace(self, state=TrackState.LOST, frames=0)
        is_certain = score >= settings.tracking_score
        state = TrackState.TRACKING if is_certain else TrackState.UNCERTAIN
        if self.learnt == LEARNT[1]:
            return replace(self, state=state, frames=frames)
        learnt = self.learnt + 1
        return Presence(state, frames, self.usual + (score - self.usual) / learnt, learnt)

    def _share(self) -> float:
        """Of ``lost_score`` that this target is held to."""
        if self.learnt < LEARNT[0]:
            return 1.0
        return min(max(self.usual / SEEN_WELL, LEAST_SHARE), 1.0)
