"""``~/markers``: targets in three dimensions for RViz, a view ray and a frustum each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from autrack_ros.node import qos
from autrack_ros.node.inputs.camera import bearings
from autrack_ros.node.outputs.messages import STATE_NAMES
from autrack_ros.node.outputs.output import COLORS, Output, Topics, watched
from autrack_ros.node.outputs.results import Results
from autrack_ros.node.positions import Located
from autrack_ros.tracking import Box

_RAY, _FRUSTUM = 0, 1  # ids of a target's markers within its namespace
_LINE_WIDTH = 0.004  # this and the next as parts of the depth: alike at any depth
_ARROW_SHAFT, _ARROW_HEAD, _ARROW_HEAD_LENGTH = 0.01, 0.03, 0.06


class Markers(Output):
    """With a calibration of the camera."""

    def __init__(self, topics: Topics) -> None:
        self._publisher = topics.make(MarkerArray, "~/markers", qos.RESULT)
        self._markers = TargetMarkers()

    @property
    def needs_image(self) -> bool:
        """While somebody watches: the markers of targets that ended are taken away."""
        return watched(self._publisher)

    def show(self, results: Results, image: np.ndarray) -> None:
        """Publish them to who watches."""
        info = results.info
        if info is None or not watched(self._publisher):
            return
        marked = [
            MarkedTarget(
                target.id,
                target.box,
                COLORS[STATE_NAMES[results.tracks[target.id].state]],
                _range_m(results.located[target.id]),
            )
            for target in results.targets
            if target.box is not None
        ]
        depth_m = results.marker_depth
        self._publisher.publish(self._markers.update(results.header, info, marked, depth_m))

    def unusable(self, results: Results) -> None:
        """Take them away."""
        self._publisher.publish(self._markers.clear(results.header))

    def close(self) -> None:
        """Take them away."""
        self._publisher.publish(self._markers.clear(Header()))


@dataclass(frozen=True, slots=True)
class MarkedTarget:
    """A target to be shown.

    Attributes:
        id: of the target; the namespace of its markers.
        box: edge coordinates in pixels of the image.
        color_bgr: 0..255 each, as those of ``drawing``.
        distance_m: from the camera to it; None where that is not known.
    """

    id: str
    box: Box
    color_bgr: tuple[int, int, int]
    distance_m: float | None = None


class TargetMarkers:
    """Make the markers of every image, and take away those of targets that are gone.

    An arrow leads from the camera to the middle of the box, and lines from the camera to the box's
    corners and around them. All end at the target's distance from the camera, or where that is not
    known at ``depth_m``, measured along each ray: unlike a plane at that depth, there is such a
    point in every direction that a wide lens sees.
    """

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] | None = None

    def clear(self, header: Header) -> MarkerArray:
        """Take all markers away, those that other nodes of the name left behind as well."""
        self._shown = set()
        return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])

    def update(
        self,
        header: Header,
        info: CameraInfo,
        targets: Iterable[MarkedTarget],
        depth_m: float,
    ) -> MarkerArray:
        """Make the markers for one image, all with its header.

        Without a calibration there are none; a frustum is left out while the lens model has no
        direction for a corner of its box. No targets takes all markers away. The first array
        begins with a "delete all", as a node that was killed may have left some behind.

        Args:
            header: of the image; its frame is the camera's optical frame.
            info: calibration of the camera.
            targets: those with a box to be shown; ids differ.
            depth_m: length of the rays of targets without a distance, metres, above 0.

        Raises:
            InvalidCameraError: the calibration cannot be used.
        """
        made: list[Marker] = []
        shown = list(targets)
        rays = bearings(info, np.array([_corners(target.box) for target in shown]))
        if rays is not None:
            for target, ends in zip(shown, rays.reshape(-1, 5, 3), strict=True):
                length = depth_m if target.distance_m is None else target.distance_m
                made += _markers(header, target, ends * length, length)
        now = {(marker.ns, marker.id) for marker in made}
        if self._shown is None:
            gone = [Marker(header=header, action=Marker.DELETEALL)]
        else:
            gone = [
                Marker(header=header, ns=name, id=number, action=Marker.DELETE)
                for name, number in sorted(self._shown - now)
            ]
        self._shown = now
        return MarkerArray(markers=gone + made)


def _range_m(located: Located) -> float | None:
    """Metres from the camera."""
    position = located.measured_m
    return None if position is None else float(np.linalg.norm(position))


def _corners(box: Box) -> list[tuple[float, float]]:
    """Middle and corners of a box, clockwise in the image."""
    x, y, w, h = box
    return [box.center, (x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def _markers(
    header: Header, target: MarkedTarget, ends: np.ndarray, depth_m: float
) -> list[Marker]:
    """Make the markers of one target from where its rays end: 5x3 metres, the middle first."""
    if np.isnan(ends[0]).any():
        return []
    origin, middle = Point(), _point(ends[0])
    ray = _marker(header, target, _RAY, Marker.ARROW, [origin, middle])
    ray.scale.x = _ARROW_SHAFT * depth_m
    ray.scale.y = _ARROW_HEAD * depth_m
    ray.scale.z = _ARROW_HEAD_LENGTH * depth_m
    if np.isnan(ends).any():
        return [ray]
    corners = [_point(end) for end in ends[1:]]
    lines = [point for corner in corners for point in (origin, corner)]
    for corner, following in zip(corners, corners[1:] + corners[:1], strict=True):
        lines += [corner, following]
    frustum = _marker(header, target, _FRUSTUM, Marker.LINE_LIST, lines)
    frustum.scale.x = _LINE_WIDTH * depth_m
    return [ray, frustum]


def _marker(
    header: Header, target: MarkedTarget, number: int, kind: int, points: list[Point]
) -> Marker:
    blue, green, red = (value / 255 for value in target.color_bgr)
    return Marker(
        header=header,
        ns=target.id,
        id=number,
        type=kind,
        action=Marker.ADD,
        color=ColorRGBA(r=red, g=green, b=blue, a=1.0),
        points=points,
    )


def _point(values: np.ndarray) -> Point:
    x, y, z = values.tolist()
    return Point(x=x, y=y, z=z)
