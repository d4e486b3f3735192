"""Any tracker, by the name of its class, in the form that a run takes.

The class has the contract of got10k's toolkit: made without arguments, ``init(image, box)`` takes
a target, ``update(image)`` gives its box in the next image, or the box and a score. Boxes are x, y,
w, h in edge coordinates, pixels; images HxWx3 uint8 RGB arrays, as ``np.asarray`` makes them of the
PIL images that got10k's toolkit gives.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from autrack_ros.evaluation.plugin_process import PluginProcess, look_here
from autrack_ros.evaluation.runner import Answer
from autrack_ros.tracking.boxes import Box, validate_box
from autrack_ros.tracking.errors import ConfigurationError

_TARGET = 0  # there is but one
T = TypeVar("T")


class PluginTracker:
    """A tracker in a process of its own, which is started anew after every failure.

    Args:
        name: as of ``PluginProcess``.
        threads: as of ``PluginProcess``.
        limit_s: what an ``init`` or ``update`` may take, seconds.

    Raises:
        ConfigurationError: it cannot be imported or made.
    """

    def __init__(self, name: str, threads: int, limit_s: float) -> None:
        self._name, self._threads, self._limit_s = name, threads, limit_s
        self._process: PluginProcess | None = PluginProcess.started(name, threads)

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

        def take(process: PluginProcess) -> None:
            process.release(_TARGET)
            process.init(_TARGET, image, box, self._limit_s)

        self._with_process(take)

    def update(self, image: np.ndarray) -> Answer:
        """Find the target in the next image, HxWx3 uint8 BGR; the score is 1 if it gives none.

        Raises:
            PluginError: it raises, dies, takes too long, or gives no box.
        """

        def find(process: PluginProcess) -> Answer:
            (found,) = process.update([_TARGET], image, self._limit_s)
            if isinstance(found, Exception):
                raise found
            return Answer(*found)

        return self._with_process(find)

    def _with_process(self, act: Callable[[PluginProcess], T]) -> T:
        process = self._process or PluginProcess.started(self._name, self._threads)
        self._process = process
        try:
            return act(process)
        except BaseException:
            self._process = None
            process.end()
            raise


def plugin_file(name: str) -> Path:
    """The file of the module of a name module:Class; it is not imported.

    Raises:
        ConfigurationError: there is no such module.
    """
    module, _, kind = name.partition(":")
    if not module or not kind.isidentifier():
        raise ConfigurationError(f"tracker {name!r}: accepted is module:Class")
    look_here()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"tracker {name}: {error}") from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ConfigurationError(
            f"tracker {name}: no module {module} in {os.getcwd()} or among those installed"
        )
    return Path(spec.origin)


def describe_plugin(name: str) -> dict[str, Any]:
    """All that is known of what its boxes depend on besides the images; it is not imported.

    That is the file of its module; what else it reads, such as weights, only it knows.

    Raises:
        ConfigurationError: there is no such module.
    """
    file = plugin_file(name)
    return {
        "model_sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest()},
        "threads": cv2.getNumThreads(),
        "versions": {"numpy": np.__version__, "opencv": cv2.__version__},
    }
