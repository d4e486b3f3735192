"""Start a ROS program as a process of its own and wait for what it does: helpers of node tests."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from autrack_ros.replay.domains import own_domain

ROOT = Path(__file__).resolve().parents[1]
# A process that has imported what a node needs, and forks: half of what a start costs is imports.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["autrack_ros.node.tracker_node", "openvino"])
PROFILE = ROOT / "config" / "fastdds_shm.xml"
WAIT_S = 90.0  # a start costs 10 s of a core's time, and there may be little of it


def environment(domain_id: int | None = None) -> dict[str, str]:
    """Variables that keep a test to itself, by default in its own domain, and let images arrive."""
    return {
        "ROS_DOMAIN_ID": str(domain_id or own_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILE),
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE),
    }


def run_module(
    module: str, arguments: tuple[str, ...], variables: dict[str, str], output: Connection
) -> None:
    """What ``python -m`` does, in a process that was forked: with these variables, into a pipe."""
    os.chdir(ROOT)
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class RosProcess:
    """A module run as by ``python -m``; its output is collected line by line."""

    def __init__(self, module: str, *arguments: str, **parameters: Any) -> None:
        ros_arguments = [
            text for name, value in parameters.items() for text in ("-p", f"{name}:={value}")
        ]
        self._output, output = SERVER.Pipe(duplex=False)
        told = ("--ros-args", *arguments, *ros_arguments)
        self._process = SERVER.Process(
            target=run_module, args=(module, told, dict(os.environ), output)
        )
        self._process.start()
        atexit.register(self._process.kill)  # else it would be waited for
        output.close()
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def output(self) -> str:
        return "".join(self._lines)

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    def wait_for_line(self, pattern: str, after: int = 0, timeout_s: float = WAIT_S) -> str:
        """The first line since line ``after`` that the pattern is found in."""

        def found() -> str | None:
            return next((text for text in self._lines[after:] if re.search(pattern, text)), None)

        with self._changed:
            self._changed.wait_for(
                lambda: found() is not None or not self._reader.is_alive(), timeout_s
            )
        line = found()
        assert line is not None, f"no line {pattern!r} in the output:\n{self.output}"
        return line

    @property
    def line_count(self) -> int:
        return len(self._lines)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """The exit status."""
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout_s)
        self._reader.join(timeout_s)
        return self._process.exitcode

    def stop(self) -> int:
        """Interrupt and wait; a process that does not obey is killed and fails the test."""
        if self.running:
            self.interrupt()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def _read(self) -> None:
        for line in open(self._output.fileno(), errors="replace", closefd=False):  # noqa: SIM115
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def wait_until(
    condition: Callable[[], Any],
    spin_once: Callable[[], None],
    what: str = "",
    timeout_s: float = WAIT_S,
) -> Any:
    """Spin until the condition holds; return its value."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end, f"no {what or 'event'} within {timeout_s:g} s"
        spin_once()
    return value
