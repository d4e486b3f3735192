"""Data sets that training objects are read from.

To add one: a class whose constructor takes the folder, with ``name`` and ``objects()`` (``Source``
in ``base``), and a line in ``SOURCE_KINDS``.
"""

from autrack_ros.training.sources.base import DataError, Source, TrainingObject, View
from autrack_ros.training.sources.boxes import Boxes
from autrack_ros.training.sources.coco import Coco
from autrack_ros.training.sources.cutouts import Cutouts
from autrack_ros.training.sources.got10k import Got10k
from autrack_ros.training.sources.lasot import Lasot
from autrack_ros.training.sources.trackingnet import TrackingNet
from autrack_ros.training.sources.vid import ImageNetVid

SOURCE_KINDS: dict[str, type] = {
    "boxes": Boxes,
    "coco": Coco,
    "cutouts": Cutouts,
    "got10k": Got10k,
    "lasot": Lasot,
    "trackingnet": TrackingNet,
    "vid": ImageNetVid,
}

__all__ = ["SOURCE_KINDS", "DataError", "Source", "TrainingObject", "View"]
