"""A tracker without a network, and ``autrack`` with it as a process of its own.

As a program (``python test/stand_in_tracker.py evaluate ...``) it replaces the tracker in every
process that the command starts. With AUTRACK_TEST_HOLD in the environment, the second sequence of
each process is never ended: half way through it, an empty file named after the process appears in
the folder that the variable names.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from autrack_ros.cli.options import TrackerOptions
from autrack_ros.evaluation.runner import Answer
from autrack_ros.tracking import AdaptationReport, Box, validate_box
from autrack_ros.tracking.presence import TrackState

STEP = 0.125  # toolkits' files with three decimals hold it exactly


class StandInTracker:
    """Moves the box by ``STEP`` pixels to the right in every frame, more in brighter ones.

    In white frames it says that there is no target.
    """

    def __init__(self) -> None:
        self.started = 0

    def initialize(self, image, box):
        validate_box(box, image.shape[1], image.shape[0])
        self.box, self.updates = box, 0
        self.started += 1
        return AdaptationReport.skipped("bim", "disabled")

    def update(self, image):
        self.updates += 1
        if "AUTRACK_TEST_HOLD" in os.environ and (self.started, self.updates) == (2, 4):
            (Path(os.environ["AUTRACK_TEST_HOLD"]) / str(os.getpid())).touch()
            time.sleep(600)
        if image[0, 0, 0] == 255:
            return Answer(self.box, 0.3, TrackState.LOST)
        steps = 1 + int(image[0, 0, 0]) // 50
        self.box = Box(self.box.x + STEP * steps, *self.box[1:])
        return Answer(self.box, 0.9)


def use_stand_in() -> None:
    TrackerOptions.load_with_presence = lambda options, recover: StandInTracker()


if __name__ in ("__main__", "__mp_main__"):
    use_stand_in()
if __name__ == "__main__":
    from autrack_ros.cli import app

    app()
