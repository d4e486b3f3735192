"""Anybody's tracker in a process of its own, one object of its class a target.

One that hangs or dies ends nothing but this process.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import reprlib
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrack_ros.evaluation.child import end_with_parent
from autrack_ros.tracking.boxes import Box
from autrack_ros.tracking.errors import AutrackError, ConfigurationError

LOADING_LIMIT_S = 300.0  # of importing and making it: large weights are read then
ACCEPTED = (
    "accepted is x, y, w, h in pixels, w and h at least 0, or (x, y, w, h), score; all finite"
)

Found = tuple[Box, float]  # and the score


class PluginError(AutrackError):
    """What somebody else's tracker did wrong."""


class PluginProcessError(PluginError):
    """It died or was too slow: its process is of no more use."""


class PluginProcess:
    """The process, seen from here. One thread at a time may call it.

    Args:
        name: module:Class; modules are looked for in the working directory too.
        threads: of the processor, as far as its libraries take them from OMP_NUM_THREADS or OpenCV.
    """

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")  # a fork would copy locks of threads
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, name, threads), daemon=True)
        self._process.start()
        far_end.close()
        self._is_made = False

    @classmethod
    def started(cls, name: str, threads: int) -> PluginProcess:
        """A process in which the class is imported and an object of it made.

        Raises:
            ConfigurationError: one of both fails, or takes too long.
        """
        process = cls(name, threads)
        try:
            if not process.wait_made(LOADING_LIMIT_S):
                raise PluginError(f"{name}: no answer within {LOADING_LIMIT_S:g} s")
        except PluginError as error:
            process.end()
            raise ConfigurationError(f"tracker {error}") from error
        return process

    def wait_made(self, limit_s: float) -> bool:
        """Wait until the class is imported and an object of it made; whether it is.

        Raises:
            PluginError: one of both fails.
        """
        if not self._is_made and self._pipe.poll(limit_s):
            self._answer(0, self.name)
            self._is_made = True
        return self._is_made

    def init(self, target: int, image: np.ndarray, box: Box, limit_s: float) -> None:
        """Have an object take a target; image: HxWx3 uint8 BGR.

        Raises:
            PluginError: it raises.
            PluginProcessError: it dies, or takes longer than ``limit_s``.
        """
        what = f"{self.name}: init"
        self._send("init", image, [(target, tuple(box))], what)
        self._answer(limit_s, what)

    def update(
        self, targets: Sequence[int], image: np.ndarray, limit_s: float
    ) -> list[Found | PluginError]:
        """Where each target is in the next image, HxWx3 uint8 BGR, or what its object did wrong.

        An object that did something wrong is gone, and its target with it.

        Raises:
            PluginProcessError: it dies, or takes longer than ``limit_s`` for a target.
        """
        what = f"{self.name}: update"
        self._send("update", image, [(target,) for target in targets], what)
        answers: list[Found | PluginError] = []
        for _ in targets:
            failure, value = self._wait(limit_s, what)
            if failure is None:
                box, score = value
                answers.append((Box(*box), score))
            else:
                answers.append(PluginError(f"{what}: {failure}"))
        return answers

    def release(self, target: int) -> None:
        """Let the object of a target take another one."""
        with suppress(OSError):  # it has died, and so has the object
            self._pipe.send(("release", None, [(target,)]))

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def _send(self, method: str, image: np.ndarray, requests: list[Any], what: str) -> None:
        try:
            self._pipe.send((method, np.ascontiguousarray(image[..., ::-1]), requests))
        except OSError as error:
            raise PluginProcessError(f"{what}: {self._last_words()}") from error

    def _answer(self, limit_s: float, what: str) -> Any:
        failure, value = self._wait(limit_s, what)
        if failure is not None:
            raise PluginError(f"{what}: {failure}")
        return value

    def _wait(self, limit_s: float, what: str) -> tuple[str | None, Any]:
        if not self._pipe.poll(limit_s):
            raise PluginProcessError(f"{what}: no answer within {limit_s:g} s")
        try:
            failure, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise PluginProcessError(f"{what}: {self._last_words()}") from error
        return failure, value

    def _last_words(self) -> str:
        self._process.join(5)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with status {code}"


class _Objects:
    """Those of the class in its process, by target; one whose target has gone takes the next."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._spare = [make()]  # now, so that what is wrong is known before there is a target
        self._used: dict[int, Any] = {}

    def init(self, image: np.ndarray, target: int, box: tuple[float, ...]) -> None:
        tracker = self._spare.pop() if self._spare else self._make()
        tracker.init(image, box)
        self._used[target] = tracker

    def update(self, image: np.ndarray, target: int) -> tuple[tuple[float, ...], float]:
        tracker = self._used.pop(target)  # after a failure nobody knows what it would do
        answer = to_answer(tracker.update(image))
        self._used[target] = tracker
        return answer

    def release(self, target: int) -> None:
        if target in self._used:
            self._spare.append(self._used.pop(target))


def _serve(pipe: Connection, name: str, threads: int) -> None:
    """Be the tracker's process, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    end_with_parent()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is for what the command prints
    os.environ["OMP_NUM_THREADS"] = str(threads)
    cv2.setNumThreads(threads)
    try:
        objects = _Objects(load_class(name))
    except BaseException as error:  # whatever it is, it is told and not thrown
        pipe.send((_told(error), None))
        return
    pipe.send((None, None))
    while True:
        try:
            method, image, requests = pipe.recv()
        except EOFError:
            return
        for target, *arguments in requests:
            if method == "release":
                objects.release(target)
            else:
                pipe.send(_outcome(getattr(objects, method), image, target, *arguments))


def _outcome(method: Callable[..., Any], *arguments: Any) -> tuple[str | None, Any]:
    """What went wrong or None, and the answer."""
    try:
        return None, method(*arguments)
    except BaseException as error:
        return _told(error), None


def _told(error: BaseException) -> str:
    """The traceback's last line, and where in the tracker it comes from."""
    words = traceback.format_exception_only(type(error), error)[-1].strip()
    if isinstance(error, AutrackError):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    frames = [f for f in frames if not f.filename.startswith("<frozen importlib")]
    return (
        f"{words} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else words
    )


def to_answer(value: Any) -> tuple[tuple[float, ...], float]:
    """Box and score of what ``update`` gave; the score is 1 if it gave none.

    Raises:
        PluginError: neither a box nor a box and a score, or not finite.
    """
    try:
        box, score = value if len(value) == 2 else (value, 1.0)
        numbers, score = np.asarray(box, float), float(score)
    except (TypeError, ValueError) as error:
        raise PluginError(f"it gave {reprlib.repr(value)}; {ACCEPTED}") from error
    if numbers.shape != (4,) or not np.isfinite([*numbers, score]).all() or min(numbers[2:]) < 0:
        raise PluginError(f"it gave {reprlib.repr(value)}; {ACCEPTED}")
    return tuple(numbers.tolist()), score


def load_class(name: str) -> Callable[[], Any]:
    """The class of a name module:Class.

    Raises:
        PluginError: it has not both methods. Whatever importing it raises.
    """
    module, _, kind = name.partition(":")
    look_here()
    found = getattr(importlib.import_module(module), kind)
    for method in ("init", "update"):
        if not callable(getattr(found, method, None)):
            raise PluginError(
                f"it has no method {method}; accepted is a class with init and update"
            )
    return found


def look_here() -> None:
    """Let modules of the working directory be found, as ``python -m`` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
