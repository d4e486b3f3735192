"""An image with what the tracker said of it, for reports."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from autrack_ros.drawing import DrawnTarget, draw_overlay
from autrack_ros.drawing.lines import draw_box
from autrack_ros.drawing.style import LIGHT, Sizes
from autrack_ros.evaluation import metrics
from autrack_ros.evaluation.bags.tracks import IDLE, Track
from autrack_ros.tracking.boxes import Box

_JPEG_QUALITY = 80
_DOTTED = ((0.0, 3.0),)


def answer_picture(
    bgr: np.ndarray, tracks: Sequence[Track], index: int, truth: np.ndarray | None, side: int
) -> bytes:
    """JPEG of an image with its box and the annotated one; of a lost target, where it was last.

    Args:
        bgr: the image.
        tracks: an image each, as far as to this one.
        index: of the image.
        truth: a box an image (see ``boxes``); None where it is not known.
        side: the longer one of the picture, pixels.
    """
    scale = side / max(bgr.shape[:2])
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    canvas = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=interpolation)
    if truth is not None and metrics.present(truth)[index]:
        box = Box(*(truth[index] * scale).tolist())
        draw_box(canvas, box, LIGHT, Sizes.of(canvas).line, _DOTTED)
    track = tracks[index]
    last = next((past.box for past in reversed(tracks[: index + 1]) if past.box), None)
    targets = []
    if last is not None and track.state != IDLE:
        box = Box(*(value * scale for value in last))
        score = None if track.box is None else track.score
        targets = [DrawnTarget(box, score=score, state=track.state)]
    shown = draw_overlay(canvas, targets)
    _, data = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()
