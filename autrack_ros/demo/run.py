"""Track a clip over ROS 2 with real processes, and record all that is said into a bag."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import rclpy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.msg import AdaptationReport, InitBox, Track
from autrack_ros.replay.processes import Process
from autrack_ros.replay.recorder import Recorder, Topic
from autrack_ros.replay.tracker import (
    NODE,
    TRACK_TOPIC,
    parameter_arguments,
    tracker_process,
    wait_for_tracker,
)
from autrack_ros.tracking.boxes import Box

IMAGE_TOPIC = "/image"
TOPICS = (
    Topic(IMAGE_TOPIC, Image),
    Topic("/init_box", InitBox),
    Topic(TRACK_TOPIC, Track),
    Topic(f"{NODE}/adaptation", AdaptationReport, latched=True),
    Topic(f"{NODE}/template", Image, latched=True),
    *(Topic(f"{NODE}/{name}", Image) for name in ("overlay", "response_map", "response_heatmap")),
)

_SILENCE_TIMEOUT_S = 120.0  # the slowest model adapts in less
_SETTLED_S = 3.0


def record_run(
    clip: Path,
    box: Box,
    rate_hz: float,
    bag: Path,
    log_folder: Path,
    node_parameters: list[str],
) -> None:
    """Start node and publisher, record until the clip has ended, stop both.

    Args:
        clip: video or folder of images.
        box: the target on its first frame.
        rate_hz: frames to publish a second.
        bag: folder of the bag to make.
        log_folder: what the processes print goes here.
        node_parameters: ``name:=value`` of the tracker node.

    Raises:
        ProcessError: a process ended early, or nothing came for two minutes.
    """
    # Ctrl-C must raise KeyboardInterrupt here, so that the children are stopped.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with (
            BagWriter(bag) as writer,
            closing(Recorder(writer, TOPICS)) as recorder,
            tracker_process(node_parameters, log_folder) as tracker,
        ):
            wait_for_tracker(recorder, tracker)
            publisher_parameters = [
                f"source:={clip}",
                f"box:=[{', '.join(str(float(value)) for value in box)}]",
                f"rate:={rate_hz:f}",
                "subscribers:=2",  # the node and the recorder
            ]
            with Process(
                "autrack_ros.clip_publisher.clip_publisher",
                parameter_arguments(publisher_parameters),
                log_folder / "clip_publisher.log",
            ) as publisher:
                _record_until_done(recorder, tracker, publisher)
    finally:
        rclpy.try_shutdown()


def _record_until_done(recorder: Recorder, tracker: Process, publisher: Process) -> None:
    """Record until the publisher has ended and the node has answered every image."""
    last_count, last_time = 0, time.monotonic()
    while True:
        recorder.spin_once()
        tracker.check_running()
        publisher.check()
        count = sum(recorder.counts.values())
        now = time.monotonic()
        if count > last_count:
            last_count, last_time = count, now
        silent_s = now - last_time
        if not publisher.running and silent_s > (0.5 if _all_answered(recorder) else _SETTLED_S):
            return
        if silent_s > _SILENCE_TIMEOUT_S:
            raise tracker.failure(
                f"and the clip publisher were silent for {silent_s:.0f} s "
                f"(recorded so far: {recorder.counts})"
            )


def _all_answered(recorder: Recorder) -> bool:
    last = recorder.last_message(TRACK_TOPIC)
    if last is None:
        return False
    track = deserialize_message(last, Track)
    return track.processed_images + track.dropped_images >= recorder.counts[IMAGE_TOPIC]
