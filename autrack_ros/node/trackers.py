"""Which tracker the node runs: ours, or anybody's by the name of its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autrack_ros.evaluation.plugin import plugin_file
from autrack_ros.evaluation.plugin_process import PluginError
from autrack_ros.node.plugin_engine import PluginEngine
from autrack_ros.node.plugin_follower import PluginFollower, PluginFrame
from autrack_ros.tracking import (
    AdaptationReport,
    AdaptationSettings,
    Box,
    FollowedFrame,
    Follower,
    PresenceSettings,
    TrackingEngine,
    load_engine,
)

OURS = "autrack"
Frame = FollowedFrame | PluginFrame
Frames = Mapping[str, Frame | PluginError]  # by target; an error ends one


class StartedTarget(Protocol):
    """What the node shows of a target."""

    @property
    def box(self) -> Box:
        """Where it was found last, edge coordinates."""

    @property
    def template(self) -> np.ndarray:
        """What it was started with, S x S x 3 float32 BGR, 0..255."""

    @property
    def adapted_template(self) -> np.ndarray:
        """The same after its adaptation."""


class Engine(Protocol):
    """What computes: ``TrackingEngine`` or ``PluginEngine``."""

    def start(self, image: np.ndarray, box: Box) -> Any:
        """A target."""

    def adapt(
        self,
        image: np.ndarray,
        target: Any,
        settings: AdaptationSettings,
        should_cancel: Callable[[], bool],
    ) -> tuple[Any, AdaptationReport]:
        """The target with its template adapted, and what was done."""


class TargetFollower(Protocol):
    """What follows targets by name: ``Follower`` or ``PluginFollower``."""

    settings: PresenceSettings

    @property
    def names(self) -> tuple[str, ...]:
        """The targets, in the order they were put."""

    def __getitem__(self, name: str) -> StartedTarget:
        """One where it was found last."""

    def put(self, name: str, target: Any, image: np.ndarray) -> None:
        """Follow one of the engine's targets, started in an image."""

    def retouch(self, name: str, adapted: Any) -> None:
        """Give one the template that was adapted."""

    def hand_over(self, name: str, other: Any) -> None:
        """Let another follower of this kind go on with one."""

    def drop(self, name: str) -> None:
        """Follow it no longer."""

    def follow(self, image: np.ndarray) -> Frames:
        """Find all in the next image, HxWx3 uint8 BGR."""


@dataclass(frozen=True, slots=True)
class NodeTracker:
    """A tracker that is loaded.

    Attributes:
        name: the preset of ours, module:Class of another.
        device: cpu, cuda or cuda:N; None: only the class knows.
        runtime: what computes a frame.
        engine: of all its targets.
        follower: makes what follows some of them.
        close: ends what it holds besides memory.
        free_memory: gives a device's memory back, once nothing holds the tracker any more.
    """

    name: str
    device: str | None
    runtime: str
    engine: Engine
    follower: Callable[[PresenceSettings], TargetFollower]
    close: Callable[[], None] = lambda: None
    free_memory: Callable[[], None] = lambda: None


def our_tracker(engine: TrackingEngine) -> NodeTracker:
    """Ours, with this engine."""

    def follower(settings: PresenceSettings) -> Follower:
        return Follower(engine, settings)

    runtime = engine.runtime
    return NodeTracker(
        engine.preset.name,
        runtime.device,
        f"{runtime.name} {runtime.precision}",
        engine,
        follower,
        free_memory=runtime.free_memory,
    )


def plugin_tracker(name: str, threads: int, limit_s: float) -> NodeTracker:
    """Anybody's, see ``PluginEngine``."""
    plugin_file(name)  # tells a wrong name better
    engine = PluginEngine(name, threads, limit_s)

    def follower(settings: PresenceSettings) -> PluginFollower:
        return PluginFollower(engine, settings)

    return NodeTracker(name, None, "a process of its own", engine, follower, engine.close)


def load_tracker(parameter: Callable[[str], Any], threads: int) -> NodeTracker:
    """The tracker that the parameters name.

    Args:
        parameter: gives the value of one.
        threads: of the processor.

    Raises:
        AutrackError: it cannot be had; says why.
    """
    name = parameter("tracker")
    if name != OURS:
        return plugin_tracker(name, threads, parameter("tracker_timeout"))
    return our_tracker(
        load_engine(
            parameter("preset"),
            parameter("checkpoint") or None,
            parameter("device"),
            parameter("runtime"),
            parameter("precision"),
        )
    )
