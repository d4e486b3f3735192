"""Pictures of a recorded run, all read from its bag: the annotated video and the contact sheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.demo.report import DemoError, FrameTrack, Run, Summary, overlaps, summary_lines
from autrack_ros.drawing import DrawnTarget, draw_overlay
from autrack_ros.evaluation.bags.reading import read_topic, stamp_ns
from autrack_ros.evaluation.video import VideoFile
from autrack_ros.messages.images import image_to_bgr
from autrack_ros.tracking.boxes import Box

_LEFT_PX, _SIDE_PX = 880, 400  # columns of the video
_LEAST_HEIGHT, _HEIGHT = 576, 720  # of the video; the right column needs the first
_PLOT_PX = 200
_SHEET_COLUMNS, _SHEET_ROWS, _TILE_PX = 4, 3, 400
_BACKGROUND = (24, 24, 24)
_LIGHT = (245, 245, 245)
_GREY = (160, 160, 160)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a picture of one frame shows; images are uint8 BGR."""

    index: int
    image: np.ndarray
    track: FrameTrack | None
    heatmap: np.ndarray | None
    truth: Box | None
    iou: float | None


def shown_frames(
    bag: Path, node: str, image_topic: str, run: Run, truth: np.ndarray | None
) -> Iterator[Shown]:
    """Every published frame with the node's answer to it, matched by stamp."""
    overlap = None if truth is None else overlaps(run, truth)
    heatmaps = read_topic(bag, f"{node}/response_heatmap")
    heat_ns, heat = -1, None
    index = {stamp: position for position, stamp in enumerate(run.stamps)}
    last = -1
    for _, message in read_topic(bag, image_topic):
        stamp = stamp_ns(message)
        if stamp == last:  # a publisher may repeat an image that was not answered
            continue
        last = stamp
        while heat_ns < stamp and (following := next(heatmaps, None)) is not None:
            heat = following[1]
            heat_ns = stamp_ns(heat)
        track = run.tracks.get(stamp)
        yield Shown(
            index[stamp],
            image_to_bgr(message),
            track,
            image_to_bgr(heat) if heat is not None and heat_ns == stamp else None,
            None if truth is None else Box(*truth[index[stamp]]),
            None if overlap is None or track is None else float(overlap[index[stamp]]),
        )


def read_template(bag: Path, node: str) -> np.ndarray | None:
    """The last picture of template, adapted template and difference; None if there is none."""
    template = None
    for _, message in read_topic(bag, f"{node}/template"):
        template = image_to_bgr(message).copy()
    return template


