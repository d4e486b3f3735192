"""Data sets that training objects are read from."""

from autrack_ros.training.sources.base import DataError, Source, TrainingObject, View

__all__ = ["DataError", "Source", "TrainingObject", "View"]
