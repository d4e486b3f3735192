"""The tracker: SiamFC++ with adversarial template adaptation, on arrays; no ROS, no PyTorch.

PyTorch is loaded where something asks for what needs it: CUDA, or one of the official networks.
"""

from autrack_ros.tracking.adaptation import AdaptationReport, AdaptationSettings
from autrack_ros.tracking.boxes import Box, iou, validate_box
from autrack_ros.tracking.engine import TrackingEngine, TrackResult
from autrack_ros.tracking.errors import (
    AutrackError,
    CheckpointError,
    ConfigurationError,
    DeviceError,
    InvalidBoxError,
    InvalidImageError,
)
from autrack_ros.tracking.follower import FollowedFrame, Follower
from autrack_ros.tracking.presence import PresenceSettings, TrackState
from autrack_ros.tracking.presets import DEFAULT_PRESET, PRESETS, Preset, TrackerSettings
from autrack_ros.tracking.runtimes import resolve_device
from autrack_ros.tracking.target import Target
from autrack_ros.tracking.tracker import Tracker, load_engine, load_tracker

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
