"""Any tracker, by the name of its class, in the form that a run takes.

The class has the contract of got10k's toolkit: made without arguments, ``init(image, box)`` takes
a target, ``update(image)`` gives its box in the next image, or the box and a score. Boxes are x, y,
w, h in edge coordinates, pixels; images HxWx3 uint8 RGB arrays, as ``np.asarray`` makes them of the
PIL images that got10k's toolkit gives.

It runs in a process of its own, so that one that hangs or dies ends nothing else.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import multiprocessing
import os
import reprlib
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrack_ros.evaluation.child import end_with_parent
from autrack_ros.evaluation.runner import Answer
from autrack_ros.tracking.boxes import Box, validate_box
from autrack_ros.tracking.errors import AutrackError, ConfigurationError

LOADING_LIMIT_S = 300.0  # of importing and making it: large weights are read then
ACCEPTED = (
    "accepted is x, y, w, h in pixels, w and h at least 0, or (x, y, w, h), score; all finite"
)


class PluginError(AutrackError):
    """What somebody else's tracker did wrong."""


class PluginTracker:
    """A tracker in a process of its own, which is started anew after every failure.

    Args:
        name: module:Class; modules are looked for in the working directory too.
        threads: of the processor, as far as its libraries take them from OMP_NUM_THREADS or OpenCV.
        limit_s: what an ``init`` or ``update`` may take, seconds.

    Raises:
        ConfigurationError: it cannot be imported or made.
    """

    def __init__(self, name: str, threads: int, limit_s: float) -> None:
        self._name, self._threads, self._limit_s = name, threads, limit_s
        self._process: _Process | None = None
        self._start()

    def initialize(self, image: np.ndarray, box: Box) -> None:
        """Take a target.

        Args:
            image: HxWx3 uint8 BGR.
            box: edge coordinates, pixels.

        Raises:
            InvalidBoxError: as our tracker has it.
            PluginError: it raises, dies, or takes too long.
        """
        validate_box(box, image.shape[1], image.shape[0])
        self._ask("init", image, tuple(box))

    def update(self, image: np.ndarray) -> Answer:
        """Find the target in the next image, HxWx3 uint8 BGR; the score is 1 if it gives none.

        Raises:
            PluginError: it raises, dies, takes too long, or gives no box.
        """
        box, score = self._ask("update", image)
        return Answer(Box(*box), score)

    def _ask(self, method: str, image: np.ndarray, *arguments: Any) -> Any:
        process = self._process or self._start()
        rgb = np.ascontiguousarray(image[..., ::-1])
        try:
            return process.ask((method, rgb, *arguments), self._limit_s, f"{self._name}: {method}")
        except BaseException:
            self._process = None
            process.end()
            raise

    def _start(self) -> _Process:
        process = _Process(self._name, self._threads)
        try:
            process.wait(LOADING_LIMIT_S, self._name)
        except PluginError as error:
            process.end()
            raise ConfigurationError(f"tracker {error}") from error
        self._process = process
        return process


class _Process:
    """The tracker's process, seen from here."""

    def __init__(self, name: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks of threads
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, name, threads), daemon=True)
        self._process.start()
        far_end.close()

    def ask(self, message: tuple[Any, ...], limit_s: float, what: str) -> Any:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise PluginError(f"{what}: {self._last_words()}") from error
        return self.wait(limit_s, what)

    def wait(self, limit_s: float, what: str) -> Any:
        if not self._pipe.poll(limit_s):
            raise PluginError(f"{what}: no answer within {limit_s:g} s")
        try:
            failure, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise PluginError(f"{what}: {self._last_words()}") from error
        if failure is not None:
            raise PluginError(f"{what}: {failure}")
        return value

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def _last_words(self) -> str:
        self._process.join(5)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with status {code}"


def _serve(pipe: Connection, name: str, threads: int) -> None:
    """Be the tracker's process, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    end_with_parent()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is for what the command prints
    os.environ["OMP_NUM_THREADS"] = str(threads)
    cv2.setNumThreads(threads)
    try:
        tracker = load_class(name)()
    except BaseException as error:  # whatever it is, it is told and not thrown
        pipe.send((_told(error), None))
        return
    pipe.send((None, None))
    while True:
        try:
            method, *arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(_call(getattr(tracker, method), arguments, method == "update"))


def _call(
    method: Callable[..., Any], arguments: list[Any], gives_box: bool
) -> tuple[str | None, Any]:
    """What went wrong or None, and the answer."""
    try:
        value = method(*arguments)
        return None, to_answer(value) if gives_box else None
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
    """Box and score of what ``update`` gave.

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
    _look_here()
    found = getattr(importlib.import_module(module), kind)
    for method in ("init", "update"):
        if not callable(getattr(found, method, None)):
            raise PluginError(
                f"it has no method {method}; accepted is a class with init and update"
            )
    return found


def describe_plugin(name: str) -> dict[str, Any]:
    """All that is known of what its boxes depend on besides the images; it is not imported.

    That is the file of its module; what else it reads, such as weights, only it knows.

    Raises:
        ConfigurationError: there is no such module.
    """
    module, _, kind = name.partition(":")
    if not module or not kind.isidentifier():
        raise ConfigurationError(f"tracker {name!r}: accepted is module:Class")
    _look_here()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"tracker {name}: {error}") from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ConfigurationError(
            f"tracker {name}: no module {module} in {os.getcwd()} or among those installed"
        )
    file = Path(spec.origin)
    return {
        "model_sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest()},
        "threads": cv2.getNumThreads(),
        "versions": {"numpy": np.__version__, "opencv": cv2.__version__},
    }


def _look_here() -> None:
    """Let modules of the working directory be found, as ``python -m`` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
