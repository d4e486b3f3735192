"""The parameters of the tracker node: one table, from which they are declared and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from autrack_ros.node.inputs.transports import TRANSPORTS
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    PRESETS,
    AdaptationSettings,
    ConfigurationError,
    PresenceSettings,
)
from autrack_ros.tracking.adaptation import LOSSES, METHODS
from autrack_ros.tracking.runtimes import PRECISIONS, RUNTIMES

ADAPTATION_PREFIX = "adaptation."
PRESENCE_PREFIX = "presence."
_LARGEST = 1e9  # rclpy's ranges have two ends


@dataclass(frozen=True, slots=True)
class TrackerParameter:
    """A row of the table.

    Attributes:
        name: with dots, as ROS shows it.
        default: its type is the parameter's.
        description: what it does.
        unit: of the value, empty where it has none.
        range: smallest and largest value.
        choices: accepted names, empty where any text is accepted.
        read_only: only a restart changes it.
    """

    name: str
    default: str | bool | int | float
    description: str
    unit: str = ""
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False

    @property
    def descriptor(self) -> ParameterDescriptor:
        """What ``ros2 param describe`` shows and rclpy enforces."""
        descriptor = ParameterDescriptor(
            description=self.description + (f" [{self.unit}]" if self.unit else ""),
            additional_constraints=f"one of {', '.join(self.choices)}" if self.choices else "",
            read_only=self.read_only,
        )
        if self.range is None:
            return descriptor
        low, high = self.range
        if isinstance(self.default, int):
            descriptor.integer_range = [
                IntegerRange(from_value=int(low), to_value=int(high), step=1)
            ]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high))
            ]
        return descriptor


def _adaptation(
    name: str,
    description: str,
    unit: str = "",
    range: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> TrackerParameter:
    """Make a row of the template adaptation; its default is that of the tracker layer."""
    default = getattr(AdaptationSettings(), name)
    return TrackerParameter(ADAPTATION_PREFIX + name, default, description, unit, range, choices)


def _presence(name: str, description: str, range: tuple[float, float]) -> TrackerParameter:
    """Make a row of the thresholds of a target's state, as ``_adaptation`` does."""
    default = getattr(PresenceSettings(), name)
    return TrackerParameter(PRESENCE_PREFIX + name, default, description, range=range)


