"""The message types of bags: those of ROS 2, of this package and of vision_msgs."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from autrack_ros.evaluation.frames import SourceError

# vision_msgs 4, of Humble and later. Bags of Humble hold no definitions.
_VISION_MSGS = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\n"
    "geometry_msgs/PoseWithCovariance pose",
    "Detection2D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
    "vision_msgs/BoundingBox2D bbox\nstring id",
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
}


@cache
def message_types() -> Typestore:
    """All known message types.

    Raises:
        SourceError: the definitions of this package's messages are not found.
    """
    types = get_typestore(Stores.ROS2_HUMBLE)
    definitions = {f"vision_msgs/msg/{name}": text for name, text in _VISION_MSGS.items()}
    for file in sorted(_message_folder().glob("*.msg")):
        definitions[f"autrack_ros/msg/{file.stem}"] = file.read_text(encoding="utf-8")
    for name, text in definitions.items():
        types.register(get_types_from_msg(text, name))
    return types


def new_message(name: str, /, **fields: Any) -> Any:
    """A message of a type such as ``std_msgs/msg/Header``; fields not given are zero or empty."""
    types = message_types()
    _, definition = types.fielddefs[name]
    zeros = {field: _zero(kind) for field, kind in definition if field not in fields}
    return types.types[name](**zeros, **fields)


def constants(message: str) -> dict[str, Any]:
    """Constants of a message type, by name."""
    return {name: value for name, _, value in message_types().fielddefs[message][0]}


def _zero(kind: Any) -> Any:
    node, detail = kind
    if node is Nodetype.NAME:
        return new_message(detail)
    if node is Nodetype.BASE:
        return {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}.get(detail[0], 0)
    (item, item_detail), length = detail
    if item is Nodetype.BASE and item_detail[0] != "string":
        return np.zeros(length, item_detail[0])
    return [_zero((item, item_detail)) for _ in range(length)]


def _message_folder() -> Path:
    """Where the definitions lie: in the tree, or where the package is installed."""
    sourced = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    folders = [
        Path(__file__).parents[3] / "msg",
        *(Path(prefix) / "share" / "autrack_ros" / "msg" for prefix in (*sourced, sys.prefix)),
    ]
    for folder in folders:
        if (folder / "InitBox.msg").is_file():
            return folder
    looked = ", ".join(map(str, folders))
    raise SourceError(f"the messages of autrack_ros (InitBox.msg) are in none of {looked}")
