"""Many targets through a sequence of images, each with its state; lost ones are searched for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.camera_motion import CameraMotion, Shift
from autrack_ros.tracking.crops import validate_image
from autrack_ros.tracking.crossing import Crossing
from autrack_ros.tracking.engine import TrackingEngine, TrackResult
from autrack_ros.tracking.likeness import SURE, Resemblance
from autrack_ros.tracking.presence import Presence, PresenceSettings, TrackState
from autrack_ros.tracking.recovery import Look, OldPlace, Recovery
from autrack_ros.tracking.target import Target
from autrack_ros.tracking.wide_search import WideSearch

JUMP = 1.0  # of a target's sides: so far its search region, of about four, needs no moving
SIZE_RATE = 0.05  # by which the size that a target usually has follows its size


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
    confident: Target  # where it scored ``tracking_score`` last, of the size it usually has
    presence: Presence = field(default_factory=Presence)
    resemblance: Resemblance = field(default_factory=Resemblance)
    crossing: Crossing = field(default_factory=Crossing)
    recovery: Recovery | None = None  # while it is lost
    old_place: OldPlace | None = None  # for a while after it was found elsewhere

    @property
    def state(self) -> TrackState:
        """What is told of it: a high score is not enough while it may be a look-alike.

        It is followed as if there were no doubt, since most doubts are unfounded.
        """
        state = self.presence.state
        is_doubtful = state is TrackState.TRACKING and self.crossing.doubtful > 0
        return TrackState.UNCERTAIN if is_doubtful else state

    def see_for_sure(self) -> None:
        """Take note of where it is, and little by little of its size.

        While it is being covered its box shrinks to what is left to see, and scores high all the
        while.
        """
        usual = zip(self.confident.size, self.target.size, strict=True)
        width, height = (before + SIZE_RATE * (now - before) for before, now in usual)
        self.confident = replace(self.target, size=(width, height))

    def start_again(self) -> None:
        """What is followed now was not followed in the frame before."""
        self.resemblance.start_again()
        self.crossing.forget_course()

    def learn(self, result: TrackResult) -> None:
        """Learn what is beside it from the frame in which it was found."""
        discriminant, features = self.target.discriminant, result.features
        if discriminant is not None and features is not None:
            discriminant.learn(features, result.response_to_image, result.box)

    def change(self, change: Callable[[Target], Target]) -> None:
        """Change the target wherever it may be."""
        self.target, self.confident = change(self.target), change(self.confident)
        if self.recovery is not None:
            self.recovery.change(change)
        if self.old_place is not None:
            self.old_place.place = change(self.old_place.place)


class Follower:
    """Follows targets by name. One thread at a time may call it.

    Args:
        engine: what computes.
        settings: when a target is lost and when found.
        lost_places: search regions looked at in a frame for the lost targets, which take turns,
            besides the last place of each and a candidate; they bound what being lost costs.
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
        self._camera = CameraMotion()

    @property
    def names(self) -> tuple[str, ...]:
        """The targets, in the order they were put."""
        return tuple(self._followed)

    def __getitem__(self, name: str) -> Target:
        """A target where it was found last; KeyError where there is none of the name."""
        return self._followed[name].target

    def put(self, name: str, target: Target, image: np.ndarray) -> None:
        """Follow a target from where it is; one of the same name is replaced.

        Args:
            name: any.
            target: as the engine started it.
            image: HxWx3 uint8 BGR, that it was started in.
        """
        if self.settings.has_states:
            target = replace(target, discriminant=self.engine.discriminant(image, target))
        self._followed.pop(name, None)
        self._followed[name] = _Followed(target, target)

    def retouch(self, name: str, adapted: Target) -> None:
        """Give a target the template that was adapted meanwhile; where it is stays."""
        self._followed[name].change(lambda target: target.retouched(adapted))

    def hand_over(self, name: str, other: Follower) -> None:
        """Let another follower of the same engine go on with a target, from where it is."""
        other._followed[name] = self._followed.pop(name)

    def drop(self, name: str) -> None:
        """Follow it no longer; nothing happens where there is none of the name."""
        self._followed.pop(name, None)

    def follow(self, image: np.ndarray) -> dict[str, FollowedFrame]:
        """Find all targets in the next image, in one batch but for those after a jump of it.

        Args:
            image: HxWx3 uint8 BGR.

        Raises:
            InvalidImageError: not an image, or not of the size the targets were started in.
        """
        validate_image(image)
        if not self._followed:
            self._camera = CameraMotion()
            return {}
        if self.settings.has_states:
            self._camera.see(image)
        lost = [name for name, followed in self._followed.items() if followed.recovery is not None]
        self._turn += 1
        scanned = lost[self._turn % len(lost)] if lost else None
        looks = {
            name: self._where_to_look(followed, self.lost_places if name == scanned else 0)
            for name, followed in self._followed.items()
        }
        targets = [target for places in looks.values() for where in places for target in where]
        found = iter(self.engine.follow(image, targets))
        frames = {}
        for name, places in looks.items():
            followed = self._followed[name]
            fine, coarse = ([next(found) for _ in where] for where in places)
            if followed.recovery is None:
                fine[0] = self._after_a_jump(followed, fine[0], image)
            frames[name] = self._conclude(followed, self._judged(followed, fine, image), coarse)
        return frames

    def _judged(self, followed: _Followed, looks: list[Look], image: np.ndarray) -> list[Look]:
        """Fine looks whose scores take in how much what is there looks like the target."""
        evidence, known = self.engine.evidence, followed.resemblance
        if evidence is None or not self.settings.has_states:
            return looks
        judged = []
        for index, (target, result) in enumerate(looks):
            is_followed = index == 0 and followed.recovery is None
            if is_followed and not known.is_due(result.score):
                score = evidence(result.score, known.latest)
            else:
                likeness = self.engine.likeness(image, target)
                score = evidence(result.score, known.relative(likeness))
                if is_followed:
                    known.learn(likeness, result.score)
            judged.append((target, replace(result, score=score)))
        return judged

    def _after_a_jump(self, followed: _Followed, here: Look, image: np.ndarray) -> Look:
        """The target where the picture took it if that jumped, or where it was, if it is there.

        What moved may have been something before the camera, so the two places are compared by what
        is seen there, before that is compared with the first image. A target that is in sight needs
        no other place.
        """
        is_settled = here[1].score >= self.settings.tracking_score and followed.old_place is None
        if is_settled or not self.settings.has_states:
            return here
        shift = self._jump(followed)
        if shift is None:
            return here
        (there,) = self.engine.follow(image, [_moved(followed.target, shift)])
        if not there[1].score > min(here[1].score, self.settings.tracking_score):
            return here
        followed.change(lambda target: _moved(target, shift))
        return there

    def _jump(self, followed: _Followed) -> Shift | None:
        """The picture's shift; None where a target's search region needs no moving for it."""
        shift = self._camera.shift()
        is_far = any(
            abs(by) >= JUMP * side for by, side in zip(shift, followed.confident.size, strict=True)
        )
        return shift if is_far else None

    def _where_to_look(self, followed: _Followed, places: int) -> tuple[list[Target], list[Target]]:
        """Targets at the places to look at, finely and coarsely.

        Args:
            followed: if it is lost and the picture jumped, it goes with that.
            places: how many at most, besides the last one.
        """
        if followed.recovery is None:
            old = followed.old_place
            return [followed.target, *([] if old is None else [old.place])], []
        shift = self._jump(followed)
        if shift is not None:
            followed.change(lambda target: _moved(target, shift))
        return followed.recovery.where_to_look(places, self.settings)

    def _conclude(self, followed: _Followed, fine: list[Look], coarse: list[Look]) -> FollowedFrame:
        if followed.recovery is not None:
            return self._recover(followed, followed.recovery, fine, coarse)
        followed.target, result = self._choose(followed, fine)
        followed.presence = followed.presence.advance(result.score, self.settings)
        doubt_frames = self.settings.doubt_frames if self.settings.has_states else 0
        followed.crossing.advance(result, doubt_frames)
        state = followed.presence.state
        if state is TrackState.LOST:
            # A find that was soon lost again was none.
            old, confident = followed.old_place, followed.confident
            place = followed.target if old is None else old.place
            followed.recovery = Recovery(place, confident, self._search(confident))
            followed.old_place = None
            return FollowedFrame(state, None, result.score, result)
        if state is TrackState.TRACKING:
            followed.see_for_sure()
        if result.score >= SURE:
            followed.learn(result)
        return FollowedFrame(followed.state, result.box, result.score, result)

    def _choose(self, followed: _Followed, looks: list[Look]) -> Look:
        """Where it is followed, or its old place where it is back there."""
        old = followed.old_place
        if old is None:
            return looks[0]
        is_back = old.is_back(looks[1], looks[0][0], self.settings)
        if is_back:
            followed.start_again()
        if is_back or old.is_over(looks[0][0]):
            followed.old_place = None
        return looks[1] if is_back else looks[0]

    def _recover(
        self, followed: _Followed, recovery: Recovery, fine: list[Look], coarse: list[Look]
    ) -> FollowedFrame:
        followed.crossing.pass_frame()
        found = recovery.conclude(fine, coarse, self.settings)
        if found is None:
            followed.target = recovery.place
            _, best = max(fine, key=lambda look: look[1].score)
            return FollowedFrame(TrackState.LOST, None, best.score, best)
        if found is not fine[0]:
            followed.old_place = OldPlace(recovery.place)
        followed.target, result = found
        followed.see_for_sure()
        followed.recovery = None
        followed.presence = followed.presence.found()
        followed.start_again()
        return FollowedFrame(followed.state, result.box, result.score, result)

    def _search(self, target: Target) -> WideSearch:
        height, width = target.image_shape[:2]
        return WideSearch(target.center, self.engine.search_sides(target), width, height)


def _moved(target: Target, shift: Shift) -> Target:
    """A target that went with the picture, within the image."""
    height, width = target.image_shape[:2]
    x, y = (value + by for value, by in zip(target.center, shift, strict=True))
    return replace(target, center=(min(max(x, 0.0), width), min(max(y, 0.0), height)))
