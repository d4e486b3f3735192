"""The tracker node: follow targets through the images of a topic."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.subscription import Subscription
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from autrack_ros.memory import return_free_blocks
from autrack_ros.messages.detections import select_boxes
from autrack_ros.msg import InitBox
from autrack_ros.node import qos
from autrack_ros.node.background_adaptation import Adapted
from autrack_ros.node.follow_action import FollowAction
from autrack_ros.node.frame_statistics import FrameStatistics
from autrack_ros.node.image_buffer import ImageBuffer, stamp_ns
from autrack_ros.node.inputs.boxes import box_of
from autrack_ros.node.inputs.camera import InvalidCameraError, check_camera
from autrack_ros.node.inputs.depth import DepthImages
from autrack_ros.node.inputs.image_watch import ImageWatch
from autrack_ros.node.inputs.transports import TRANSPORTS
from autrack_ros.node.managed_node import ManagedNode
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.outputs.diagnostics import NO_IMAGE_S, DiagnosticsPublisher, Health
from autrack_ros.node.outputs.memory_use import gpu_memory_mb, process_memory_mb
from autrack_ros.node.outputs.messages import report_message
from autrack_ros.node.outputs.output import find_vision
from autrack_ros.node.parameters import Settings, declare_parameters
from autrack_ros.node.pipeline import Pipeline
from autrack_ros.node.program import run_program
from autrack_ros.node.request import Request, shown_id
from autrack_ros.node.stream import StreamMonitor
from autrack_ros.node.target_session import TargetSession
from autrack_ros.node.trackers import OURS, load_tracker
from autrack_ros.srv import Initialize, RemoveTarget
from autrack_ros.tracking import InvalidImageError
from autrack_ros.tracking.threads import set_threads

_MEGABYTE = 1_000_000
_SUCCESS = TransitionCallbackReturn.SUCCESS


class TrackerNode(ManagedNode):
    """Track targets in the images of a topic.

    The model is loaded in configure; images and boxes are taken while the node is active. The
    executor's thread only passes images and commands on: the worker's thread does everything else,
    and it alone touches the targets. A third thread adapts templates.

    Raises:
        ConfigurationError: a parameter is wrong.
        rclpy.exceptions.ParameterException: a parameter has the wrong type or is out of its range.
    """

    def __init__(self) -> None:
        super().__init__("tracker")
        self._settings = declare_parameters(self, self._on_settings)
        self._transport = TRANSPORTS[self._parameter("image_transport")]
        self._optional = OptionalMessages(self.get_logger())
        self._images: ImageBuffer[Any] = ImageBuffer(
            self._parameter("image_buffer.seconds"),
            self._parameter("image_buffer.megabytes") * _MEGABYTE,
        )
        self._depth = DepthImages()
        self._statistics = FrameStatistics()
        self._pipeline: Pipeline | None = None  # from configure to cleanup
        self._inputs: list[Subscription] = []  # while it is active
        self._enabled = True
        self._watch = ImageWatch(NO_IMAGE_S)
        self._image_topic = self._transport.topic(self)

        self._serve(SetBool, "~/enable", self._on_enable)
        self._serve(Trigger, "~/reset", self._on_reset)
        # Of a group of their own: while they wait for the worker the other callbacks go on.
        waiting = ReentrantCallbackGroup()
        self._serve(RemoveTarget, "~/remove_target", self._on_remove_target, waiting)
        self._serve(Initialize, "~/initialize", self._on_initialize, waiting)
        self._follow = FollowAction(
            self, self._problems, lambda: self._pipeline, self._why_not_working, self._settle
        )
        self.create_timer(NO_IMAGE_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._diagnostics = DiagnosticsPublisher(self, self._health)

    def run(self) -> None:
        """Work until the program is told to end.

        Raises:
            AutrackError: with ``autostart``, the checkpoint or the device is wrong.
        """
        self.spin(self._parameter("autostart"))

    def close(self) -> None:
        """End the threads; call it before the node is destroyed."""
        if self._pipeline is not None:
            self._pipeline.stop()
        gc.unfreeze()  # otherwise nothing collects the node, and it stays in the graph

    # Transitions of the lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and warm it up."""
        return self._attempt("configured", self._start_work)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take images and boxes."""
        return self._attempt("activated", self._start_inputs)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no more images; the targets are kept."""
        self._stop_inputs("the node was deactivated")
        self.get_logger().info(f"deactivated: takes no images, keeps {self._target_count()}")
        return _SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget everything and give the memory back, that of the GPU too."""
        self._end_work()
        self.get_logger().info("cleaned up: the model is unloaded, there are no targets")
        return _SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As deactivate and cleanup, from whichever state."""
        self._stop_inputs("the node was shut down")
        self._end_work()
        self.get_logger().info("shut down: end the process and start it again to go on")
        return _SUCCESS

    def _start_work(self) -> None:
        # Threads that wait for an occupied core are slower than fewer threads.
        threads = self._parameter("threads") or max(1, (os.cpu_count() or 1) // 2)
        set_threads(threads)
        tracker = load_tracker(self._parameter, threads)
        self._monitor = StreamMonitor()
        self._pipeline = Pipeline(
            self,
            tracker,
            self._transport,
            self._images,
            self._depth,
            self._settings,
            self._statistics,
            self._problems,
            self._optional,
            self._parameter("publish_tf"),
            self._follow.on_tracks,
        )
        self._pipeline.start()
        gc.collect()
        return_free_blocks()  # of the files that the model was read from
        gc.freeze()  # what was loaded stays: later collections need not walk through it

    def _end_work(self) -> None:
        if self._pipeline is None:
            return
        free_memory = self._pipeline.tracker.free_memory
        self._pipeline.stop()
        self._pipeline = None
        gc.unfreeze()
        gc.collect()  # the network is part of cycles
        return_free_blocks()
        free_memory()

    def _start_inputs(self) -> None:
        vision = find_vision(self._optional.find)
        self._inputs = [
            self._transport.subscribe(self, self._on_image),
            self.create_subscription(
                CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR_IMAGE
            ),
            *self._depth.subscribe(self),
            self.create_subscription(InitBox, "init_box", self._on_init_box, qos.COMMAND),
        ]
        if vision is not None:
            self._inputs.append(
                self.create_subscription(
                    vision.Detection2DArray, "init_detections", self._on_detections, qos.COMMAND
                )
            )
        self._restart_waiting()
        tracker = self._running.tracker
        where = f" on {tracker.device}" if tracker.device else ""
        self.get_logger().info(
            f"{tracker.name}{where} in {tracker.runtime}; waiting for a box on "
            f"{self.resolve_topic_name('init_box')} and images on {self._image_topic}"
        )

    def _stop_inputs(self, reason: str) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        self._restart_waiting()
        self._refuse_impatient(reason)
        self._images.clear()
        self._depth.clear()

    def _restart_waiting(self) -> None:
        self._watch.restart(wanted=bool(self._inputs) and self._enabled)

    # The executor's thread: every callback returns at once.

    def _on_image(self, message: Any) -> None:
        gap_s = self._watch.image_received()
        if gap_s is not None:
            self._problems.info(f"images come on {self._image_topic} after {gap_s:.0f} s without")
        if not self._enabled:
            return
        self._statistics.image_received()
        try:
            size = self._transport.size(message)
        except InvalidImageError:
            self._running.put(message)  # the worker says what is wrong with it
            return
        events = self._monitor.feed(stamp_ns(message), message.header.frame_id, *size)
        for event in events:
            self._problems.warning(f"{self._image_topic}: {event.text}")
        if any(event.skips_image for event in events):
            self._statistics.image_left_out()
            return
        forget = "; ".join(event.text for event in events if event.forgets)
        if forget:
            self._images.clear()
        self._images.add(message)  # for boxes drawn on it
        self._running.put(message, forget)

    def _on_camera_info(self, message: CameraInfo) -> None:
        usable: CameraInfo | None = message
        try:
            check_camera(message)
        except InvalidCameraError as error:
            self._problems.error(f"{self.resolve_topic_name('camera_info')}: {error}")
            usable = None
        self._running.camera_info = usable

    def _on_init_box(self, message: InitBox) -> None:
        self._request(message, lambda outcome: None)

    def _on_detections(self, message: Any) -> None:
        if not self._enabled:
            return
        settings = self._settings
        selection = select_boxes(message, settings.class_id, settings.take_all)
        for line in selection.refused:
            topic = self.resolve_topic_name("init_detections")
            self._problems.warning(f"{topic}: {line}")
        for name, box in selection.boxes:
            request = Request(name, box, stamp_ns(message), lambda outcome: None)
            self._running.command(partial(TargetSession.offer, request=request))

    async def _on_initialize(
        self, request: Initialize.Request, response: Initialize.Response
    ) -> Initialize.Response:
        response.reason = self._why_not_working()
        if not response.reason and self._watch.received == 0:
            response.reason = f"no image has come on {self._image_topic} yet"
        if response.reason:
            return response
        answered: Future = Future()

        self._request(request.box, partial(self._settle, answered), patient=False)
        outcome = await answered
        if isinstance(outcome, Adapted):
            response.accepted = True
            job = outcome.job
            response.report = report_message(job.header, job.id, outcome.report)
        else:
            response.reason = str(outcome)
        return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        self._restart_waiting()
        response.success = True
        if not self._enabled:
            self._refuse_impatient("the node was disabled")
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._pipeline is not None:
            self._pipeline.command(lambda session: session.remove_all("reset"))
        response.success = True
        return response

    async def _on_remove_target(
        self, request: RemoveTarget.Request, response: RemoveTarget.Response
    ) -> RemoveTarget.Response:
        if self._pipeline is None:
            response.message = self._why_not_working()
            return response
        answered: Future = Future()

        def remove(session: TargetSession) -> None:
            removed = session.remove(request.id, "removed")
            refusal = f"no target '{shown_id(request.id)}'; followed are {session.shown_ids}"
            self._settle(answered, "" if removed else refusal)

        self._pipeline.command(remove)
        response.message = str(await answered)
        response.success = not response.message
        return response

    def _settle(self, answered: Future, value: object) -> None:
        """Give a callback what it waits for, from another thread."""
        answered.set_result(value)
        if self.executor is not None:
            self.executor.wake()

    def _on_settings(self, settings: Settings) -> None:
        self._settings = settings
        if self._pipeline is not None:
            self._pipeline.command(lambda session: setattr(session, "settings", settings))

    def _request(
        self, message: InitBox, answer: Callable[[Adapted | str], None], patient: bool = True
    ) -> None:
        request = Request(message.id, box_of(message), stamp_ns(message), answer, patient)
        self._running.command(lambda session: session.request(request))

    def _refuse_impatient(self, reason: str) -> None:
        if self._pipeline is not None:
            self._pipeline.command(lambda session: session.refuse_impatient(reason))

    def _check(self) -> None:
        """Say what no message is the occasion to say."""
        self._problems.tell_left_out()
        if self._watch.stay_away():
            self._refuse_impatient(f"no image has come on {self._image_topic} for {NO_IMAGE_S:g} s")
            self.get_logger().warning(
                f"no image on {self._image_topic} for {NO_IMAGE_S:g} s; subscribed with "
                f"{qos.describe(self._inputs[0].qos_profile)}; publishers: "
                f"{qos.describe_publishers(self, self._image_topic)}"
            )

    def _health(self) -> Health:
        pipeline = self._pipeline
        tracker = None if pipeline is None else pipeline.tracker
        device = None if tracker is None else tracker.device
        chosen = self._parameter("tracker")
        error, error_age_s = self._problems.last_error
        return Health(
            frames=self._statistics.summary(),
            image_topic=self._image_topic,
            waiting_s=self._watch.waiting_s,
            device="none" if tracker is None else str(device or "its own choice"),
            model=self._parameter("preset") if chosen == OURS else chosen,
            runtime="none" if tracker is None else tracker.runtime,
            targets={} if pipeline is None else pipeline.states,
            depth=self._depth.has_come,
            depth_problem="" if pipeline is None else pipeline.depth_problem,
            process_memory_mb=process_memory_mb(),
            gpu_memory_mb=None if device is None else gpu_memory_mb(device),
            error=error,
            error_age_s=error_age_s,
        )

    @property
    def _running(self) -> Pipeline:
        assert self._pipeline is not None, "only while the node is active"
        return self._pipeline

    def _why_not_working(self) -> str:
        """Why no box can be taken; empty if one can."""
        if not self._inputs:
            return "the node is not active: configure and activate it (ros2 lifecycle set)"
        return "" if self._enabled else "the node is disabled: call ~/enable"

    def _target_count(self) -> str:
        count = 0 if self._pipeline is None else len(self._pipeline.states)
        return f"{count or 'no'} target{'s' * (count != 1)}"

    def _serve(
        self,
        kind: type,
        name: str,
        callback: Callable[..., Any],
        group: ReentrantCallbackGroup | None = None,
    ) -> None:
        self.create_service(kind, name, callback, qos_profile=qos.SERVICE, callback_group=group)

    def _parameter(self, name: str) -> Any:
        return self.get_parameter(name).value


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to end; return the exit status."""
    return run_program("tracker", TrackerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
