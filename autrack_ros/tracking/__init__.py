"""The tracker: SiamFC++ with adversarial template adaptation, on arrays and tensors; no ROS."""

from autrack_ros.tracking.adaptation import AdaptationReport, AdaptationSettings
from autrack_ros.tracking.boxes import Box, iou, validate_box
from autrack_ros.tracking.errors import (
    AutrackError,
    CheckpointError,
    ConfigurationError,
    DeviceError,
    InvalidBoxError,
    InvalidImageError,
)
from autrack_ros.tracking.presets import DEFAULT_PRESET, PRESETS, Preset, TrackerSettings
from autrack_ros.tracking.tracker import Tracker, TrackResult, load_tracker, resolve_device

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
    "InvalidBoxError",
    "InvalidImageError",
    "Preset",
    "TrackResult",
    "Tracker",
    "TrackerSettings",
    "iou",
    "load_tracker",
    "resolve_device",
    "validate_box",
]
