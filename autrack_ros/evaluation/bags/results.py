"""The folder of an evaluation's results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation.bags.tracks import Track, boxes_of, write_tracks
from autrack_ros.evaluation.boxfiles import write_boxes
from autrack_ros.evaluation.frames import SourceError

OFFLINE, LOCK_STEP, REAL_TIME = "offline", "lock-step", "real-time"
RUNS = (OFFLINE, LOCK_STEP, REAL_TIME)  # each has a folder of its own
METRICS, TIMING, REPORT, PLOTS = "metrics.json", "timing.json", "report.html", "plots"
_OURS = (METRICS, TIMING, REPORT, PLOTS, *RUNS)


def prepare(folder: Path) -> None:
    """Make the folder, or empty one of an earlier evaluation.

    Raises:
        SourceError: it holds something else, which stays.
    """
    if folder.exists():
        entries = [entry.name for entry in folder.iterdir()] if folder.is_dir() else [folder.name]
        foreign = sorted(set(entries) - set(_OURS))
        if foreign or (entries and METRICS not in entries):
            raise SourceError(
                f"{folder} holds {', '.join(foreign or entries)}, no earlier result; "
                "choose another folder"
            )
        for name in entries:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / PLOTS).mkdir(parents=True)
    write(folder / METRICS, {"complete": False})  # so that it is known as ours from now on


def write_run(folder: Path, tracks: Sequence[Track], truth: np.ndarray | None) -> None:
    """Write the answers of a run as CSV and as a box file, into the folder of the run."""
    folder.mkdir(exist_ok=True)
    write_tracks(folder / "tracks.csv", tracks, truth)
    write_boxes(folder / "boxes.txt", boxes_of(tracks))


def write(path: Path, value: dict[str, Any]) -> None:
    """Write JSON."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
