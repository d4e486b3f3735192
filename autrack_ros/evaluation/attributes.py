"""What makes a sequence hard, as far as its boxes tell: where nobody has annotated attributes.

Names and thresholds are those of LaSOT (Fan et al., CVPR 2019, table 2): fast motion, scale
variation, aspect ratio change, low resolution; OTB (Wu et al., 2013) and UAV123 (Mueller et al.,
ECCV 2016) define the same with other thresholds. They tell an attribute of a whole sequence, here
it is told of the frames that have it. "Cut by image" is GOT-10k's (Huang et al., TPAMI 2021).
Absent frames cannot be scored, so what made the target absent is told of the frames after it.
"""

from __future__ import annotations

import numpy as np

from autrack_ros.evaluation.metrics import present

FAST = 1.0  # distance of the centres from one frame to the next, in roots of the box's area
RATIO = 2.0  # of the area, and of width to height, to those of the first box; or its inverse
LOW_RESOLUTION = 1000.0  # square pixels
_EDGE = 1.0  # pixels between a box that is cut and the image's edge, at most


def box_attributes(
    truth: np.ndarray, size: tuple[int, int], annotated: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """In which frames an attribute holds, N bool each, by name; only those that hold somewhere.

    Args:
        truth: N x 4, edge coordinates, pixels; NaN or no area where the target is absent.
        size: width and height of the images, pixels.
        annotated: N bool, where it is known whether the target is there; None: everywhere.
    """
    there = present(truth)
    first = int(there.argmax())
    boxes = np.where(there[:, None], truth, np.nan)
    absent = ~there if annotated is None else ~there & annotated
    cut = _cut_by_image(boxes, size)
    with np.errstate(invalid="ignore"):
        area = boxes[:, 2:].prod(axis=1)
        ratio = boxes[:, 2] / boxes[:, 3]
        found = {
            "fast motion": _speed(boxes) > FAST,
            "scale variation": _is_changed(area / area[first]),
            "aspect ratio change": _is_changed(ratio / ratio[first]),
            "low resolution": area < LOW_RESOLUTION,
            "cut by image": cut,
        }
    gone = _gone(absent, there, cut)
    found["after out of view"] = there & (gone == _OUT)
    found["after occlusion"] = there & (gone == _HIDDEN)
    return {name: on for name, on in found.items() if on.any()}


_OUT, _HIDDEN = 1, 2


def _speed(boxes: np.ndarray) -> np.ndarray:
    """Of the centre since the frame before, in roots of that frame's area; NaN where unknown."""
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    distances = np.hypot(*np.diff(centers, axis=0).T)
    return np.concatenate(([np.nan], distances / np.sqrt(boxes[:-1, 2:].prod(axis=1))))


def _is_changed(ratios: np.ndarray) -> np.ndarray:
    return (ratios > RATIO) | (ratios < 1 / RATIO)


def _cut_by_image(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        low = (boxes[:, :2] < _EDGE).any(axis=1)
        high = (boxes[:, :2] + boxes[:, 2:] > np.array(size) - _EDGE).any(axis=1)
    return low | high


def _gone(absent: np.ndarray, there: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Why the target was gone last, N; 0 before it ever was.

    It left over the image's edge where the box before or after is cut; else it was hidden.
    """
    reasons = np.zeros(len(absent), int)
    last_cut, was_absent, reason = False, False, 0
    for index in range(len(absent)):
        if there[index]:
            if was_absent:
                reason = _OUT if last_cut or cut[index] else _HIDDEN
            last_cut, was_absent = bool(cut[index]), False
        elif absent[index]:
            was_absent = True
        reasons[index] = reason
    return reasons
