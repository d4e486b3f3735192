"""Publish a video or a folder of images as a camera would, with the box of its target."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from autrack_ros.evaluation.frames import open_frames
from autrack_ros.msg import AdaptationReport, InitBox, Track
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from autrack_ros.node.program import run_program, spin_until
from autrack_ros.select_target.box_text import read_box
from autrack_ros.tracking import Box, ConfigurationError

_DEFAULT_RATE_HZ = 30.0
_ATTEMPTS = 5  # to have the box and the first frame taken
_ANSWER_S = 2.0
_HINT_S = 5.0
_DISCOVERY_S = 1.0  # the other subscribers, such as a recorder, are found within


class ClipPublisher(Node):
    """Publish the frames of ``source`` on ``image`` and their target on ``init_box``.

    With ``hold_first_frame`` the second frame waits until the tracker has adapted its template to
    the first one, so that a run is the same on every machine.

    Raises:
        AutrackError: a parameter or the source is wrong.
        rclpy.exceptions.ParameterException: a parameter has the wrong type or is out of its range.
    """

    def __init__(self) -> None:
        super().__init__("clip_publisher")
        self._frames = open_frames(self._declare("source", "", "Video file or folder of images"))
        box = self._declare(
            "box",
            "",
            'Target in the first frame, "x,y,width,height" or a list of these; empty: none [px]',
            dynamic_typing=True,
        )
        self._box = None if box in ("", []) else read_box(box)
        self._id = self._declare("id", "target", "Name of the target")
        self._frame_id = self._declare("frame_id", "camera", "frame_id of the images")
        self._loop = self._declare("loop", False, "Start again after the last frame")
        self._hold = self._declare(
            "hold_first_frame",
            True,
            "Wait with the second frame until the tracker has adapted to the first",
        )
        self._subscribers = self._declare(
            "subscribers",
            1,
            "Subscribers of the images to wait for, such as the tracker and a recorder",
            integer_range=[IntegerRange(from_value=1, to_value=100, step=1)],
        )
        rate = self._declare(
            "rate",
            0.0,
            "Frames a second; 0: those of the video, or 30 [Hz]",
            floating_point_range=[FloatingPointRange(from_value=0.0, to_value=1000.0)],
        )
        self._period_s = 1 / (rate or self._frames.fps or _DEFAULT_RATE_HZ)

        # Reliable, so that recorders may subscribe reliably; best-effort subscribers match as well.
        self._images = self.create_publisher(Image, "image", qos.COMMAND)
        self._boxes = self.create_publisher(InitBox, "init_box", qos.COMMAND)
        self._newest_track = Track()
        self._tracks = self.create_subscription(Track, "tracker/track", self._on_track, qos.RESULT)
        self._adapted = Header()  # of the last report
        self.create_subscription(
            AdaptationReport, "tracker/adaptation", self._on_report, qos.LATCHED
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def run(self) -> None:
        """Publish the clip once, or again and again; return when it has ended.

        Raises:
            SourceError: a frame cannot be read.
            ConfigurationError: the tracker did not take the box.
        """
        self._wait_for_subscribers()
        sent = self._publish_clip()
        while self._loop:
            sent = self._publish_clip()
        # What a process sends last may be lost when it ends at once.
        self._images.wait_for_all_acked(Duration(seconds=_ANSWER_S))
        if self.count_publishers(self._tracks.topic_name):
            spin_until(self._executor, lambda: self._newest_track.header == sent, _ANSWER_S)

    def close(self) -> None:
        """Leave the executor."""
        self._executor.shutdown()

    def _publish_clip(self) -> Header:
        """Publish every frame at the rate; return the header of the last one."""
        header, count, due = Header(), 0, 0.0
        for frame in self._frames:
            if count == 0 and self._box is not None:
                header = self._start_target(frame, self._box)
            else:
                header = self._publish(frame)
            count += 1
            due = max(due, time.monotonic() - self._period_s) + self._period_s
            spin_until(self._executor, lambda: False, due - time.monotonic())
        self.get_logger().info(f"{count} images of {self._frames.name} sent")
        return header

    def _start_target(self, frame: np.ndarray, box: Box) -> Header:
        """Publish the box and the first frame, again where they were not taken; hold if asked."""
        x, y, width, height = map(float, box)
        header = self._header()
        for _ in range(_ATTEMPTS):
            self._boxes.publish(
                InitBox(header=header, id=self._id, x=x, y=y, width=width, height=height)
            )
            # The box must be there before its frame; topics do not keep an order between them.
            self._boxes.wait_for_all_acked(Duration(seconds=_ANSWER_S))
            self._publish(frame, header)
            if not self._hold:
                return header
            spin_until(self._executor, lambda: self._newest_track.header == header, _ANSWER_S)
            if self._newest_track.header == header and self._newest_track.id == self._id:
                while self._adapted != header:
                    spin_until(self._executor, lambda: False, 0.02)
                return header
        raise ConfigurationError(
            f"the tracker did not take the box {tuple(box)} in the first image of "
            f"{self._frames.name}; its log says why"
        )

    def _publish(self, frame: np.ndarray, header: Header | None = None) -> Header:
        header = header or self._header()
        self._images.publish(bgr_to_image(frame, header))
        return header

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg(), frame_id=self._frame_id)

    def _on_track(self, message: Track) -> None:
        self._newest_track = message

    def _on_report(self, message: AdaptationReport) -> None:
        self._adapted = message.header

    def _wait_for_subscribers(self) -> None:
        """Wait for whoever takes the images, and for a tracker if there is a box for it."""

        def complete() -> bool:
            if self._images.get_subscription_count() < self._subscribers:
                return False
            wanted = []
            if self._box is not None:
                wanted.append(self._boxes.get_subscription_count)
                if self._hold:
                    wanted.append(lambda: self.count_publishers(self._tracks.topic_name))
            return all(count() > 0 for count in wanted)

        while not spin_until(self._executor, complete, _HINT_S):
            self.get_logger().info(
                f"waiting for subscribers of {self._images.topic_name}"
                + (f" and {self._boxes.topic_name}" if self._box is not None else "")
            )
        spin_until(self._executor, lambda: False, _DISCOVERY_S)

    def _declare(self, name: str, default: Any, description: str, **constraints: Any) -> Any:
        """Declare a parameter that only a restart changes; return its value."""
        descriptor = ParameterDescriptor(description=description, read_only=True, **constraints)
        return self.declare_parameter(name, default, descriptor).value


def main(args: list[str] | None = None) -> int:
    """Publish the clip; return the exit status."""
    return run_program("clip_publisher", ClipPublisher, args)


if __name__ == "__main__":
    raise SystemExit(main())
