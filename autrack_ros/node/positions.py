"""Where the targets of an image are and how they move: in the image, and in space with depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.node.inputs.camera import bearings
from autrack_ros.node.inputs.depth import DepthImages, DepthView
from autrack_ros.node.parameters import Settings
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import Box
from autrack_ros.tracking.distance import NoDistanceError
from autrack_ros.tracking.motion import MotionState

# How well a box and a depth image tell a place, one standard deviation (benchmarks/position.py).
_CENTER_PART = 0.04  # of the box's sides, at score 1; more in proportion as the score is lower
_LEAST_SCORE = 0.2
_DEPTH_PART = 0.008  # of the distance: calibration of the depth camera
_DEPTH_DRIFT = 1.0  # m/s: what moves between the stamps of image and depth
# How fast and how suddenly things move.
_SPEED, _AGILITY = 1.5, 1.5  # m/s, and m/s within a second
_CENTER_SPEED, _CENTER_AGILITY = 2.0, 4.0  # the same in the image, in sides of the box
_LEAST_AHEAD = 0.1  # of a unit vector: a depth is measured along the axis, and ends at 90 degrees


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is and how it moves, in pixels or in metres of the optical frame.

    Attributes:
        position: (2,) or (3,).
        covariance: of it.
        velocity: a second.
        predicted: carried on from the images before; else seen in this one.
    """

    position: np.ndarray
    covariance: np.ndarray
    velocity: np.ndarray
    predicted: bool


@dataclass(frozen=True, slots=True)
class Located:
    """What is known of a target's place in one image.

    Attributes:
        bearing: unit vector to the middle of its box; None without a box or a calibration.
        center: of its box, pixels; None where that is not known.
        position: metres; None where that is not known.
        reason: why the position is not measured; empty where it is, or where no depth comes at all.
    """

    bearing: tuple[float, float, float] | None = None
    center: Place | None = None
    position: Place | None = None
    reason: str = ""

    @property
    def measured_m(self) -> np.ndarray | None:
        """Its position, (3,) metres, if it was measured in this image."""
        return None if self.position is None or self.position.predicted else self.position.position


@dataclass(slots=True)
class _Track:
    """One coordinate system's motion of a target, and when it was seen last."""

    state: MotionState | None = None
    seen_ns: int = 0

    def see(
        self,
        stamp_ns: int,
        position: np.ndarray,
        covariance: np.ndarray,
        speed: float,
        agility: float,
    ) -> Place:
        if self.state is None:
            self.state = MotionState.first(position, covariance, speed)
        else:
            seconds = max(stamp_ns - self.seen_ns, 0) / 1e9
            self.state = self.state.after(seconds, agility).seen(position, covariance)
        self.seen_ns = stamp_ns
        # The place is the one that was seen: who takes it filters as suits what is done with it.
        return Place(position, covariance, self.state.velocity, False)

    def predict(self, stamp_ns: int, agility: float, longest_ns: int) -> Place | None:
        elapsed_ns = stamp_ns - self.seen_ns
        if self.state is None or not 0 <= elapsed_ns <= longest_ns:
            return None
        ahead = self.state.after(elapsed_ns / 1e9, agility)
        return Place(ahead.position, ahead.position_covariance, ahead.velocity, True)


class _Motion:
    """What is remembered of a target from image to image."""

    def __init__(self, stamp_ns: int) -> None:
        self.center, self.position = _Track(), _Track()
        self.since_ns = stamp_ns  # followed, or its position measured last
        self.is_measured: bool | None = None  # as was told last; None: nothing was told
        self.side = 1.0  # of its box, pixels

    def predict(self, stamp_ns: int, longest_ns: int) -> tuple[Place | None, Place | None]:
        agility = _CENTER_AGILITY * self.side
        return (
            self.center.predict(stamp_ns, agility, longest_ns),
            self.position.predict(stamp_ns, _AGILITY, longest_ns),
        )


