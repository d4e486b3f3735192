"""The tracker node: follow one target through the images of a topic."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from autrack_ros.drawing import DrawnTarget, draw_heatmap, draw_overlay, draw_template
from autrack_ros.msg import AdaptationReport as AdaptationReportMessage
from autrack_ros.msg import InitBox, Track
from autrack_ros.node import qos
from autrack_ros.node.image_conversion import bgr_to_image, float_to_image, image_to_bgr
from autrack_ros.node.messages import STATE_NAMES, box_of, report_message, track_message
from autrack_ros.node.newest_slot import NewestSlot
from autrack_ros.node.parameters import declare_parameters, read_adaptation
from autrack_ros.node.program import run_program
from autrack_ros.node.worker import Worker
from autrack_ros.srv import Initialize
from autrack_ros.tracking import (
    Box,
    InvalidBoxError,
    InvalidImageError,
    TrackResult,
    load_tracker,
    validate_box,
)

NO_IMAGE_WARNING_S = 5.0
REPEAT_PROBLEM_S = 10.0  # a problem with every image is logged this often


@dataclass(frozen=True, slots=True)
class _Request:
    """What waits for the next image.

    Attributes:
        id: of the target.
        box: to be taken; None only forgets.
        answer: called once, with what became of it.
        patient: waits however long no usable image comes.
        forget: the target tracked so far is forgotten first.
    """

    id: str
    box: Box | None
    answer: Callable[[Initialize.Response], None]
    patient: bool = True
    forget: bool = False


@dataclass(frozen=True, slots=True)
class _Target:
    """What the worker remembers of the target between images."""

    id: str
    adaptation_ms: float


class TrackerNode(Node):
    """Track one target.

    The executor's thread only passes images and requests on; the worker thread does everything
    else, and it alone touches the tracker.

    Raises:
        AutrackError: a parameter, the checkpoint or the device is wrong.
        rclpy.exceptions.ParameterException: a parameter has the wrong type or is out of its range.
    """

    def __init__(self) -> None:
        super().__init__("tracker")
        declare_parameters(self)
        # Threads that wait for an occupied core are slower than fewer threads.
        torch.set_num_threads(self._parameter("threads") or max(1, (os.cpu_count() or 1) // 2))
        self._tracker = load_tracker(
            self._parameter("preset"),
            self._parameter("checkpoint") or None,
            self._parameter("device"),
            read_adaptation(self),
            self._parameter("runtime"),
        )
        self._target: _Target | None = None
        self._processed = 0
        self._image_size: tuple[int, int] | None = None  # width, height
        self._problem, self._problem_time = "", -math.inf

        self._requests: NewestSlot[_Request] = NewestSlot()
        self._stopping = threading.Event()
        self._worker = Worker(self._process, self._on_error)

        self._track = self.create_publisher(Track, "~/track", qos.RESULT)
        self._adaptation = self.create_publisher(
            AdaptationReportMessage, "~/adaptation", qos.LATCHED
        )
        self._template = self.create_publisher(Image, "~/template", qos.LATCHED)
        self._response_map = self.create_publisher(Image, "~/response_map", qos.DEBUG_IMAGE)
        self._heatmap = self.create_publisher(Image, "~/response_heatmap", qos.DEBUG_IMAGE)
        self._overlay = self.create_publisher(Image, "~/overlay", qos.DEBUG_IMAGE)

        self.create_service(Trigger, "~/reset", self._on_reset)
        # Of its own group: while it waits for the worker the other callbacks go on, itself too.
        self.create_service(
            Initialize,
            "~/initialize",
            self._on_initialize,
            callback_group=ReentrantCallbackGroup(),
        )
        self.create_subscription(InitBox, "init_box", self._on_init_box, qos.COMMAND)
        self._images = self.create_subscription(
            Image,
            "image",
            self._on_image,
            qos.SENSOR_IMAGE,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._received = self._received_at_last_check = 0
        self.create_timer(
            NO_IMAGE_WARNING_S,
            self._warn_without_images,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._worker.start()
        engine = self._tracker.engine
        self.get_logger().info(
            f"{engine.preset.name} on {engine.device} in {engine.runtime}; "
            f"waiting for a box on {self.resolve_topic_name('init_box')} and images on "
            f"{self._images.topic_name}"
        )

    def run(self) -> None:
        """Work until the program is told to end."""
        rclpy.spin(self)

    def close(self) -> None:
        """End the worker; call it before the node is destroyed."""
        self._stopping.set()
        self._worker.stop()

    # The executor's thread: every callback returns at once.

    def _on_image(self, message: Image) -> None:
        self._received += 1
        self._worker.put(message)

    def _on_init_box(self, message: InitBox) -> None:
        def answer(response: Initialize.Response) -> None:
            if not response.accepted:
                topic = self.resolve_topic_name("init_box")
                self.get_logger().error(f"{topic}: {response.reason}")

        self._take(message, answer, patient=True)

    async def _on_initialize(
        self, request: Initialize.Request, response: Initialize.Response
    ) -> Initialize.Response:
        if self._received == 0:
            response.reason = f"no image has come on {self._images.topic_name} yet"
            return response
        answered: Future = Future()

        def answer(result: Initialize.Response) -> None:
            answered.set_result(result)
            if self.executor is not None:
                self.executor.wake()

        self._take(request.box, answer, patient=False)
        return await answered

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._put(_Request("", None, lambda _: None, forget=True), "reset")
        response.success = True
        return response

    def _take(
        self, message: InitBox, answer: Callable[[Initialize.Response], None], patient: bool
    ) -> None:
        """Have the box taken in the next image; a wrong one is refused before it disturbs anything.

        Before the first image there is nothing to disturb and no size to check it against.
        """
        box = box_of(message)
        try:
            if self._image_size is not None:
                validate_box(box, *self._image_size)
        except InvalidBoxError as error:
            answer(self._refusal(message.id, error))
            return
        self._put(_Request(message.id, box, answer, patient), f"replaced by '{message.id}'")

    def _put(self, request: _Request, reason: str) -> None:
        """Have a request met at the next image, in place of one that waits."""
        waiting = self._requests.poll()
        if waiting is not None:
            request = replace(request, forget=request.forget or waiting.forget)
            if waiting.patient:  # a topic: nobody waits for an answer
                self.get_logger().debug(f"target '{waiting.id}': {reason}")
            else:
                waiting.answer(Initialize.Response(reason=f"target '{waiting.id}': {reason}"))
        self._requests.put(request)

    def _refuse_waiting(self, reason: str) -> None:
        """Answer a request that does not wait longer for a usable image."""
        request = self._requests.poll(lambda waiting: not waiting.patient)
        if request is not None:
            request.answer(self._refusal(request.id, reason))

    def _warn_without_images(self) -> None:
        if self._received == self._received_at_last_check:
            topic = self._images.topic_name
            self._refuse_waiting(f"no image has come on {topic} for {NO_IMAGE_WARNING_S:g} s")
            publishers = "; ".join(
                f"{info.node_name} ({qos.describe(info.qos_profile)})"
                for info in self.get_publishers_info_by_topic(topic)
            )
            self.get_logger().warning(
                f"no image on {topic} for {NO_IMAGE_WARNING_S:g} s; subscribed with "
                f"{qos.describe(self._images.qos_profile)}; publishers: {publishers or 'none'}"
            )
        self._received_at_last_check = self._received

    # The worker's thread.

    def _process(self, message: Image) -> None:
        """Take one image all the way from its message to the topics."""
        started = time.perf_counter()
        image = self._convert(message)
        request = self._requests.poll()
        if request is not None and request.forget:
            self._forget()
        box, score, result = None, 0.0, None
        if request is not None and self._initialize(image, message.header, request):
            box, score = request.box, 1.0
        elif self._target is not None:
            result = self._update(image, message.header)
            box, score = result.box, result.score
        self._processed += 1
        self._publish(message.header, image, box, score, result, started)

    def _convert(self, message: Image) -> np.ndarray:
        try:
            image = image_to_bgr(message)
        except InvalidImageError as error:
            self._refuse_waiting(f"{self._images.topic_name}: image refused: {error}")
            raise
        self._image_size = (message.width, message.height)
        return image

    def _update(self, image: np.ndarray, header: Header) -> TrackResult:
        try:
            return self._tracker.update(image)
        except Exception:
            # Whoever follows the track must not go on with the box of the image before.
            self._publish_track(header, Track.LOST, self._target.id if self._target else "")
            raise

    def _initialize(self, image: np.ndarray, header: Header, request: _Request) -> bool:
        """Take the requested target; whether there was one and its box was accepted."""
        if request.box is None:
            return False
        self._publish_track(header, Track.ADAPTING, request.id)
        try:
            self._tracker.adaptation = read_adaptation(self)
            report = self._tracker.initialize(image, request.box, self._should_cancel)
        except Exception as error:
            request.answer(self._refusal(request.id, error))
            if isinstance(error, InvalidBoxError):
                return False
            raise
        message = report_message(header, request.id, report)
        self._adaptation.publish(message)
        if self._requests.poll(lambda waiting: waiting.box is None) is not None:
            self._forget()  # reset while it adapted
            request.answer(Initialize.Response(reason=f"target '{request.id}': reset"))
            return False
        self._target = _Target(request.id, report.elapsed_ms)
        request.answer(Initialize.Response(accepted=True, report=message))
        panel = draw_template(self._tracker.template, self._tracker.adapted_template)
        self._template.publish(bgr_to_image(panel, header))
        loss = f", loss {report.losses[0]:.3f} -> {min(report.losses):.3f}" if report.losses else ""
        self.get_logger().info(
            f"target '{request.id}': {report.stop_reason} after {report.steps} steps, "
            f"{report.elapsed_ms:.0f} ms{loss}"
        )
        return True

    def _publish(
        self,
        header: Header,
        image: np.ndarray,
        box: Box | None,
        score: float,
        result: TrackResult | None,
        started: float,
    ) -> None:
        """Publish the track, and the pictures that somebody looks at."""
        if box is None:
            state = Track.IDLE
        else:
            state = Track.LOST if score < self._parameter("lost_score") else Track.TRACKING
        target = self._target or _Target("", 0.0)
        elapsed_ms = (time.perf_counter() - started) * 1e3
        self._publish_track(
            header,
            state,
            target.id,
            box=box,
            score=score,
            response_to_image=None if result is None else result.response_to_image,
            processing_ms=elapsed_ms,
            adaptation_ms=target.adaptation_ms,
        )
        if result is not None and _watched(self._response_map):
            self._response_map.publish(float_to_image(result.response, header))
        if result is not None and _watched(self._heatmap):
            heat = draw_heatmap(
                result.search, result.response, result.response_to_image, result.search_to_image
            )
            self._heatmap.publish(bgr_to_image(heat, header))
        if _watched(self._overlay):
            shown = None if box is None else score
            drawn = [] if box is None else [DrawnTarget(box, target.id, shown, STATE_NAMES[state])]
            picture = draw_overlay(image, drawn)
            self._overlay.publish(bgr_to_image(picture, header))

    def _publish_track(
        self,
        header: Header,
        state: int,
        target_id: str,
        **found: Any,
    ) -> None:
        self._track.publish(
            track_message(
                header,
                state,
                target_id,
                processed_images=self._processed,
                dropped_images=self._worker.dropped,
                **found,
            )
        )

    def _should_cancel(self) -> bool:
        """Whether the adaptation in work is no longer wanted."""
        return self._stopping.is_set() or self._requests.waiting

    def _forget(self) -> None:
        self._tracker.reset()
        self._target = None

    def _on_error(self, error: Exception) -> None:
        """Log why an image was not processed: at once when the reason is new, then now and then."""
        if self._stopping.is_set() or not self.context.ok():
            return
        topic = self._images.topic_name
        if isinstance(error, InvalidImageError):
            problem = f"{topic}: image refused: {error}; {self._kept()}"
        else:
            problem = f"{topic}: image not processed: {type(error).__name__}: {error}"
        now = time.monotonic()
        if problem != self._problem or now - self._problem_time > REPEAT_PROBLEM_S:
            self.get_logger().error(problem)
            self._problem, self._problem_time = problem, now

    def _refusal(self, target_id: str, reason: object) -> Initialize.Response:
        return Initialize.Response(reason=f"target '{target_id}': {reason}; {self._kept()}")

    def _kept(self) -> str:
        target = self._target
        return f"target '{target.id}' is kept" if target is not None else "there is no target"

    def _parameter(self, name: str) -> Any:
        return self.get_parameter(name).value


def _watched(publisher: Publisher) -> bool:
    return publisher.get_subscription_count() > 0


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to end; return the exit status."""
    return run_program("tracker", TrackerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
