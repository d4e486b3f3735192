"""Compose the picture of RViz's layout in the docs: ``python -m autrack_ros.demo.rviz_layout``.

No RViz is needed: the pictures are those that the node publishes, made by the same functions from
the same tracker, put where the docks of ``config/tracker.rviz`` lie; the scene is drawn anew.
"""

from __future__ import annotations

import argparse
import math

import cv2
import numpy as np

from autrack_ros.drawing import DrawnTarget, Trail, draw_heatmap, draw_overlay, draw_template
from autrack_ros.drawing.lines import draw_line
from autrack_ros.drawing.style import Color, style_of
from autrack_ros.evaluation.frames import open_frames
from autrack_ros.evaluation.video import upscale_factor
from autrack_ros.tracking import Box, load_tracker

_SIZE = (1336, 960)  # width, height: the layout without the column of displays
_DOCKS = {  # left, top, width, height
    "Markers": (0, 0, 464, 960),
    "Overlay": (470, 0, 866, 615),
    "Response heat map": (470, 621, 330, 339),
    "Template": (806, 621, 530, 339),
}
_TITLE_PX = 26
_WINDOW, _TITLE, _SCENE = (52, 52, 52), (84, 84, 84), (48, 48, 48)
_DEPTH_M = 3.0
# The view of config/tracker.rviz: the eye behind and above the camera; optical frame, metres.
_EYE, _LOOKED_AT = np.array([0.0, -6.6, -3.6]), np.array([0.0, 0.0, 2.5])


def compose(pictures: dict[str, np.ndarray]) -> np.ndarray:
    """Put uint8 BGR pictures into their docks, scaled to fit; 960x1336x3."""
    canvas = np.full((_SIZE[1], _SIZE[0], 3), _WINDOW, np.uint8)
    for name, (left, top, width, height) in _DOCKS.items():
        canvas[top : top + _TITLE_PX, left : left + width] = _TITLE
        origin = (left + 8, top + 18)
        cv2.putText(
            canvas, name, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA
        )
        room = height - _TITLE_PX
        picture = pictures[name]
        scale = min(width / picture.shape[1], room / picture.shape[0])
        size = (int(picture.shape[1] * scale), int(picture.shape[0] * scale))
        filter = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        x, y = left + (width - size[0]) // 2, top + _TITLE_PX + (room - size[1]) // 2
        canvas[y : y + size[1], x : x + size[0]] = cv2.resize(picture, size, interpolation=filter)
    return canvas


def draw_scene(boxes: list[Box], image_size: tuple[int, int], color: Color) -> np.ndarray:
    """Draw the rays and frusta of boxes in an image of so many (width, height) pixels.

    The camera is taken to have no distortion and a focal length of the image's width.
    """
    _, _, width, height = _DOCKS["Markers"]
    height -= _TITLE_PX
    canvas = np.full((height, width, 3), _SCENE, np.uint8)
    forward = (_LOOKED_AT - _EYE) / np.linalg.norm(_LOOKED_AT - _EYE)
    right = np.array([1.0, 0, 0])
    axes = np.stack([right, np.cross(forward, right), forward])
    focal = height / 2 / math.tan(math.radians(22.5))

    def line(start: np.ndarray, end: np.ndarray, shade: Color, line_px: int) -> None:
        points = np.stack([start, end]) - _EYE
        points = points @ axes.T
        seen = focal * points[:, :2] / points[:, 2:] + (width / 2, height / 2)
        draw_line(canvas, seen[0], seen[1], shade, line_px)

    for step in np.arange(-5, 6):  # the grid a metre below the camera
        line(np.array([step, 1, 0]), np.array([step, 1, 10]), (96, 96, 96), 1)
        line(np.array([-5, 1, step + 5]), np.array([5, 1, step + 5]), (96, 96, 96), 1)
    for axis, shade in zip(np.eye(3), ((0, 0, 255), (0, 255, 0), (255, 0, 0)), strict=True):
        line(np.zeros(3), 0.3 * axis, shade, 4)
    for box in boxes:
        x, y, w, h = box
        points = np.array([box.center, (x, y), (x + w, y), (x + w, y + h), (x, y + h)])
        rays = np.column_stack([(points - np.array(image_size) / 2) / image_size[0], np.ones(5)])
        ends = _DEPTH_M * rays / np.linalg.norm(rays, axis=1, keepdims=True)
        line(np.zeros(3), ends[0], color, 4)
        for corner, following in zip(ends[1:], np.roll(ends[1:], -1, axis=0), strict=True):
            line(np.zeros(3), corner, color, 1)
            line(corner, following, color, 2)
    return canvas


def main() -> None:
    """Track targets through a clip and write the layout at its last frame."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip")
    parser.add_argument("output")
    parser.add_argument("--target", action="append", required=True, metavar="NAME=X,Y,W,H")
    parser.add_argument("--frames", type=int, default=120)
    arguments = parser.parse_args()
    given = dict(text.split("=") for text in arguments.target)
    trackers = {name: load_tracker() for name in given}
    trails = {name: Trail() for name in given}
    frames = open_frames(arguments.clip)
    for index, frame in zip(range(arguments.frames), frames, strict=False):
        factor = upscale_factor(frame)
        image = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        if index == 0:
            for name, box in given.items():
                corner_and_size = (factor * float(value) for value in box.split(","))
                trackers[name].initialize(image, Box(*corner_and_size))
            continue
        results = {name: tracker.update(image) for name, tracker in trackers.items()}
        for name, result in results.items():
            trails[name].add(index / (frames.fps or 25.0), result.box.center)
    targets = [
        DrawnTarget(result.box, name, result.score, trail=trails[name].points)
        for name, result in results.items()
    ]
    first = next(iter(given))
    shown, tracker = results[first], trackers[first]
    pictures = {
        "Overlay": draw_overlay(image, targets),
        "Response heat map": draw_heatmap(
            shown.search, shown.response, shown.response_to_image, shown.search_to_image, shown.box
        ),
        "Template": draw_template(tracker.template, tracker.adapted_template),
        "Markers": draw_scene(
            [target.box for target in targets], image.shape[1::-1], style_of("tracking").color
        ),
    }
    cv2.imwrite(arguments.output, compose(pictures), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
