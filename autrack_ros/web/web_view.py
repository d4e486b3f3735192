"""The program ``web_view``: the tracker's page, served by the robot itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import IntegerRange, ParameterDescriptor
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from autrack_ros.node.inputs.transports import TRANSPORTS
from autrack_ros.node.program import run_program, spin_until
from autrack_ros.tracking import ConfigurationError
from autrack_ros.web.guard import Access
from autrack_ros.web.recording import BagRecorder
from autrack_ros.web.ros_bridge import RosBridge
from autrack_ros.web.server import WebServer
from autrack_ros.web.welcome import welcome


class WebView(Node):
    """Serve the page until the program is told to end.

    Raises:
        ConfigurationError: a parameter is wrong, or the port cannot be had.
        rclpy.exceptions.ParameterException: a parameter has the wrong type or is out of its range.
    """

    def __init__(self) -> None:
        super().__init__("web_view")
        access = Access(
            address=self._declare("address", "127.0.0.1", "Address to listen on; 0.0.0.0: all"),
            port=self._declare("port", 8080, "Port to listen on; 0: a free one", 0, 65535),
            token=self._declare("token", "", "Token that lets a page in; empty: made if needed"),
            origins=tuple(
                self._declare("origins", [""], "Of a reverse proxy, such as https://robot.example")
            ),
            max_pages=self._declare("max_pages", 8, "Pages connected at once", 1, 64),
        )
        transport = self._declare("image_transport", "raw", "raw or compressed")
        if transport not in TRANSPORTS:
            accepted = ", ".join(TRANSPORTS)
            raise ConfigurationError(f"image_transport '{transport}': accepted are {accepted}")
        folder = self._declare("recordings", "", "Folder of the bags; empty: in ROS's home")
        most = self._declare(
            "recording_megabytes", 2000, "A bag that is larger ends [MB]", 1, 1_000_000
        )
        home = os.environ.get("ROS_HOME") or Path.home() / ".ros"
        names = {
            name: self.resolve_topic_name(f"tracker/{name}")
            for name in ("tracks", "status", "adaptation")
        }
        self._recorder = BagRecorder(
            Path(folder).expanduser() if folder else Path(home) / "autrack_recordings", most, names
        )
        self._bridge = RosBridge(self, transport, self._recorder)
        self._server = WebServer(access, self._bridge)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def run(self) -> None:
        """Serve until the program is told to end.

        Raises:
            ConfigurationError: the port cannot be had.
        """
        self._bridge.start(self._server.hub)
        self._server.start()
        print(welcome(self._server), flush=True)
        spin_until(self._executor, lambda: False, float("inf"))

    def close(self) -> None:
        """End the threads."""
        self._recorder.stop()
        self._server.stop()
        self._executor.shutdown()

    def _declare(
        self, name: str, default: Any, description: str, low: int = 0, high: int = 0
    ) -> Any:
        """Declare a parameter that only a restart changes; return its value."""
        span = [IntegerRange(from_value=low, to_value=high, step=1)] if high else []
        descriptor = ParameterDescriptor(
            description=description, read_only=True, integer_range=span
        )
        value = self.declare_parameter(name, default, descriptor).value
        return [item for item in value if item] if isinstance(default, list) else value


def main(args: list[str] | None = None) -> int:
    """Serve the page; return the exit status."""
    return run_program("web_view", WebView, args)


if __name__ == "__main__":
    raise SystemExit(main())
