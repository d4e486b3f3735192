"""A lost target: its old place is watched, and after a while the rest of the image is searched.

What is hidden mostly comes back where it went, and whatever else in the picture looks like it was
there before: so the old place is enough for a while, and less is asked of it than of any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import fmean

from autrack_ros.tracking.boxes import iou
from autrack_ros.tracking.engine import TrackResult
from autrack_ros.tracking.presence import PresenceSettings
from autrack_ros.tracking.target import Target
from autrack_ros.tracking.wide_search import WideSearch

NEAR_IOU = 0.3  # of the boxes of a found target in two frames in a row
PLAUSIBLE = 2.0  # a find is at most so many times larger or smaller than the target was
FRAMES_HERE = 2  # in a row are enough at the old place
PATIENCE = 300  # frames for which the old place is watched after a find elsewhere

Look = tuple[Target, TrackResult]  # a target where it may be, and what was seen there


@dataclass(slots=True)
class Recovery:
    """What is known of a target since it was lost.

    Attributes:
        place: where it may be, near where it was; it follows what responds most there, on a lead.
        confident: the target as it was when it scored ``tracking_score`` last.
        search: of the whole image.
        frames: since it was lost.
        evidence: frames in a row that speak for ``place``.
        candidate: where else it may be.
        candidate_scores: of that place, in the frames in a row in which it was looked at.
    """

    place: Target
    confident: Target
    search: WideSearch
    frames: int = 0
    evidence: int = 0
    candidate: Target | None = None
    candidate_scores: list[float] = field(default_factory=list)

    def where_to_look(
        self, places: int, settings: PresenceSettings
    ) -> tuple[list[Target], list[Target]]:
        """Targets at the places to look at finely, the old one first, and coarsely.

        Args:
            places: how many at most, besides the old one and the candidate.
            settings: tell when the search begins.
        """
        self.frames += 1
        if self.frames <= settings.search_after:
            return [self.place], []
        if self.candidate is not None:
            return [self.place, self.candidate], []
        fine, coarse = self.search.next_places(places)
        size, zoom = self.confident.size, self.search.zoom
        # A coarse region is the one that would belong to a larger target.
        larger = replace(self.confident, size=(zoom * size[0], zoom * size[1]))
        return (
            [self.place, *(replace(self.confident, center=place) for place in fine)],
            [replace(larger, center=place) for place in coarse],
        )

    def conclude(
        self, fine: list[Look], coarse: list[Look], settings: PresenceSettings
    ) -> Look | None:
        """Take in what was seen there; the target where it is found, if it is.

        Args:
            fine: what was seen at the fine places, in their order.
            coarse: likewise.
            settings: tell how much evidence is needed.
        """
        for _, seen in coarse:
            self.search.learn(seen.response, seen.response_to_image)
        (moved, here) = fine[0]
        others = [look for look in fine[1:] if is_plausible(look, self.confident)]
        is_here = here.score >= settings.tracking_score and is_plausible(fine[0], self.confident)
        self.evidence = self.evidence + 1 if is_here else 0
        self.place = moved if is_here else self._held_back(moved)
        if self.evidence >= FRAMES_HERE:
            return fine[0]
        best = max(others, key=lambda look: look[1].score, default=None)
        # What is seen at the old place wins a tie.
        if best is None or is_here or not self._goes_on(best, settings):
            self.candidate, self.candidate_scores = None, []
            return None
        self.candidate = best[0]
        self.candidate_scores.append(best[1].score)
        if len(self.candidate_scores) < settings.found_frames:
            return None
        # No single look must be that good, but all together.
        if fmean(self.candidate_scores) >= settings.found_score:
            return best
        self.candidate, self.candidate_scores = None, []
        return None

    def _goes_on(self, best: Look, settings: PresenceSettings) -> bool:
        """Whether what was seen elsewhere may be the target: a candidate, or a new one."""
        target, seen = best
        if self.candidate is None or iou(self.candidate.box, target.box) < NEAR_IOU:
            self.candidate_scores = []
            return seen.score >= settings.found_score
        return seen.score >= settings.tracking_score

    def _held_back(self, moved: Target) -> Target:
        """A place half way back to where the target was when it was sure, and to its size then.

        What responds without being the target does not lead away from where that comes back.
        """
        (x, y), (old_x, old_y) = moved.center, self.confident.center
        w, h = (math.sqrt(a * b) for a, b in zip(moved.size, self.confident.size, strict=True))
        return replace(moved, center=((x + old_x) / 2, (y + old_y) / 2), size=(w, h))

    def change(self, change: Callable[[Target], Target]) -> None:
        """Change the target wherever it may be."""
        self.place, self.confident = change(self.place), change(self.confident)
        if self.candidate is not None:
            self.candidate = change(self.candidate)


@dataclass(slots=True)
class OldPlace:
    """Where a target was before it was found elsewhere: a find that turns out wrong is undone.

    Attributes:
        place: of the target then.
        frames: since the find.
        evidence: frames in a row in which the target seems to be back there.
    """

    place: Target
    frames: int = 0
    evidence: int = 0

    def is_back(self, look: Look, elsewhere: Target, settings: PresenceSettings) -> bool:
        """Whether the target is there after all, after one more frame.

        Args:
            look: what was seen at ``place``.
            elsewhere: the target as it is followed.
            settings: tell how much evidence is needed.
        """
        self.frames += 1
        seems = look[1].score >= settings.found_score and is_plausible(look, elsewhere)
        self.evidence = self.evidence + 1 if seems else 0
        if seems:
            self.place = look[0]
        return self.evidence >= settings.found_frames

    def is_over(self, elsewhere: Target) -> bool:
        """Whether there is nothing to watch any longer."""
        return self.frames >= PATIENCE or iou(self.place.box, elsewhere.box) >= NEAR_IOU


def is_plausible(look: Look, known: Target) -> bool:
    """Whether what was seen is about as large as the target was."""
    found, before = (math.sqrt(w * h) for w, h in (look[0].size, known.size))
    return 1 / PLAUSIBLE <= found / before <= PLAUSIBLE
