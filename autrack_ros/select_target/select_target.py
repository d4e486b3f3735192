"""Show a topic's picture to a person, and send the box they draw or type to the tracker."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import Header

from autrack_ros.drawing import DrawnTarget
from autrack_ros.msg import TrackArray
from autrack_ros.node import qos
from autrack_ros.node.frame_statistics import RollingWindow
from autrack_ros.node.inputs.transports import TRANSPORTS
from autrack_ros.node.program import run_program, spin_until
from autrack_ros.select_target.box_selection import BoxSelection
from autrack_ros.select_target.box_sender import BoxSender, Delivery
from autrack_ros.select_target.box_text import FORM, read_box, read_line
from autrack_ros.select_target.picture_window import PictureWindow, why_no_window
from autrack_ros.select_target.terminal_lines import TerminalLines
from autrack_ros.select_target.tracked_pictures import TrackedPictures
from autrack_ros.tracking import (
    Box,
    ConfigurationError,
    InvalidBoxError,
    InvalidImageError,
    validate_box,
)

_HINT_S = 5.0
_ANSWER_S = 30.0
_DISCOVERY_S = 1.0  # the rest of a tracker is found within
_RATE_S = 1.0  # over which the image rate is measured

_TEXT_HELP = f"""\
{FORM} [id]: sends a box in the frozen picture
f: freezes a newer picture
n: sends the last box for the next image
q: ends"""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is shown: HxWx3 uint8 BGR, with its message's header and what is followed."""

    pixels: np.ndarray
    header: Header
    targets: Sequence[DrawnTarget] | None


class Window(Protocol):
    """What a person sees; its keys and mouse act on a ``BoxSelection``."""

    def show(self, image: np.ndarray, targets: Sequence[DrawnTarget] | None) -> list[Box]:
        """Show an image with targets on it; return the boxes finished since the last call."""

    def close(self) -> None:
        """Close the window."""


