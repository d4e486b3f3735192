"""Stand-ins for message packages that no wheel has, with the fields of the real ones."""

from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace
from typing import Any

from builtin_interfaces.msg import Time
from std_msgs.msg import Header


def _kind(name: str, constants: dict[str, int] | None = None, /, **defaults: Any) -> type:
    """Make a class that takes these fields as keywords only, as messages do."""
    fields = [
        (field, Any, dataclasses.field(default_factory=lambda value=value: copy.deepcopy(value)))
        for field, value in defaults.items()
    ]
    return dataclasses.make_dataclass(
        name, fields, kw_only=True, slots=True, namespace=constants or {}
    )


def vision_msgs() -> SimpleNamespace:
    """vision_msgs.msg of version 4."""
    point = _kind("Point2D", x=0.0, y=0.0)
    pose = _kind("Pose2D", position=point(), theta=0.0)
    box = _kind("BoundingBox2D", center=pose(), size_x=0.0, size_y=0.0)
    hypothesis = _kind("ObjectHypothesis", class_id="", score=0.0)
    result = _kind("ObjectHypothesisWithPose", hypothesis=hypothesis())
    detection = _kind("Detection2D", header=Header(), results=[], bbox=box(), id="")
    return SimpleNamespace(
        ObjectHypothesisWithPose=result,
        Detection2D=detection,
        Detection2DArray=_kind("Detection2DArray", header=Header(), detections=[]),
    )


def foxglove_msgs(with_timestamp: bool = True) -> SimpleNamespace:
    """foxglove_msgs.msg; its ImageAnnotations got a timestamp of their own in a later version."""
    point = _kind("Point2", x=0.0, y=0.0)
    color = _kind("Color", r=0.0, g=0.0, b=0.0, a=0.0)
    own = {"timestamp": Time()} if with_timestamp else {}
    return SimpleNamespace(
        Point2=point,
        Color=color,
        PointsAnnotation=_kind(
            "PointsAnnotation",
            {"LINE_LOOP": 2},
            timestamp=Time(),
            type=0,
            points=[],
            outline_color=color(),
            outline_colors=[],
            fill_color=color(),
            thickness=0.0,
        ),
        TextAnnotation=_kind(
            "TextAnnotation",
            timestamp=Time(),
            position=point(),
            text="",
            font_size=0.0,
            text_color=color(),
            background_color=color(),
        ),
        ImageAnnotations=_kind("ImageAnnotations", circles=[], points=[], texts=[], **own),
    )


def tf2_msgs() -> SimpleNamespace:
    """tf2_msgs.msg."""
    return SimpleNamespace(TFMessage=_kind("TFMessage", transforms=[]))
