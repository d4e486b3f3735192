"""The tracker: SiamFC++ with adversarial template adaptation, on arrays and tensors; no ROS.

What computes is loaded when it is first asked for: programs that only know boxes and errors, such
as the page's server, start without PyTorch, in a fraction of its time and memory.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autrack_ros.tracking.boxes import Box, iou, validate_box
from autrack_ros.tracking.errors import (
    AutrackError,
    CheckpointError,
    ConfigurationError,
    DeviceError,
    InvalidBoxError,
    InvalidImageError,
)

if TYPE_CHECKING:
    from autrack_ros.tracking.adaptation import AdaptationReport, AdaptationSettings
    from autrack_ros.tracking.engine import TrackingEngine, TrackResult
    from autrack_ros.tracking.follower import FollowedFrame, Follower
    from autrack_ros.tracking.presence import PresenceSettings, TrackState
    from autrack_ros.tracking.presets import DEFAULT_PRESET, PRESETS, Preset, TrackerSettings
    from autrack_ros.tracking.target import Target
    from autrack_ros.tracking.tracker import Tracker, load_engine, load_tracker, resolve_device

# Those that need no PyTorch come first: a name is looked for in this order.
_COMPUTING = ("presence", "presets", "adaptation", "engine", "follower", "target", "tracker")

__all__ = [
    "DEFAULT_PRESET",
    "PRESETS",
    "AdaptationReport",
    "AdaptationSettings",
    "AutrackError",
    "Box",
    "CheckpointError",
    "ConfigurationError",
    "DeviceError",
    "FollowedFrame",
    "Follower",
    "InvalidBoxError",
    "InvalidImageError",
    "PresenceSettings",
    "Preset",
    "Target",
    "TrackResult",
    "TrackState",
    "Tracker",
    "TrackerSettings",
    "TrackingEngine",
    "iou",
    "load_engine",
    "load_tracker",
    "resolve_device",
    "validate_box",
]


def __getattr__(name: str) -> Any:
    """Load a name of the modules that compute."""
    if name in __all__:
        for module in (import_module(f"{__name__}.{part}") for part in _COMPUTING):
            if name in vars(module):
                globals()[name] = vars(module)[name]
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
