"""The bridge to ROS: topics and services in, events and pictures out."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from autrack_ros.messages.compressed_size import JPEG_START
from autrack_ros.messages.images import image_to_bgr
from autrack_ros.msg import AdaptationReport, Status, Track, TrackArray
from autrack_ros.node import qos
from autrack_ros.node.image_buffer import stamp_ns
from autrack_ros.node.inputs.transports import TRANSPORTS
from autrack_ros.node.outputs.messages import STATE_NAMES
from autrack_ros.select_target.box_sender import BoxSender, Delivery
from autrack_ros.srv import RemoveTarget
from autrack_ros.tracking import Box, InvalidImageError
from autrack_ros.web import messages as web
from autrack_ros.web.bridge import Answered
from autrack_ros.web.hub import Hub
from autrack_ros.web.picture import Picture, template_jpeg
from autrack_ros.web.recording import BagRecorder

_ANSWER_S = 30.0  # of the slowest model's adaptation
_SILENT_S = 3.0  # without images: told
_POLL_S = 0.1
_KEPT_STAMPS = 64
_EVENTS = {Status.STARTED: "started", Status.REFUSED: "refused", Status.ENDED: "ended"}


@dataclass(slots=True)
class _Pending:
    """A command that is not answered yet.

    Attributes:
        delivery: what is known of it.
        answered: to be told.
        target: that it starts; empty: none.
        end: when it is given up, seconds, monotonic.
    """

    delivery: Delivery
    answered: Answered
    target: str = ""
    end: float = field(default_factory=lambda: time.monotonic() + _ANSWER_S)


class RosBridge:
    """Shows and commands the tracker ``tracker`` beside it; all names can be remapped.

    The executor's thread does everything but what ``Bridge`` says.

    Args:
        node: gets subscriptions and clients.
        transport: raw or compressed.
        recorder: of bags.
    """

    def __init__(self, node: Node, transport: str, recorder: BagRecorder) -> None:
        self._node = node
        self._transport = TRANSPORTS[transport]
        self._recorder = recorder
        self._hub: Hub | None = None
        self.source = self._transport.topic(node)
        self.tracker = node.resolve_topic_name("tracker")
        self.can: tuple[str, ...] = ("follow", "remove", "reset", "enable", "select", "record")
        self._sender = BoxSender(node)
        self._services: dict[str, Client] = {
            name: node.create_client(kind, f"tracker/{name}")
            for name, kind in (
                ("remove_target", RemoveTarget),
                ("reset", Trigger),
                ("enable", SetBool),
                ("set_parameters", SetParameters),
            )
        }
        self._pending: list[_Pending] = []
        self._watching: list[Subscription] = []  # while there are pages
        self._number = 0
        self._received: OrderedDict[int, float] = OrderedDict()  # stamp: when, of recent images
        self._selected: dict[int, Track] = {}  # by stamp, of recent images
        self._counts = (0.0, 0, 0)  # processing ms, images processed and dropped
        self._last_image = time.monotonic()

    def start(self, hub: Hub) -> None:
        """Begin to listen; before the executor spins."""
        self._hub = hub
        node = self._node
        node.create_subscription(Status, "tracker/status", self._on_status, qos.STATUS)
        node.create_subscription(
            AdaptationReport, "tracker/adaptation", self._on_report, qos.LATCHED
        )
        node.create_subscription(Image, "tracker/template", self._on_template, qos.LATCHED)
        node.create_timer(_POLL_S, self._answer_pending)
        node.create_timer(1.0, self._check)
        self._told_recording = self._recorder.state()
        hub.post(self._told_recording)

    # Bridge, in the server's thread.

    def watch(self, on: bool) -> None:
        """Subscribe the pictures, or no longer."""
        self._later(self._set_watching, on)

    def do(self, command: web.Command, answered: Answered) -> None:
        """Send it to the tracker."""
        self._later(self._do, command, answered)

    def bag(self, name: str) -> Path | None:
        """Folder of a finished recording."""
        return self._recorder.folder(name)

    # The executor's thread.

    def _later(self, act: Callable[..., None], *arguments: object) -> None:
        if self._node.executor is not None:
            self._node.executor.create_task(act, *arguments)

    def _set_watching(self, on: bool) -> None:
        for subscription in self._watching:
            self._node.destroy_subscription(subscription)
        self._watching = []
        self._received.clear()
        self._selected.clear()
        self._last_image = time.monotonic()
        if not on:
            return
        subscribe = self._node.create_subscription
        self._watching = [
            subscribe(
                self._transport.message,
                self.source,
                self._on_image,
                copy(qos.SENSOR_IMAGE),  # rclpy writes what is overridden into it
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            ),
            subscribe(TrackArray, "tracker/tracks", self._on_tracks, qos.RESULT),
            subscribe(Track, "tracker/track", self._on_track, qos.RESULT),
            subscribe(Image, "tracker/response_map", self._on_response, qos.DEBUG_IMAGE),
        ]

    def _do(self, command: web.Command, answered: Answered) -> None:
        match command:
            case web.Follow():
                self._follow(command, answered)
            case web.Remove():
                self._call("remove_target", RemoveTarget.Request(id=command.id), answered)
            case web.Reset():
                self._call("reset", Trigger.Request(), answered)
            case web.Enable():
                self._call(
                    "enable",
                    SetBool.Request(data=command.on),
                    answered,
                    lambda: self._post(web.Enabled(command.on)),
                )
            case web.Select():
                value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=command.id)
                parameter = Parameter(name="selected_target", value=value)
                request = SetParameters.Request(parameters=[parameter])
                self._call("set_parameters", request, answered)
            case web.Record():
                answered(*self._record(command.on))

    def _follow(self, command: web.Follow, answered: Answered) -> None:
        header = Header()
        seconds, header.stamp.nanosec = divmod(int(command.stamp), 10**9)
        if seconds >= 2**31:
            answered(False, f"stamp {command.stamp}: no time of ROS")
            return
        header.stamp.sec = seconds
        box = Box(command.x, command.y, command.width, command.height)
        delivery = self._sender.send(header, command.id, box)
        self._pending.append(_Pending(delivery, answered, command.id))

    def _call(
        self,
        name: str,
        request: Any,
        answered: Answered,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        client, full = self._services[name], self._node.resolve_service_name(f"tracker/{name}")
        if not client.service_is_ready():
            answered(False, f"there is no service {full}: is the tracker running?")
            return
        delivery = Delivery(False, None, "")

        def done(future: Any) -> None:
            result = future.result()
            result = result.results[0] if hasattr(result, "results") else result
            accepted = getattr(result, "success", None) or getattr(result, "successful", False)
            text = getattr(result, "message", "") or getattr(result, "reason", "")
            delivery.accepted, delivery.text, delivery.done = accepted, text, True
            if accepted:
                then()

        client.call_async(request).add_done_callback(done)
        delivery.text = full
        self._pending.append(_Pending(delivery, answered))

    def _answer_pending(self) -> None:
        """Tell pages what became of their commands."""
        now = time.monotonic()
        waiting = []
        for entry in self._pending:
            delivery = entry.delivery
            if delivery.done:
                entry.answered(delivery.accepted is not False, delivery.text)
            elif now > entry.end:
                entry.answered(False, f"no answer for {_ANSWER_S:g} s: {delivery.text}")
            else:
                waiting.append(entry)
        self._pending = waiting

    def _record(self, on: bool) -> tuple[bool, str]:
        try:
            text = (
                self._recorder.start(self.source, self._transport.message)
                if on
                else (self._recorder.stop())
            )
        except OSError as error:
            return False, f"recording: {error}"
        self._tell_recording()
        return True, text

    def _tell_recording(self) -> None:
        state = self._recorder.state()
        if state != self._told_recording:
            self._told_recording = state
            self._post(state)

    def _on_image(self, message: Any) -> None:
        now = time.monotonic()
        self._last_image = now
        stamp = stamp_ns(message)
        self._received[stamp] = now
        while len(self._received) > _KEPT_STAMPS:
            self._received.popitem(last=False)
        try:
            width, height = self._transport.size(message)
        except InvalidImageError as error:
            self._post(web.Problem("picture", f"{self.source}: {error}"))
            return
        self._number += 1
        jpeg = None if isinstance(message, Image) else _browser_jpeg(message)
        pixels = partial(self._transport.to_bgr, message)
        assert self._hub is not None
        self._hub.post_picture(Picture(self._number, stamp, width, height, pixels, jpeg))

    def _on_tracks(self, message: TrackArray) -> None:
        stamp = stamp_ns(message)
        received = self._received.get(stamp)
        latency_ms = 0.0 if received is None else 1e3 * (time.monotonic() - received)
        self._post(
            web.Tracks(
                str(stamp),
                [_row(track) for track in message.tracks],
                latency_ms,
                *self._counts,
            )
        )

    def _on_track(self, message: Track) -> None:
        self._counts = (
            float(message.processing_ms),
            int(message.processed_images),
            int(message.dropped_images),
        )
        self._selected[stamp_ns(message)] = message
        while len(self._selected) > _KEPT_STAMPS:
            del self._selected[next(iter(self._selected))]

    def _on_response(self, message: Image) -> None:
        track = self._selected.get(stamp_ns(message))
        if track is None or message.encoding != "32FC1" or not message.width:
            return
        rows = np.frombuffer(message.data, np.float32).reshape(message.height, -1)
        to_image = [float(value) for value in track.response_to_image]
        cells = rows[:, : message.width]
        self._post(*web.response(str(stamp_ns(message)), track.id, cells, to_image))

    def _on_status(self, message: Status) -> None:
        assert self._hub is not None
        level = "warning" if message.event == Status.REFUSED else "info"
        event = _EVENTS.get(message.event, "")
        if message.event == Status.STARTED:  # the service answers when it is adapted, too
            for entry in self._pending:
                if entry.target == message.id and not entry.delivery.done:
                    entry.delivery.accepted = True
                    entry.delivery.text, entry.delivery.done = f"'{message.id}': started", True
        self._hub.log(level, message.text, source="status", event=event, id=message.id)

    def _on_report(self, message: AdaptationReport) -> None:
        self._post(
            web.Adaptation(
                message.id,
                message.method,
                [float(loss) for loss in message.losses],
                int(message.best_step),
                float(message.elapsed_ms),
                message.stop_reason,
                float(message.max_change),
                float(message.mean_change),
            )
        )

    def _on_template(self, message: Image) -> None:
        try:
            panel = template_jpeg(image_to_bgr(message))
        except InvalidImageError as error:
            self._node.get_logger().error(f"template: {error}")
            return
        self._post(web.Template(str(stamp_ns(message))), panel)

    def _check(self) -> None:
        """Say what keeps pictures or tracks from coming, and how the recording is."""
        ended = self._recorder.check()
        if ended and self._hub is not None:
            self._hub.log("warning", ended)
        self._tell_recording()
        if not self._watching:
            return
        silent_s = time.monotonic() - self._last_image
        text = ""
        if silent_s > _SILENT_S:
            publishers = qos.describe_publishers(self._node, self.source)
            text = f"no image on {self.source} for {_SILENT_S:g} s; publishers: {publishers}"
        self._post(web.Problem("camera", text))
        tracks = self._watching[1].topic_name
        missing = self._node.count_publishers(tracks) == 0
        text = f"nobody publishes {tracks}: is the tracker running?" if missing else ""
        self._post(web.Problem("tracker", text))

    def _post(self, event: web.Event, payload: bytes | None = None) -> None:
        assert self._hub is not None
        self._hub.post(event, payload)


def _row(track: Track) -> web.TrackRow:
    return web.TrackRow(
        track.id,
        STATE_NAMES.get(track.state, "idle"),
        track.center_x - track.size_x / 2,
        track.center_y - track.size_y / 2,
        track.size_x,
        track.size_y,
        track.score,
        track.peak,
        track.second_peak,
        track.sharpness,
        track.adaptation_ms,
    )


def _browser_jpeg(message: Any) -> bytes | None:
    """A compressed image's data, where a browser shows them with their true colours."""
    data = bytes(memoryview(message.data))
    true_colours = "compressed rgb" not in message.format and "bayer" not in message.format
    return data if data.startswith(JPEG_START) and true_colours else None
