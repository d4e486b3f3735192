"""The path of an image, from its message to the topics, in a thread of its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.msg import Status, Track
from autrack_ros.node.background_adaptation import Adapted, BackgroundAdaptation
from autrack_ros.node.frame_statistics import FrameStatistics
from autrack_ros.node.image_buffer import ImageBuffer
from autrack_ros.node.inputs.camera import InvalidCameraError, check_image_size
from autrack_ros.node.inputs.depth import DepthImages
from autrack_ros.node.inputs.transports import Transport
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.outputs.messages import STATE_NAMES
from autrack_ros.node.outputs.outputs import Outputs
from autrack_ros.node.outputs.results import Counts, unusable, usable
from autrack_ros.node.outputs.timing import pipeline_latency_ms
from autrack_ros.node.parameters import Settings
from autrack_ros.node.positions import Positions
from autrack_ros.node.problems import Problems, described
from autrack_ros.node.request import End
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.node.target_session import TargetSession
from autrack_ros.node.trackers import NodeTracker
from autrack_ros.node.worker import Worker
from autrack_ros.tracking import InvalidImageError

_STEPS_AN_IMAGE = 2  # of catching up that are made after every image, whatever else waits


class Pipeline:
    """Takes the newest image all the way, then the next.

    Other threads call ``put``, ``command`` and ``stop``, and set ``camera_info``: a usable
    calibration, or None.

    Args:
        node: gets the publishers; its log is written to.
        tracker: follows the targets.
        transport: how images come.
        images: the recent ones; who puts an image here adds it there first.
        depth: the depth images; others add to it.
        settings: those that may change, at the start.
        statistics: is told of every image that was processed.
        problems: is told what goes wrong.
        optional: message packages that may be missing.
        publish_tf: also a TF frame for every target with a position.
        on_tracks: called in the worker's thread with what was published of an image.
    """

    def __init__(
        self,
        node: Node,
        tracker: NodeTracker,
        transport: Transport,
        images: ImageBuffer[Any],
        depth: DepthImages,
        settings: Settings,
        statistics: FrameStatistics,
        problems: Problems,
        optional: OptionalMessages,
        publish_tf: bool,
        on_tracks: Callable[[Sequence[Track]], None],
    ) -> None:
        self.tracker = tracker
        self.camera_info: CameraInfo | None = None
        self.states: dict[str, str] = {}  # name of the state by target, in the last image
        self._node = node
        self._image_topic = transport.topic(node)
        self._to_bgr = transport.to_bgr
        self._statistics = statistics
        self._problems = problems
        self._processed = 0
        self._on_tracks = on_tracks
        self._positions = Positions(depth, self._on_depth)
        self._outputs = Outputs(node, optional, publish_tf)
        self._adaptation = BackgroundAdaptation(tracker.engine, self._on_adapted)
        self._session = TargetSession(
            tracker, images, transport.to_bgr, self._adaptation.put, self, settings
        )
        self._worker = Worker(self._process, self._on_error, self._session.catch_up)

    @property
    def depth_problem(self) -> str:
        """Why a target's position is not measured; empty while all are, or without depth."""
        return self._positions.problem

    def start(self) -> None:
        """Start the threads."""
        self._adaptation.start()
        self._worker.start()

    def put(self, message: Any, forget: str = "") -> None:
        """Take this image next, in place of one that waits.

        Args:
            message: the image's.
            forget: why all targets must be forgotten before it; empty: they need not.
        """
        first = partial(self._session.forget_images, forget) if forget else None
        self._worker.put(message, first)

    def command(self, act: Callable[[TargetSession], None]) -> None:
        """Have something done with the targets before the next image."""
        self._worker.call(lambda: act(self._session))

    def stop(self) -> None:
        """End the targets and the threads, and leave the topics."""
        if self._node.context.ok():  # otherwise nobody can be told any more
            self.command(
                lambda session: session.remove_all("the node was cleaned up", End.NODE_DOWN)
            )
        if not all([self._worker.stop(), self._adaptation.stop()]):
            self._problems.error("a thread that computes has not ended in time: its memory is kept")
        self.tracker.close()
        self._outputs.close()

    # The worker's thread.

    def _process(self, message: Any) -> None:
        started = time.perf_counter()
        header = message.header
        try:
            image, targets = self._follow(message)
        except Exception as error:
            located = self._positions.predict(header, self._session.ids, self._session.settings)
            nothing = unusable(header, located, self._selected(), self._counts(started))
            self._outputs.unusable(nothing)
            self._on_tracks(list(nothing.tracks.values()))
            self._session.refuse_impatient(described(error))
            raise
        self._processed += 1
        settings, info = self._session.settings, self._camera_of(image)
        size = (0, 0) if image is None else image.shape[1::-1]
        located = self._positions.locate(header, size, targets, info, settings)
        selected, counts = self._selected(), self._counts(started)
        results = usable(header, targets, located, selected, counts, info, settings.marker_depth)
        self._outputs.publish(results)
        self._on_tracks(list(results.tracks.values()))
        latency_ms = pipeline_latency_ms(self._node.get_clock(), header.stamp)
        self._statistics.image_processed(counts.processing_ms, latency_ms, counts.dropped)
        self.states = {name: STATE_NAMES[track.state] for name, track in results.tracks.items()}
        if image is not None:
            self._outputs.show(results, image)
        for _ in range(_STEPS_AN_IMAGE):
            self._session.catch_up()

    def _follow(self, message: Any) -> tuple[np.ndarray | None, list[TrackedTarget]]:
        """The image, where anybody needs it, and all targets in it."""
        if self._session.idle and not self._outputs.image_is_needed:
            self._session.pass_by(message)
            return None, []
        image = self._to_bgr(message)
        return image, self._session.follow(message, image)

    def _camera_of(self, image: np.ndarray | None) -> CameraInfo | None:
        """The calibration, if it is one for images of this size."""
        info = self.camera_info
        if info is None or image is None:
            return info
        height, width = image.shape[:2]
        try:
            check_image_size(info, width, height)
        except InvalidCameraError as error:
            self._problems.error(f"{self._node.resolve_topic_name('camera_info')}: {error}")
            return None
        return info

    def _selected(self) -> str | None:
        """The target of ``~/track``: the one that was chosen, or else the first."""
        ids, chosen = self._session.ids, self._session.settings.selected_target
        return chosen if chosen in ids else next(iter(ids), None)

    def _counts(self, started: float) -> Counts:
        elapsed_ms = (time.perf_counter() - started) * 1e3
        return Counts(self._processed, self._worker.dropped, elapsed_ms)

    def _on_error(self, error: Exception) -> None:
        if not self._node.context.ok():
            return  # a signal ended the program: nothing can be published any more
        kind = "refused: " if isinstance(error, InvalidImageError) else "not processed: "
        shown = described(error)
        if not isinstance(error, InvalidImageError):
            self._node.get_logger().debug("".join(traceback.format_exception(error)))
        self._problems.error(
            f"{self._image_topic}: image {kind}{shown}; followed are {self._session.shown_ids}"
        )

    # What the session tells, in the same thread.

    def started(self, target_id: str, header: Header) -> None:
        """Say that a target was started in the image of the header."""
        seconds = header.stamp.sec + header.stamp.nanosec / 1e9
        self._problems.info(f"target '{target_id}': started in the image of {seconds:.3f} s")
        self._positions.forget(target_id)
        self._outputs.happened(Status(header=header, event=Status.STARTED, id=target_id))

    def refused(self, target_id: str, reason: str) -> None:
        """Say that a box was refused."""
        self._problems.error(reason)
        self._outputs.happened(Status(event=Status.REFUSED, id=target_id, text=reason))

    def ended(self, target_id: str, reason: str) -> None:
        """Say that a target is no longer followed."""
        self._positions.forget(target_id)
        # Another dictionary: the diagnostics may be reading this one.
        self.states = {name: state for name, state in self.states.items() if name != target_id}
        self._problems.info(f"target '{target_id}': ended, {reason}")
        self._outputs.happened(Status(event=Status.ENDED, id=target_id, text=reason))

    def _on_depth(self, target_id: str, is_measured: bool, reason: str) -> None:
        """Say that a target's position is measured again, or no longer."""
        event = Status.DEPTH_FOUND if is_measured else Status.DEPTH_LOST
        self._outputs.happened(Status(event=event, id=target_id, text=reason))
        if is_measured:
            self._problems.info(f"target '{target_id}': its position is measured again")
        else:
            self._problems.warning(f"target '{target_id}': its position is not measured: {reason}")

    def adapted(self, done: Adapted) -> None:
        """Publish what an adaptation has done."""
        self._outputs.adapted(done)
        name, report = done.job.id, done.report
        if done.error is not None:
            self._problems.error(f"target '{name}': not adapted: {described(done.error)}")
            return
        if report.stop_reason == "out_of_memory":
            self._problems.error(f"target '{name}': not adapted: GPU memory is full")
        elif 0 < report.support_crops < done.job.settings.support_crops:
            self._problems.warning(
                f"target '{name}': adapted to {report.support_crops} of "
                f"{done.job.settings.support_crops} crops: GPU memory is full"
            )
        loss = f", loss {report.losses[0]:.3f} -> {min(report.losses):.3f}" if report.losses else ""
        self._problems.info(
            f"target '{name}': adaptation {report.stop_reason} after {report.steps} steps, "
            f"{report.elapsed_ms:.0f} ms{loss}"
        )

    # The adaptation's thread.

    def _on_adapted(self, done: Adapted) -> None:
        self.command(lambda session: session.finish(done))
