"""The tracker node as a process."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from autrack_ros.replay.processes import Process
from autrack_ros.replay.recorder import Recorder

NODE = "/tracker"
TRACK_TOPIC = f"{NODE}/track"

_START_TIMEOUT_S = 120.0  # PyTorch on a cold disk


def parameter_arguments(assignments: Iterable[str]) -> list[str]:
    """Command-line arguments that set parameters of a node, each as ``name:=value``."""
    return ["--ros-args", *(word for text in assignments for word in ("-p", text))]


def tracker_process(parameters: Iterable[str], log_folder: Path) -> Process:
    """Start the node; what it prints goes into the folder.

    Args:
        parameters: ``name:=value`` each.
        log_folder: gets tracker_node.log.
    """
    arguments = [*parameter_arguments(parameters), "-r", f"__node:={NODE[1:]}"]
    return Process("autrack_ros.node.tracker_node", arguments, log_folder / "tracker_node.log")


def wait_for_tracker(recorder: Recorder, tracker: Process) -> None:
    """Record until the node publishes tracks.

    Raises:
        ProcessError: it ended, or did not appear in two minutes.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    while recorder.publishers(TRACK_TOPIC) == 0:
        recorder.spin_once()
        tracker.check_running()
        if time.monotonic() > deadline:
            raise tracker.failure(f"did not appear on {TRACK_TOPIC} in {_START_TIMEOUT_S:.0f} s")