class TargetSelector(Node):
    """Send boxes for the images on ``image``, or ``image/compressed``, to the tracker.

    With the parameter ``box``: that one, for the next image. Otherwise those that a person draws
    in a window or, where none can be opened, types.

    Raises:
        AutrackError: a parameter is wrong, or the tracker did not take the box of ``box``.
        rclpy.exceptions.ParameterException: a parameter has the wrong type.
    """

    def __init__(self) -> None:
        super().__init__("select_target")
        box = self._declare("box", "", "Box to send at once, x,y,w,h; empty: a person selects [px]")
        self._box = read_box(box) if box else None
        self._id = str(self._declare("id", "target", "Name of the target"))
        self._sender = BoxSender(self)
        self._last: tuple[str, Box] | None = None
        self._pictures = TrackedPictures()
        self._converted: tuple[Any, Picture] | None = None
        self._arrivals = RollingWindow(_RATE_S)
        self._problem = ""
        transport = self._declare(
            "image_transport", "raw", f"How the images come: {' or '.join(TRANSPORTS)}"
        )
        if transport not in TRANSPORTS:
            raise ConfigurationError(
                f"parameter image_transport: {transport!r}; accepted is {' or '.join(TRANSPORTS)}"
            )
        self._transport = TRANSPORTS[transport]
        self._images = self.create_subscription(
            self._transport.message,
            self._transport.topic(self),
            self._on_image,
            copy(qos.SENSOR_IMAGE),  # rclpy writes what is overridden into it
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def run(self) -> None:
        """Send the box of the parameter, or work until the person ends."""
        if self._box is not None:
            self._send_once(self._box)
            return
        reason = why_no_window()
        if reason:
            self.run_text(TerminalLines(), reason)
            return
        selection = BoxSelection(self._id)
        with closing(
            PictureWindow(f"select_target {self._images.topic_name}", selection)
        ) as window:
            self.run_window(window, selection)

    def run_window(self, window: Window, selection: BoxSelection) -> None:
        """Show the newest picture, or the frozen one, and send the boxes drawn in it."""
        self.create_subscription(
            TrackArray, "tracker/tracks", self._pictures.add_tracks, qos.RESULT
        )
        self._wait_for_picture()
        picture, delivery = None, None
        while not selection.ended:
            spin_until(self._executor, lambda: False, 0.02)
            if picture is None or not selection.frozen:
                picture = self._newest_picture() or picture
            if picture is None:
                continue
            for box in window.show(picture.pixels, picture.targets):
                delivery = self._send(picture, selection.target_id, box)
            if selection.again:
                selection.again = False
                delivery = self._send_again()
            if delivery is not None:
                selection.message = delivery.text
                if delivery.done:
                    print(delivery.text, flush=True)
                    delivery = None

    def run_text(self, lines: TerminalLines, reason: str) -> None:
        """Save a picture, and send the boxes that are typed for it."""
        print(f"no window: {reason}. Boxes are read from the terminal.", flush=True)
        self._wait_for_picture()
        spin_until(self._executor, lambda: False, _RATE_S)  # to measure the rate
        picture = self._freeze()
        print(_TEXT_HELP, flush=True)
        for line in self._typed(lines):
            if line == "q":
                return
            if line == "f":
                picture = self._freeze() or picture
                continue
            try:
                if line == "n":
                    delivery = self._send_again()
                elif picture is None:
                    raise InvalidImageError("there is no picture yet; f freezes one")
                else:
                    box, target_id = read_line(line)
                    delivery = self._send(picture, target_id or self._id, box)
            except (InvalidBoxError, InvalidImageError) as error:
                print(f"{error}. Accepted are:\n{_TEXT_HELP}", flush=True)
                continue
            self._wait_for(delivery)
            print(delivery.text, flush=True)

    def close(self) -> None:
        """Leave the executor."""
        self._executor.shutdown()

    def _send_once(self, box: Box) -> None:
        """Send a box for the next image; return when it was taken.

        Raises:
            ConfigurationError: it was refused.
        """
        while not spin_until(self._executor, lambda: self._sender.reachable, _HINT_S):
            self.get_logger().info(
                f"waiting for {self._sender.service} or a subscriber of {self._sender.topic}"
            )
        spin_until(self._executor, lambda: False, _DISCOVERY_S)
        delivery = self._sender.send(Header(), self._id, box)
        self._wait_for(delivery)
        if not delivery.done or delivery.accepted is False:
            raise ConfigurationError(delivery.text)
        if delivery.accepted is None and not self._sender.wait_until_received():
            raise ConfigurationError(f"'{self._id}': nobody received it on {self._sender.topic}")
        self.get_logger().info(delivery.text)

    def _send(self, picture: Picture, target_id: str, box: Box) -> Delivery:
        height, width = picture.pixels.shape[:2]
        try:
            validate_box(box, width, height)
        except InvalidBoxError as error:
            return Delivery(True, False, f"'{target_id}': not sent: {error}")
        self._last = (target_id, box)
        return self._sender.send(picture.header, target_id, box)

    def _send_again(self) -> Delivery:
        """Send the last box for the next image: the tracker may not keep an old one long enough."""
        if self._last is None:
            return Delivery(True, False, "no box has been sent yet")
        return self._sender.send(Header(), *self._last)

    def _wait_for(self, delivery: Delivery) -> None:
        if not spin_until(self._executor, lambda: delivery.done, _ANSWER_S):
            delivery.text = f"{self._sender.service} has not answered for {_ANSWER_S:g} s"

    def _on_image(self, message: Any) -> None:
        self._pictures.add_image(message)
        self._arrivals.add(time.monotonic())

    def _newest_picture(self) -> Picture | None:
        """Convert the newest image, once; None if there is none or it cannot be shown."""
        tracked = self._pictures.newest
        if tracked is None:
            return None
        if self._converted is not None and self._converted[0] is tracked:
            return self._converted[1]
        try:
            pixels = self._transport.to_bgr(tracked.image)
        except InvalidImageError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self.get_logger().error(f"{self._images.topic_name}: image refused: {error}")
            return None
        picture = Picture(pixels, tracked.image.header, tracked.targets)
        self._converted = (tracked, picture)
        return picture

    def _freeze(self) -> Picture | None:
        """Save the newest picture to a file, and say what and where it is."""
        picture = self._newest_picture()
        if picture is None:
            return None
        with tempfile.NamedTemporaryFile(
            prefix="select_target_", suffix=".png", delete=False
        ) as file:
            file.write(cv2.imencode(".png", picture.pixels)[1].tobytes())
        height, width = picture.pixels.shape[:2]
        stamp = picture.header.stamp
        rate = self._arrivals.rate_hz(time.monotonic())
        print(
            f"{self._images.topic_name}: {width}x{height} pixels, {rate:.1f} Hz; picture of "
            f"{stamp.sec}.{stamp.nanosec:09d} s, frame '{picture.header.frame_id}': {file.name}",
            flush=True,
        )
        return picture

    def _typed(self, lines: TerminalLines) -> Iterator[str]:
        """Yield what is typed, without blank lines, until the terminal is closed."""
        while not lines.ended:
            line = lines.poll()
            if line is None:
                spin_until(self._executor, lambda: False, 0.02)
            elif line.strip():
                yield line.strip()

    def _wait_for_picture(self) -> None:
        while not spin_until(self._executor, lambda: self._newest_picture() is not None, _HINT_S):
            topic = self._images.topic_name
            self.get_logger().warning(
                f"waiting for images on {topic}; subscribed with "
                f"{qos.describe(self._images.qos_profile)}; publishers: "
                f"{qos.describe_publishers(self, topic)}"
            )

    def _declare(self, name: str, default: str, description: str) -> Any:
        """Declare a parameter that only a restart changes; a number for a name is welcome."""
        descriptor = ParameterDescriptor(
            description=description, read_only=True, dynamic_typing=True
        )
        return self.declare_parameter(name, default, descriptor).value


def main(args: list[str] | None = None) -> int:
    """Select targets; return the exit status."""
    return run_program("select_target", TargetSelector, args)


if __name__ == "__main__":
    raise SystemExit(main())
