"""Many targets through a sequence of images, each with its state; lost ones are searched for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from autrack_ros.tracking.boxes import Box, iou
from autrack_ros.tracking.engine import TrackingEngine, TrackResult
from autrack_ros.tracking.presence import Presence, PresenceSettings, TrackState
from autrack_ros.tracking.target import Target
from autrack_ros.tracking.wide_search import WideSearch

NEAR_IOU = 0.3  # of the boxes of a found target in two frames in a row


@dataclass(frozen=True, slots=True)
class FollowedFrame:
    """What became of one target in one frame.

    Attributes:
        state: after this frame.
        box: where it is, edge coordinates; None while it is lost.
        score: of the best box, 0..1; of a lost target, of the best place looked at.
        result: of that place: response, search region and where they lie.
    """

    state: TrackState
    box: Box | None
    score: float
    result: TrackResult


@dataclass(slots=True)
class _Followed:
    target: Target
    confident: Target  # as it was when last in state TRACKING
    presence: Presence = field(default_factory=Presence)
    search: WideSearch | None = None  # while it is lost
    candidate: Target | None = None  # while it is lost: where it may be


class Follower:
    """Follows targets by name. One thread at a time may call it.

    Args:
        engine: what computes.
        settings: when a target is lost and when found.
        lost_places: search regions looked at in a frame for the lost targets, which take turns,
            besides one around the last place of each; they bound what being lost costs.
    """

    def __init__(
        self,
        engine: TrackingEngine,
        settings: PresenceSettings | None = None,
        lost_places: int = 2,
    ) -> None:
        self.engine = engine
        self.settings = settings or PresenceSettings()
        self.lost_places = lost_places
        self._followed: dict[str, _Followed] = {}
        self._turn = 0  # of the lost targets

    @property
    def names(self) -> tuple[str, ...]:
        """The targets, in the order they were put."""
        return tuple(self._followed)

    def __getitem__(self, name: str) -> Target:
        """A target where it was found last; KeyError where there is none of the name."""
        return self._followed[name].target

    def put(self, name: str, target: Target) -> None:
        """Follow a target from where it is; one of the same name is replaced."""
        self._followed.pop(name, None)
        self._followed[name] = _Followed(target, target)

    def retouch(self, name: str, adapted: Target) -> None:
        """Give a target the template that was adapted meanwhile; where it is stays."""
        followed = self._followed[name]

        def with_template(target: Target) -> Target:
            return replace(
                target, adapted_template=adapted.adapted_template, features=adapted.features
            )

        followed.target = with_template(followed.target)
        followed.confident = with_template(followed.confident)
        if followed.candidate is not None:
            followed.candidate = with_template(followed.candidate)

    def hand_over(self, name: str, other: Follower) -> None:
        """Let another follower of the same engine go on with a target, from where it is."""
        other._followed[name] = self._followed.pop(name)

    def drop(self, name: str) -> None:
        """Follow it no longer; nothing happens where there is none of the name."""
        self._followed.pop(name, None)

    def follow(self, image: np.ndarray) -> dict[str, FollowedFrame]:
        """Find all targets in the next image, in one batch.

        Args:
            image: HxWx3 uint8 BGR.

        Raises:
            InvalidImageError: not an image, or not of the size the targets were started in.
        """
        lost = [name for name, followed in self._followed.items() if followed.search is not None]
        self._turn += 1
        scanned = lost[self._turn % len(lost)] if lost else None
        looks = {
            name: self._where_to_look(followed, self.lost_places if name == scanned else 0)
            for name, followed in self._followed.items()
        }
        targets = [target for fine, coarse in looks.values() for target in (*fine, *coarse)]
        found = iter(self.engine.follow(image, targets))
        return {
            name: self._conclude(
                self._followed[name], [next(found) for _ in fine], [next(found) for _ in coarse]
            )
            for name, (fine, coarse) in looks.items()
        }

    def _where_to_look(self, followed: _Followed, places: int) -> tuple[list[Target], list[Target]]:
        """Targets at the places to look at finely and coarsely, so many besides the last one."""
        if followed.search is None:
            return [followed.target], []
        # Where it was last comes first: what went behind something or over the edge comes back.
        near = followed.target if followed.candidate is None else followed.candidate
        fine, coarse = followed.search.next_places(places)
        size, zoom = followed.confident.size, followed.search.zoom
        # A coarse region is the one that would belong to a larger target.
        larger = replace(followed.confident, size=(zoom * size[0], zoom * size[1]))
        return (
            [near, *(replace(followed.confident, center=place) for place in fine)],
            [replace(larger, center=place) for place in coarse],
        )

    def _conclude(
        self,
        followed: _Followed,
        fine: list[tuple[Target, TrackResult]],
        coarse: list[tuple[Target, TrackResult]],
    ) -> FollowedFrame:
        target, result = max(fine, key=lambda pair: pair[1].score)
        score = result.score
        if followed.search is not None:
            followed.target = fine[0][0]
            score = self._evidence(followed, target, score)
            for _, seen in coarse:
                followed.search.learn(seen.response, seen.response_to_image)
        followed.presence = followed.presence.advance(score, self.settings)
        state = followed.presence.state
        if state is TrackState.LOST:
            if followed.search is None:
                followed.search = self._search(followed.confident)
            return FollowedFrame(state, None, result.score, result)
        followed.target, followed.search, followed.candidate = target, None, None
        if state is TrackState.TRACKING:
            followed.confident = target
        return FollowedFrame(state, result.box, result.score, result)

    def _evidence(self, followed: _Followed, target: Target, score: float) -> float:
        """The score, or 0 where the best place is another than in the frame before."""
        before, followed.candidate = followed.candidate, None
        if score < self.settings.found_score:
            return 0.0
        followed.candidate = target
        if before is not None and iou(before.box, target.box) < NEAR_IOU:
            followed.presence = replace(followed.presence, frames=0)
        return score

    def _search(self, target: Target) -> WideSearch:
        height, width = target.image_shape[:2]
        return WideSearch(target.center, self.engine.search_sides(target), width, height)
