"""Anybody's class as what computes in the node: it starts targets and finds them again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autrack_ros.evaluation.plugin_process import (
    Found,
    PluginError,
    PluginProcess,
    PluginProcessError,
)
from autrack_ros.tracking import AdaptationReport, AdaptationSettings, Box, validate_box
from autrack_ros.tracking.crops import CropGeometry, context_side, crop, mean_color

INIT_LIMIT_S = 60.0  # a further target needs an object of its own, with its weights
_TEMPLATE_PX = 127
_CONTEXT = 0.5  # of the sides' mean around the target, as SiamFC cuts a template


@dataclass(frozen=True, slots=True, eq=False)
class PluginTarget:
    """A target that the class was given.

    Attributes:
        process: that has the object which follows it.
        number: of the target there.
        box: in the image it was started in, edge coordinates.
        template: what it was started with, for people: S x S x 3 float32 BGR, 0..255.
    """

    process: PluginProcess
    number: int
    box: Box
    template: np.ndarray

    @property
    def adapted_template(self) -> np.ndarray:
        """The same: nothing adapts it."""
        return self.template


class PluginEngine:
    """The class in a process, which is started anew when it dies or is too slow.

    Any thread may call ``adapt``; all else is for one at a time.

    Args:
        name: module:Class, see ``PluginProcess``.
        threads: see there.
        limit_s: what an ``update`` may take, seconds.

    Raises:
        ConfigurationError: it cannot be imported or made.
    """

    def __init__(self, name: str, threads: int, limit_s: float) -> None:
        self._name, self._threads, self._limit_s = name, threads, limit_s
        self._process = PluginProcess.started(name, threads)
        self._numbers = itertools.count()

    def start(self, image: np.ndarray, box: Box) -> PluginTarget:
        """Give the class a target.

        Args:
            image: HxWx3 uint8 BGR.
            box: the target, edge coordinates.

        Raises:
            InvalidBoxError: as our tracker has it.
            PluginError: it raises, dies or takes too long, or its process is being started again.
        """
        height, width = image.shape[:2]
        validate_box(box, width, height)
        process, number = self._ready_process(), next(self._numbers)
        try:
            process.init(number, image, box, INIT_LIMIT_S)
        except PluginProcessError:
            self._restart()
            raise
        return PluginTarget(process, number, box, _template(image, box))

    def adapt(
        self,
        image: np.ndarray,
        target: PluginTarget,
        settings: AdaptationSettings,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> tuple[PluginTarget, AdaptationReport]:
        """Nothing: the class has no template that is known here."""
        return target, AdaptationReport.skipped("none", "disabled")

    def follow(
        self, image: np.ndarray, targets: Sequence[PluginTarget]
    ) -> list[Found | PluginError]:
        """Where each target is in the next image, or why it cannot be followed any longer.

        Args:
            image: HxWx3 uint8 BGR.
            targets: any number.
        """
        here = [target.number for target in targets if target.process is self._process]
        gone = PluginProcessError(f"{self._name}: its process has ended")
        try:
            answers = iter(self._process.update(here, image, self._limit_s))
        except PluginProcessError as error:
            self._restart()
            answers, gone = iter(()), error
        return [
            _in_sight(next(answers), image) if target.process is self._process else gone
            for target in targets
        ]

    def release(self, target: PluginTarget) -> None:
        """Let what follows a target take another one."""
        if target.process is self._process:
            target.process.release(target.number)

    def close(self) -> None:
        """End the process."""
        self._process.end()

    def _ready_process(self) -> PluginProcess:
        try:
            if self._process.wait_made(0):
                return self._process
        except PluginError:
            self._restart()
            raise
        raise PluginError(f"{self._name}: is being started again, which takes some seconds")

    def _restart(self) -> None:
        """Nobody waits for it: the node goes on meanwhile."""
        self._process.end()
        self._process = PluginProcess(self._name, self._threads)


def _in_sight(found: Found | PluginError, image: np.ndarray) -> Found | PluginError:
    """The box as our tracker gives one, its centre in the image; the score within 0..1."""
    if isinstance(found, PluginError):
        return found
    box, score = found
    height, width = image.shape[:2]
    x, y = (min(max(at, 0.0), end) for at, end in zip(box.center, (width, height), strict=True))
    w, h = min(max(box.w, 1.0), width), min(max(box.h, 1.0), height)
    return Box(x - w / 2, y - h / 2, w, h), min(max(score, 0.0), 1.0)


def _template(image: np.ndarray, box: Box) -> np.ndarray:
    side = context_side(box.w, box.h, _CONTEXT)
    geometry = CropGeometry.square(box.pixel_center, side, _TEMPLATE_PX, corner_aligned=False)
    return crop(image, geometry, mean_color(image)).astype(np.float32)