class Positions:
    """Locate the targets of every image. One thread calls everything.

    Args:
        depth: the depth images.
        tell: called with a target, whether its position is measured from now on, and if not, why
            not. Not for gaps that a prediction bridges.

    Attributes:
        problem: why the position of a target is not measured; empty while all are, or without
            depth. Any thread may read it.
    """

    def __init__(self, depth: DepthImages, tell: Callable[[str, bool, str], None]) -> None:
        self._depth = depth
        self._tell = tell
        self._motions: dict[str, _Motion] = {}
        self.problem = ""

    def forget(self, target_id: str) -> None:
        """A target was started anew or ended."""
        self._motions.pop(target_id, None)
        self._note_problem({})

    def locate(
        self,
        header: Header,
        size: tuple[int, int],
        targets: Sequence[TrackedTarget],
        info: CameraInfo | None,
        settings: Settings,
    ) -> dict[str, Located]:
        """Locate the targets of an image.

        Args:
            header: of the image.
            size: its width and height, pixels.
            targets: all of them.
            info: a usable calibration of the camera.
            settings: tolerance of the stamps, length of a prediction.
        """
        stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
        seen = [target for target in targets if target.box is not None]
        self._motions = {each.id: self._motions.get(each.id) or _Motion(stamp_ns) for each in seen}
        rays = _rays(info, [target.box for target in seen if target.box is not None])
        view, reason = self._view(header, size, settings, rays is not None) if seen else (None, "")
        located = dict.fromkeys((target.id for target in targets), Located())
        for index, target in enumerate(seen):
            ray = None if rays is None else rays[index]
            located[target.id] = self._locate(target, stamp_ns, ray, view, reason, settings)
        self._note_problem(located)
        return located

    def predict(self, header: Header, ids: Iterable[str], settings: Settings) -> dict[str, Located]:
        """Carry the targets on into an image that does not show them."""
        stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
        located = {}
        for name in ids:
            motion = self._motions.get(name)
            if motion is None:
                located[name] = Located()
            else:
                center, position = motion.predict(stamp_ns, settings.prediction_ns)
                located[name] = Located(center=center, position=position)
        return located

    def _view(
        self, header: Header, size: tuple[int, int], settings: Settings, has_rays: bool
    ) -> tuple[DepthView | None, str]:
        """The depth image, or why there is none; neither where no depth has ever come."""
        if not self._depth.has_come:
            return None, ""
        if not has_rays:
            return None, "no camera_info that can be used: depths have no direction"
        try:
            return self._depth.of(header, size, settings.depth_tolerance_ns), ""
        except NoDistanceError as error:
            return None, str(error)

    def _locate(
        self,
        target: TrackedTarget,
        stamp_ns: int,
        rays: np.ndarray | None,
        view: DepthView | None,
        reason: str,
        settings: Settings,
    ) -> Located:
        motion, box = self._motions[target.id], target.box
        assert box is not None
        motion.side = float(np.sqrt(box.area))
        part = _CENTER_PART / max(target.score, _LEAST_SCORE)
        center = motion.center.see(
            stamp_ns,
            np.array(box.center),
            np.diag([(part * box.w) ** 2, (part * box.h) ** 2]),
            _CENTER_SPEED * motion.side,
            _CENTER_AGILITY * motion.side,
        )
        bearing = None if rays is None or np.isnan(rays[0]).any() else tuple(rays[0].tolist())
        position = None
        if view is not None and rays is not None:
            try:
                seen, covariance = _measure(view, target, box, rays, part)
                position = motion.position.see(stamp_ns, seen, covariance, _SPEED, _AGILITY)
            except NoDistanceError as error:
                reason = str(error)
        if position is None:
            position = motion.position.predict(stamp_ns, _AGILITY, settings.prediction_ns)
        self._tell_changes(target.id, stamp_ns, position, reason, settings)
        return Located(bearing, center, position, reason)

    def _tell_changes(
        self,
        target_id: str,
        stamp_ns: int,
        position: Place | None,
        reason: str,
        settings: Settings,
    ) -> None:
        motion = self._motions[target_id]
        if position is not None and not position.predicted:
            motion.since_ns = stamp_ns
            if motion.is_measured is False:
                self._tell(target_id, True, "")
            motion.is_measured = True
            return
        is_over = stamp_ns - motion.since_ns > settings.prediction_ns
        if reason and is_over and motion.is_measured is not False:
            motion.is_measured = False
            self._tell(target_id, False, reason)

    def _note_problem(self, located: dict[str, Located]) -> None:
        unmeasured = (
            f"target '{name}': {located[name].reason}"
            for name, motion in self._motions.items()
            if motion.is_measured is False and name in located
        )
        self.problem = next(unmeasured, "")


def _rays(info: CameraInfo | None, boxes: Sequence[Box]) -> np.ndarray | None:
    """Nx3x3: unit vectors to the middle of each box, of its right and its lower edge."""
    if info is None:
        return None
    points = [
        point
        for x, y, w, h in boxes
        for point in ((x + w / 2, y + h / 2), (x + w, y + h / 2), (x + w / 2, y + h))
    ]
    found = bearings(info, np.array(points))
    return None if found is None else found.reshape(-1, 3, 3)


def _measure(
    view: DepthView, target: TrackedTarget, box: Box, rays: np.ndarray, part: float
) -> tuple[np.ndarray, np.ndarray]:
    """A target's position, (3,) metres in the optical frame, and its covariance.

    Raises:
        NoDistanceError: the depth image does not show it.
    """
    if not (rays[:, 2] > _LEAST_AHEAD).all():  # NaN is not, either
        raise NoDistanceError("the box reaches to where a depth image has no depth: 84 degrees off")
    flat = rays[:, :2] / rays[:, 2:]
    distance = view.measure(box, flat.tolist(), target.result)
    meters = distance.meters
    ahead = np.array([*flat[0], 1.0])
    half_sides = np.linalg.norm(flat[1:] - flat[0], axis=1) * meters
    depth_error = np.hypot(distance.spread, _DEPTH_PART * meters) + _DEPTH_DRIFT * view.age_s
    covariance = np.outer(ahead, ahead) * depth_error**2
    covariance[[0, 1], [0, 1]] += (2 * part * half_sides) ** 2
    return ahead * meters, covariance
