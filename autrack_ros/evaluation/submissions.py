"""Result files as the benchmarks' own toolkits and servers read them.

Every function takes the tracker's name, the sequence's, its boxes (N x 4, edge coordinates) and the
seconds a frame (N), and gives the text of each file by its path in the folder to submit.
"""

from __future__ import annotations

import numpy as np

from autrack_ros.evaluation.boxfiles import box_lines


def otb(tracker: str, sequence: str, boxes: np.ndarray, seconds: np.ndarray) -> dict[str, str]:
    """OTB and UAV123, as got10k's toolkit reads them: pixels from 1."""
    return {f"{tracker}/{sequence}.txt": box_lines(_from_one(boxes))}


def got10k(tracker: str, sequence: str, boxes: np.ndarray, seconds: np.ndarray) -> dict[str, str]:
    """GOT-10k: pixels from 1, and the seconds of every frame."""
    stem = f"{tracker}/{sequence}/{sequence}"
    return {
        f"{stem}_001.txt": box_lines(_from_one(boxes)),
        f"{stem}_time.txt": "".join(f"{value:.8f}\n" for value in seconds),
    }


def lasot(tracker: str, sequence: str, boxes: np.ndarray, seconds: np.ndarray) -> dict[str, str]:
    """LaSOT: pixels from 1."""
    return {f"{tracker}_tracking_result/{sequence}.txt": box_lines(_from_one(boxes))}


def trackingnet(
    tracker: str, sequence: str, boxes: np.ndarray, seconds: np.ndarray
) -> dict[str, str]:
    """TrackingNet: pixels from 0, two decimals."""
    return {f"{tracker}/{sequence}.txt": box_lines(boxes, ".2f")}


def vot(tracker: str, sequence: str, boxes: np.ndarray, seconds: np.ndarray) -> dict[str, str]:
    """VOT's unsupervised experiment: pixels from 0; line 1 is the code of a start."""
    stem = f"{tracker}/unsupervised/{sequence}/{sequence}_001"
    return {
        f"{stem}.txt": "1\n" + box_lines(boxes[1:], ".4f"),
        f"{stem}_time.value": "".join(f"{value:.6f}\n" for value in seconds),
    }


def _from_one(boxes: np.ndarray) -> np.ndarray:
    return boxes + np.array([1, 1, 0, 0])
