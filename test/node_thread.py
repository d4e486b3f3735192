"""The tracker node in a thread of the test's process, which spares a start: test helper."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions
from ros_process import WAIT_S

from autrack_ros.node.tracker_node import TrackerNode


@contextmanager
def tracker_thread(*arguments: str, **parameters: Any) -> Iterator[TrackerNode]:
    """Run the node until the end, in the domain of the client that is there already."""
    texts = [text for name, value in parameters.items() for text in ("-p", f"{name}:={value}")]
    rclpy.init(
        args=["--ros-args", *arguments, *texts], signal_handler_options=SignalHandlerOptions.NO
    )
    node = TrackerNode()

    def run() -> None:
        with suppress(ExternalShutdownException):
            node.run()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield node
    finally:
        rclpy.shutdown()
        thread.join(WAIT_S)
        node.close()
        node.destroy_node()
    assert not thread.is_alive()