PARAMETERS = (
    TrackerParameter(
        "tracker",
        "autrack",
        "autrack, or another tracker as module:Class, which alone knows its model and device",
        read_only=True,
    ),
    TrackerParameter(
        "tracker_timeout",
        5.0,
        "Longest time that another tracker may take for a target in an image",
        "s",
        range=(0.01, 600),
        read_only=True,
    ),
    TrackerParameter(
        "preset",
        DEFAULT_PRESET,
        "Network, weights and tracker settings; `autrack models` lists them",
        choices=tuple(PRESETS),
        read_only=True,
    ),
    TrackerParameter(
        "checkpoint", "", "Weights file; empty: the one shipped for the preset", read_only=True
    ),
    TrackerParameter(
        "device", "auto", "Where the network runs: auto, cpu, cuda or cuda:N", read_only=True
    ),
    TrackerParameter(
        "runtime",
        "auto",
        "What computes; auto: OpenVINO on a CPU for the project's own models, else torch",
        choices=RUNTIMES,
        read_only=True,
    ),
    TrackerParameter(
        "precision",
        "f32",
        "In which a frame is computed; bf16: in OpenVINO, where the processor has it",
        choices=PRECISIONS,
        read_only=True,
    ),
    TrackerParameter(
        "threads",
        0,
        "Processor threads of the network; 0: half of the cores, for a robot has other work",
        range=(0, 256),
        read_only=True,
    ),
    TrackerParameter(
        "autostart",
        True,
        "Configure and activate at the start; false: wait for a lifecycle manager",
        read_only=True,
    ),
    TrackerParameter(
        "image_transport",
        "raw",
        "raw: sensor_msgs/Image on image; compressed: CompressedImage on image/compressed",
        choices=tuple(TRANSPORTS),
        read_only=True,
    ),
    TrackerParameter(
        "image_buffer.seconds",
        5.0,
        "Recent images kept for boxes drawn on past ones: longest time",
        "s",
        range=(0, 60),
        read_only=True,
    ),
    TrackerParameter(
        "image_buffer.megabytes",
        256,
        "Recent images kept for boxes drawn on past ones: most memory",
        "MB",
        range=(0, 100_000),
        read_only=True,
    ),
    TrackerParameter(
        "image_buffer.tolerance",
        0.02,
        "Largest difference between the stamps of a box and of its image",
        "s",
        range=(0, 10),
    ),
    TrackerParameter("max_targets", 8, "Targets followed at once, at most", range=(1, 64)),
    TrackerParameter(
        "selected_target", "", "Target on ~/track and the heat map; empty or unknown: the first"
    ),
    TrackerParameter(
        "marker_depth",
        1.0,
        "Length of the view rays on ~/markers where the distance is not known",
        "m",
        range=(0.001, 1000),
    ),
    TrackerParameter(
        "depth.tolerance",
        0.05,
        "Largest difference between the stamps of an image and of its depth",
        "s",
        range=(0, 10),
    ),
    TrackerParameter(
        "motion.prediction",
        0.5,
        "Longest time for which a target's motion is carried on without seeing it",
        "s",
        range=(0, 10),
    ),
    TrackerParameter(
        "publish_tf",
        False,
        "Publish a frame <node>/<id> on /tf for every target with a position",
        read_only=True,
    ),
    TrackerParameter(
        "detections.class_id", "", "Class taken from init_detections; empty: any of them"
    ),
    TrackerParameter(
        "detections.take_all",
        False,
        "Take every such detection; false: the one with the best score",
    ),
    _presence(
        "lost_score",
        "A frame with a lower score speaks for LOST, with a higher one against it; less for a "
        "target that scores below 0.8 from the start",
        range=(0, 1),
    ),
    _presence("lost_frames", "So many in a row with scores near 0 are LOST", range=(1, 1000)),
    _presence(
        "tracking_score",
        "From this score on TRACKING, if not in doubt (`doubt_frames`); below it UNCERTAIN",
        range=(0, 1),
    ),
    _presence(
        "found_score",
        "A find elsewhere takes a LOST target back from this score on: of its first frame and of "
        "the mean of `found_frames`",
        range=(0, 1),
    ),
    _presence(
        "found_frames", "So many in a row, each near the one before, take it back", range=(1, 1000)
    ),
    _presence(
        "search_after",
        "So many images a LOST target is looked for where it was, and then all over the image",
        range=(0, 100_000),
    ),
    _presence(
        "doubt_frames",
        "So many images a target is UNCERTAIN once it may have been swapped for a look-alike: one "
        "responded nearly as strongly, and the box left the target's course; 0: never",
        range=(0, 100_000),
    ),
    _adaptation(
        "method", "How the template is moved; none switches the adaptation off", choices=METHODS
    ),
    _adaptation("steps", "Steps of the adaptation", range=(0, 1000)),
    _adaptation("step_size", "Change of a pixel in a step", "grey levels", range=(0, 255)),
    _adaptation("epsilon", "Largest change of a pixel", "grey levels", range=(0, 255)),
    _adaptation("loss", "Loss that is lowered: the network's own or that of MTP", choices=LOSSES),
    _adaptation("support_crops", "Crops of the first image the loss is taken on", range=(1, 64)),
    _adaptation(
        "support_shift",
        "Range of their shift",
        "fraction of the search region's side",
        range=(0, 0.25),
    ),
    _adaptation("support_scale", "Range of the logarithm of their scale", range=(0, 0.5)),
    _adaptation("seed", "Of the support crops and of pgd's start", range=(0, 2**31 - 1)),
    _adaptation(
        "budget_ms", "Time after which the adaptation stops; 0: no limit", "ms", (0, _LARGEST)
    ),
    _adaptation(
        "min_target_side",
        "A target with a shorter side is tracked but not adapted",
        "px",
        (0, _LARGEST),
    ),
    _adaptation("hypotheses", "Search with the template as cut, too: it decides, both place edges"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters that may change while the node runs; see ``PARAMETERS``."""

    adaptation: AdaptationSettings
    presence: PresenceSettings
    max_targets: int
    selected_target: str
    tolerance_ns: int
    marker_depth: float
    depth_tolerance_ns: int
    prediction_ns: int
    class_id: str
    take_all: bool


def declare_parameters(node: Node, on_change: Callable[[Settings], None]) -> Settings:
    """Declare every parameter, refuse wrong values from now on with a reason, and tell of changes.

    Args:
        node: gets the parameters.
        on_change: called with the settings of every change that is accepted. (Humble has no
            callback after a change; the one that refuses comes after all other checks.)

    Returns:
        the settings at the start.

    Raises:
        ConfigurationError: a value given at the start is wrong.
        rclpy.exceptions.ParameterException: a value given at the start has the wrong type or is
            out of its range.
    """
    for row in PARAMETERS:
        node.declare_parameter(row.name, row.default, row.descriptor)
    settings = read_settings(node)

    def check(changes: list[Parameter]) -> SetParametersResult:
        try:
            on_change(read_settings(node, changes))
        except ConfigurationError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
    return settings


def read_settings(node: Node, changes: Iterable[Parameter] = ()) -> Settings:
    """Read the settings from the node, as they would be after the changes.

    Raises:
        ConfigurationError: names the setting, its value and what is accepted.
    """
    names = [row.name for row in PARAMETERS]
    values = {parameter.name: parameter.value for parameter in node.get_parameters(names)}
    values |= {parameter.name: parameter.value for parameter in changes}

    def group(kind: type, prefix: str) -> Any:
        return kind(**{field.name: values[prefix + field.name] for field in fields(kind)})

    return Settings(
        adaptation=group(AdaptationSettings, ADAPTATION_PREFIX),
        presence=group(PresenceSettings, PRESENCE_PREFIX),
        max_targets=values["max_targets"],
        selected_target=values["selected_target"],
        tolerance_ns=round(values["image_buffer.tolerance"] * 1e9),
        marker_depth=values["marker_depth"],
        depth_tolerance_ns=round(values["depth.tolerance"] * 1e9),
        prediction_ns=round(values["motion.prediction"] * 1e9),
        class_id=values["detections.class_id"],
        take_all=values["detections.take_all"],
    )
