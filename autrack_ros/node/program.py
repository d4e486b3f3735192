"""A node as a program: from its start to its exit status, without tracebacks."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException

from autrack_ros.memory import reuse_large_blocks
from autrack_ros.tracking import AutrackError


class Program(Protocol):
    """A node that works until it is done or interrupted."""

    def run(self) -> None:
        """Work."""

    def close(self) -> None:
        """End threads; called once, also after an error."""


def run_program(name: str, make: Callable[[], Program], args: list[str] | None = None) -> int:
    """Make the node and run it; return the exit status.

    0 after Ctrl-C or SIGTERM at any time; 1 with one line in the log for a wrong parameter, file or
    device.
    """
    reuse_large_blocks()
    node = None
    try:
        rclpy.init(args=args)
        try:
            node = make()
            node.run()
        except RuntimeError:
            # rclpy's own error where a signal ends the context in the middle of a call.
            if rclpy.ok():
                raise
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (AutrackError, ParameterException) as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return 1
    finally:
        # Ctrl-C often comes twice, from the terminal and from ros2 launch.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    return 0
