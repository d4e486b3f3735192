"""A node as a program: from its start to its exit status, without tracebacks."""

from __future__ import annotations

import gc
import signal
import sys
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException

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
    interrupt = _FirstInterrupt()
    signal.signal(signal.SIGINT, interrupt)
    node = None
    try:
        try:
            _init_ros(name, sys.argv if args is None else args)
        except RuntimeError as error:  # no logging yet
            print(f"{name}: wrong ROS arguments: {_first_line(error)}", file=sys.stderr)
            return 1
        try:
            node = make()
            node.run()
        except (AutrackError, ParameterException):
            raise
        except Exception:
            # A call that a signal ended in its middle fails in many ways, and a moment before the
            # context knows of the signal.
            if not _ends(within_s=1.0):
                raise
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (AutrackError, ParameterException) as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return 1
    finally:
        interrupt.seen = True
        if node is not None:
            node.close()
            rclpy.try_shutdown()
            left, node = weakref.ref(node), None
            gc.collect()  # with it go its places in the graph and in shared memory
            if left() is None:
                gc.freeze()  # Python's own, at the end, need not walk through all of torch
        rclpy.try_shutdown()
    return 0


def spin_until(executor: Executor, condition: Callable[[], bool], timeout_s: float) -> bool:
    """Work on callbacks until the condition holds or the time is over; whether it holds.

    Raises:
        rclpy.executors.ExternalShutdownException: a signal ended the context.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        left = end - time.monotonic()
        if left <= 0:
            return False
        if not executor.context.ok():
            raise ExternalShutdownException
        executor.spin_once(timeout_sec=min(left, 0.1))
    return True


def _init_ros(name: str, args: list[str]) -> None:
    """Start ROS; without a log file where there can be none, as on a full disk.

    Raises:
        RuntimeError: the arguments are wrong.
    """
    try:
        rclpy.init(args=args)
    except RuntimeError as error:
        rclpy.try_shutdown()  # of what was begun
        try:
            rclpy.init(args=[*args, "--ros-args", "--disable-external-lib-logs"])
        except RuntimeError:
            raise error from None
        rclpy.logging.get_logger(name).warning(f"no log file: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


class _FirstInterrupt:
    """A signal handler that interrupts once.

    Ctrl-C often comes twice, from the terminal and from ros2 launch: the second must not break into
    the end that the first one began. Replacing the handler instead would run a pending one first.
    """

    def __init__(self) -> None:
        self.seen = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.seen:
            self.seen = True
            raise KeyboardInterrupt


def _ends(within_s: float) -> bool:
    """Whether a signal has ended the context, or does so within a time."""
    end = time.monotonic() + within_s
    while rclpy.ok() and time.monotonic() < end:
        time.sleep(0.01)
    return not rclpy.ok()