def draw_tile(shown: Shown, width: int, height: int, *, with_heatmap: bool) -> np.ndarray:
    """The frame with the tracked and the annotated box, scaled to fit, height x width x 3."""
    image_height, image_width = shown.image.shape[:2]
    scale = min(width / image_width, height / image_height)
    size = (round(image_width * scale), round(image_height * scale))
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    picture = cv2.resize(shown.image, size, interpolation=interpolation)
    if shown.truth is not None:
        _draw_dotted(picture, shown.truth.scaled(scale))
    track = shown.track
    if track is None or track.box is None:
        _text(picture, "not processed" if track is None else track.state, (8, 20))
    else:
        target = DrawnTarget(track.box.scaled(scale), score=track.score, state=track.state)
        inset = shown.heatmap if with_heatmap else None
        picture = draw_overlay(picture, [target], inset=inset)
    canvas = np.full((height, width, 3), _BACKGROUND, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = picture
    return canvas


def draw_video_frame(
    shown: Shown, total: int, template: np.ndarray | None, curve: list[float | None]
) -> np.ndarray:
    """A picture 1280 wide: the frame; beside it response and template; the course of ``curve``.

    The curve is below the frame where that leaves room, else below the template.
    """
    rows, columns = shown.image.shape[:2]
    picture_height = round(_LEFT_PX * rows / columns)
    is_wide = picture_height + _PLOT_PX <= _HEIGHT
    height = max(picture_height + _PLOT_PX, _LEAST_HEIGHT) // 2 * 2 if is_wide else _HEIGHT
    canvas = np.full((height, _LEFT_PX + _SIDE_PX, 3), _BACKGROUND, np.uint8)
    tile_height = picture_height if is_wide else height
    canvas[:tile_height, :_LEFT_PX] = draw_tile(shown, _LEFT_PX, tile_height, with_heatmap=False)
    bottom = _draw_column(canvas[:, _LEFT_PX + 10 : -10], shown, template)
    if is_wide:
        area = canvas[tile_height:-10, 10 : _LEFT_PX - 10]
    else:
        area = canvas[bottom:-10, _LEFT_PX + 10 : -10]
    words = [f"frame {shown.index + 1}/{total}"]
    if shown.track is not None:
        words.append(f"{shown.track.processing_ms:.0f} ms")
    if shown.iou is not None:
        words.append(f"IoU {shown.iou:.2f}")
    _text(area, "   ".join(words), (0, 22))
    what = "score" if shown.truth is None else "IoU with the dotted box, by hand,"
    _plot(area[34:], curve, total, f"{what} over the clip")
    return canvas


def _draw_column(column: np.ndarray, shown: Shown, template: np.ndarray | None) -> int:
    """Response map and template, below each other, in place; returns where they end."""
    width = column.shape[1]
    _text(column, "response map over the search region", (0, 20))
    if shown.heatmap is not None:
        height = round(width * shown.heatmap.shape[0] / shown.heatmap.shape[1])
        heatmap = cv2.resize(shown.heatmap, (width, height), interpolation=cv2.INTER_AREA)
        column[30 : 30 + height] = heatmap
    top = 30 + width + 10
    if template is None:
        return top
    height = round(width * template.shape[0] / template.shape[1])
    column[top : top + height] = cv2.resize(template, (width, height), interpolation=cv2.INTER_AREA)
    return top + height


def write_pictures(
    frames: Iterator[Shown],
    summary: Summary,
    template: np.ndarray | None,
    clip_fps: float,
    video_path: Path,
    sheet_path: Path,
) -> None:
    """Write the annotated video and the contact sheet in one pass over the frames."""
    total = summary.frames_sent
    tiles: list[np.ndarray] = []
    count = _SHEET_COLUMNS * _SHEET_ROWS
    chosen = set(np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist())
    curve: list[float | None] = []
    with VideoFile(video_path, clip_fps) as video:
        for shown in frames:
            value = None if shown.track is None else shown.track.score
            curve.append(value if shown.truth is None else shown.iou)
            video.write(draw_video_frame(shown, total, template, curve))
            if shown.index in chosen:
                tiles.append(_captioned_tile(shown))
    cv2.imwrite(str(sheet_path), draw_contact_sheet(tiles, summary, template))


def draw_contact_sheet(
    tiles: list[np.ndarray], summary: Summary, template: np.ndarray | None
) -> np.ndarray:
    """Tiles of equal size in rows of four below the numbers and the template, uint8 BGR.

    Raises:
        DemoError: the tiles differ in size.
    """
    tile_width = tiles[0].shape[1]
    if len({tile.shape for tile in tiles}) > 1:
        raise DemoError("the clip's frames differ in size: no contact sheet can be made of them")
    blank = np.full_like(tiles[0], _BACKGROUND)
    padded = tiles + [blank] * (-len(tiles) % _SHEET_COLUMNS)
    rows = [
        np.hstack(padded[start : start + _SHEET_COLUMNS])
        for start in range(0, len(padded), _SHEET_COLUMNS)
    ]
    header = np.full((290, _SHEET_COLUMNS * tile_width, 3), _BACKGROUND, np.uint8)
    for line, text in enumerate(["AUTracker over ROS 2", *summary_lines(summary)]):
        scale, color = (1.0, _LIGHT) if line == 0 else (0.72, _GREY)
        _text(header, text, (16, 48 + 40 * line), scale=scale, color=color)
    if template is not None:
        height = header.shape[0] - 20
        width = round(height * template.shape[1] / template.shape[0])
        strip = cv2.resize(template, (width, height), interpolation=cv2.INTER_AREA)
        header[10 : 10 + height, -width - 10 : -10] = strip
    return np.vstack([header, *rows])


def _captioned_tile(shown: Shown) -> np.ndarray:
    height, width = shown.image.shape[:2]
    tile = draw_tile(shown, _TILE_PX, round(_TILE_PX * height / width), with_heatmap=True)
    caption = np.full((28, _TILE_PX, 3), _BACKGROUND, np.uint8)
    words = f"frame {shown.index + 1}"
    if shown.iou is not None:
        words += f"   IoU {shown.iou:.2f}"
    _text(caption, words, (8, 20))
    return np.vstack([tile, caption])


def _text(
    canvas: np.ndarray,
    text: str,
    origin: tuple[int, int],
    scale: float = 0.5,
    color: tuple[int, int, int] = _LIGHT,
) -> None:
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)


def _draw_dotted(picture: np.ndarray, box: Box) -> None:
    """A white dotted box, in place."""
    for along in np.arange(0, box.w, 6):
        for y in (box.y, box.y + box.h):
            cv2.circle(picture, (round(box.x + along), round(y)), 1, _LIGHT, -1)
    for along in np.arange(0, box.h, 6):
        for x in (box.x, box.x + box.w):
            cv2.circle(picture, (round(x), round(box.y + along)), 1, _LIGHT, -1)


def _plot(canvas: np.ndarray, curve: list[float | None], total: int, title: str) -> None:
    """A curve of values 0..1 over the frames so far, in place; gaps where a value is None."""
    height, width = canvas.shape[:2]
    bottom, top = height - 4, 26
    _text(canvas, title, (0, 14), color=_GREY)
    for value in (0.0, 0.5, 1.0):
        y = round(bottom + (top - bottom) * value)
        cv2.line(canvas, (0, y), (width - 1, y), (70, 70, 70), 1)
    points = [
        None
        if value is None
        else (
            round(index * (width - 1) / max(total - 1, 1)),
            round(bottom + (top - bottom) * value),
        )
        for index, value in enumerate(curve)
    ]
    for start, end in pairwise(points):
        if start is not None and end is not None:
            cv2.line(canvas, start, end, (233, 180, 86), 2, cv2.LINE_AA)
