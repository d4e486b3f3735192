"""RViz's 3-D view, drawn from marker messages: for a picture where there is no RViz."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from autrack_ros.drawing.lines import draw_line
from autrack_ros.drawing.style import Color

_FIELD_OF_VIEW = math.radians(45)  # vertical, as RViz's
_FINER = 2  # drawn larger, then reduced: smooth edges
_GRID: Color = (104, 100, 100)
_AXES: tuple[Color, ...] = ((0, 0, 255), (0, 255, 0), (255, 0, 0))  # x red, y green, z blue
_NEAR_M = 0.01
_ADD, _ARROW, _LINE_LIST = 0, 0, 5  # of visualization_msgs/Marker


class MarkerView:
    """A scene as an orbit view of RViz shows it; points are metres in the fixed frame.

    Args:
        config: contents of a configuration of RViz with a Grid and an orbit view.
        width: of the picture, pixels.
        height: of the picture, pixels.
    """

    def __init__(self, config: dict[str, Any], width: int, height: int) -> None:
        manager = config["Visualization Manager"]
        view = manager["Views"]["Current"]
        background = manager["Global Options"]["Background Color"]
        yaw, pitch = view["Yaw"], view["Pitch"]
        away = np.array(
            [math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)]
        )
        self._eye = _vector(view["Focal Point"]) + view["Distance"] * away
        right = np.cross(-away, (0, 0, 1))  # z of the fixed frame is up
        right /= np.linalg.norm(right)
        self._axes = np.stack([right, np.cross(-away, right), -away])
        self._size = np.array([width, height]) * _FINER
        self._focal_px = self._size[1] / 2 / math.tan(_FIELD_OF_VIEW / 2)
        shade = [int(value) for value in background.split(";")][::-1]
        self._canvas = np.full((self._size[1], self._size[0], 3), shade, np.uint8)
        displays = {display["Class"].split("/")[1]: display for display in manager["Displays"]}
        self._draw_grid(displays["Grid"])
        self._draw_axes(displays["Axes"])

    def draw(self, markers: Iterable[Any]) -> np.ndarray:
        """Draw the arrows and line lists of visualization_msgs; height x width x 3 uint8 BGR."""
        for marker in markers:
            if marker.action != _ADD:
                continue
            points = np.array([_vector(point) for point in marker.points])
            color = marker.color
            bgr = tuple(round(255 * value) for value in (color.b, color.g, color.r))
            if marker.type == _ARROW:
                scale = marker.scale
                self._draw_arrow(points, bgr, scale.x, scale.y, scale.z)
            elif marker.type == _LINE_LIST:
                for start, end in points.reshape(-1, 2, 3):
                    self._line(start, end, bgr, marker.scale.x)
        width, height = self._size // _FINER
        return cv2.resize(self._canvas, (width, height), interpolation=cv2.INTER_AREA)

    def _draw_grid(self, grid: dict[str, Any]) -> None:
        """Lines in the plane XZ."""
        count, cell = grid["Plane Cell Count"], grid["Cell Size"]
        half, middle = count * cell / 2, _vector(grid["Offset"])
        for step in np.linspace(-half, half, count + 1):
            for along, across in (((1, 0, 0), (0, 0, 1)), ((0, 0, 1), (1, 0, 0))):
                start = middle + step * np.array(across)
                reach = half * np.array(along)
                self._line(start - reach, start + reach, _GRID, 0.0)

    def _draw_axes(self, axes: dict[str, Any]) -> None:
        for axis, color in zip(np.eye(3), _AXES, strict=True):
            self._line(np.zeros(3), axes["Length"] * axis, color, 2 * axes["Radius"])

    def _draw_arrow(
        self, points: np.ndarray, color: Color, shaft_m: float, head_m: float, head_length_m: float
    ) -> None:
        start, tip = points
        neck = tip - head_length_m * (tip - start) / np.linalg.norm(tip - start)
        self._line(start, neck, color, shaft_m)
        sideways = np.cross(tip - start, tip - self._eye)
        sideways *= head_m / 2 / np.linalg.norm(sideways)
        corners = np.array([self._seen(point) for point in (tip, neck + sideways, neck - sideways)])
        cv2.fillPoly(self._canvas, [np.rint(corners).astype(np.int32)], color, cv2.LINE_AA)

    def _line(self, start: np.ndarray, end: np.ndarray, color: Color, width_m: float) -> None:
        """Draw a line; its width is that of its middle, at least one pixel of the picture."""
        depths = (np.array([start, end]) - self._eye) @ self._axes[2]
        if depths.max() < _NEAR_M:
            return
        if depths.min() < _NEAR_M:  # cut off what lies behind the eye
            part = (_NEAR_M - depths[0]) / (depths[1] - depths[0])
            cut = start + part * (end - start)
            start, end = (cut, end) if depths[0] < depths[1] else (start, cut)
        middle = max(float(depths.mean()), _NEAR_M)
        width_px = max(_FINER, round(width_m * self._focal_px / middle))
        far = 10 * self._size.max()  # OpenCV's coordinates would overflow
        ends = np.clip([self._seen(start), self._seen(end)], -far, far)
        draw_line(self._canvas, ends[0], ends[1], color, width_px)

    def _seen(self, point: np.ndarray) -> np.ndarray:
        """Place in the picture."""
        x, y, depth = self._axes @ (point - self._eye)
        return self._focal_px * np.array([x, y]) / depth + self._size / 2


def _vector(value: Any) -> np.ndarray:
    """X, Y and Z of a configuration, or those of a message."""
    if isinstance(value, dict):
        return np.array([value["X"], value["Y"], value["Z"]], float)
    return np.array([value.x, value.y, value.z])
