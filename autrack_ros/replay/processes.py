"""Child processes that are watched while they run and stopped as a user would stop them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from autrack_ros.tracking.errors import AutrackError

_STOP_TIMEOUT_S = 10.0
_SHOWN_LINES = 12


def stop_on_sigterm() -> None:
    """A program that is told to end with SIGTERM stops its children on the way out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


class ProcessError(AutrackError):
    """A process ended early or does not answer; the message has its last words."""


class Process:
    """A module of this package as a process of its own; a context manager that stops it.

    Args:
        module: such as ``autrack_ros.node.tracker_node``.
        arguments: of its command line.
        log: file for what it prints.
    """

    def __init__(self, module: str, arguments: list[str], log: Path) -> None:
        self._module = module
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise ``ProcessError`` with its last words if it has ended with a failure."""
        status = self._process.poll()
        if status:
            raise self.failure(f"ended with status {status}")

    def check_running(self) -> None:
        """Raise ``ProcessError`` with its last words if it has ended."""
        if not self.running:
            raise self.failure("ended too early")

    def failure(self, what: str) -> ProcessError:
        """An error that shows what the process printed last."""
        lines = self._log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
        shown = "".join(f"\n  {line}" for line in lines) or " (it printed nothing)"
        return ProcessError(f"{self._module} {what}; its last lines ({self._log}):{shown}")

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """
        self._process.wait(timeout_s)

    def stop(self) -> None:
        """End it with SIGINT, as Ctrl-C does; kill it if it does not obey."""
        if self.running:
            # SIGINT lets Fast DDS remove its shared memory.
            self._process.send_signal(signal.SIGINT)
        try:
            self.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
