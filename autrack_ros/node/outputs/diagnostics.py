"""The node's health on ``/diagnostics``, as diagnostic_updater publishes it.

diagnostic_updater itself is in no base installation, and a whole updater is not needed for one
status.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from autrack_ros.node.frame_statistics import FrameSummary, Percentiles

TOPIC = "/diagnostics"  # absolute by convention: one topic for the whole robot
PERIOD_S = 1.0
NO_IMAGE_S = 5.0
HIGH_DROPPED_SHARE = 0.1
FRESH_ERROR_S = 10.0
STATUS_NAME = "tracking"


@dataclass(frozen=True, slots=True)
class Health:
    """What the node knows of itself at this moment.

    Attributes:
        frames: rates, latencies and drops.
        image_topic: resolved name.
        waiting_s: how long the node has taken images, seconds; None while it takes none (inactive,
            disabled), which is no fault.
        device: as torch names it; of the hardware it is what a technician would look at.
        model: name of the preset.
        runtime: what computes a frame.
        targets: state by target id.
        depth: whether depth images have come.
        depth_problem: why a target's position is not measured; empty while all are.
        process_memory_mb: resident memory, MB; None if unknown.
        gpu_memory_mb: memory of the GPU, MB; None without a GPU.
        error: the last one, empty if there was none.
        error_age_s: since then, seconds.
    """

    frames: FrameSummary
    image_topic: str
    waiting_s: float | None
    device: str
    model: str
    runtime: str
    targets: Mapping[str, str] = field(default_factory=dict)
    depth: bool = False
    depth_problem: str = ""
    process_memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    error: str = ""
    error_age_s: float = math.inf


def judge(health: Health) -> tuple[bytes, str]:
    """Return the level, and every reason for it or, if all is well, what the node does.

    ERROR: no image for ``NO_IMAGE_S``, or an error in the last ``FRESH_ERROR_S`` since which no
    image was processed. WARN: such an error since which images were processed, a target whose
    position is not measured although depth images come, or more than ``HIGH_DROPPED_SHARE`` of the
    images dropped.
    """
    frames = health.frames
    reasons: list[tuple[bytes, str]] = []
    if health.waiting_s is not None:
        without_image_s = min(health.waiting_s, frames.image_age_s)
        if without_image_s >= NO_IMAGE_S:
            reasons.append(
                (
                    DiagnosticStatus.ERROR,
                    f"no image on {health.image_topic} for {without_image_s:.0f} s",
                )
            )
    if health.error and health.error_age_s < FRESH_ERROR_S:
        recovered = frames.track_age_s < health.error_age_s
        level = DiagnosticStatus.WARN if recovered else DiagnosticStatus.ERROR
        reasons.append((level, f"{health.error_age_s:.0f} s ago: {health.error}"))
    if health.depth_problem:
        reasons.append((DiagnosticStatus.WARN, f"no position: {health.depth_problem}"))
    if frames.dropped_share > HIGH_DROPPED_SHARE:
        reasons.append(
            (
                DiagnosticStatus.WARN,
                f"{frames.dropped_share:.0%} of the images dropped in the "
                f"last {frames.window_s:g} s",
            )
        )
    if not reasons:
        return DiagnosticStatus.OK, _activity(health)
    return max(level for level, _ in reasons), "; ".join(reason for _, reason in reasons)


def status_message(node_name: str, health: Health) -> DiagnosticStatus:
    """Make the status "node_name: tracking" with its values."""
    level, message = judge(health)
    return DiagnosticStatus(
        level=level,
        name=f"{node_name}: {STATUS_NAME}",
        message=message,
        hardware_id=health.device,
        values=[KeyValue(key=key, value=value) for key, value in _values(health).items()],
    )


class DiagnosticsPublisher:
    """Publish the health of a node once a second, from its executor.

    Two nodes of one name differ in their namespace, so the status carries it: "robot1/tracker:
    tracking"; without a namespace it is "tracker: tracking".

    Args:
        node: it gets the publisher and the timer.
        collect: called in the executor's thread; must return at once.
    """

    def __init__(self, node: Node, collect: Callable[[], Health]) -> None:
        self._node = node
        self._collect = collect
        self._publisher = node.create_publisher(DiagnosticArray, TOPIC, 1)
        # Steady: a simulated time that stands still is a fault that should be reported, too.
        node.create_timer(PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publish now, out of turn."""
        name = self._node.get_fully_qualified_name().lstrip("/")
        message = DiagnosticArray(status=[status_message(name, self._collect())])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def _activity(health: Health) -> str:
    if health.waiting_s is None:
        return "inactive"
    if not math.isfinite(health.frames.image_age_s):
        return f"waiting for images on {health.image_topic}"
    if not health.targets:
        return "no targets"
    states = list(health.targets.values())
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    return f"{len(states)} target{'s' * (len(states) > 1)}: {counts}"


def _values(health: Health) -> dict[str, str]:
    frames = health.frames
    return {
        "Image rate (Hz)": _shown(frames.image_rate_hz),
        "Track rate (Hz)": _shown(frames.track_rate_hz),
        **_shown_percentiles("Latency", frames.latency_ms),
        "Processing p50 (ms)": _shown(frames.processing_ms.p50),
        f"Images dropped in {frames.window_s:g} s": str(frames.dropped),
        "Images dropped": str(frames.dropped_total),
        "Images left out": str(frames.left_out_total),
        "Device": health.device,
        "Memory (MB)": _shown(health.process_memory_mb),
        "GPU memory (MB)": _shown(health.gpu_memory_mb),
        "Model": health.model,
        "Runtime": health.runtime,
        "Targets": str(len(health.targets)),
        "Depth": (health.depth_problem or "used") if health.depth else "none",
        **{f"Target {name}": state for name, state in health.targets.items()},
        "Last error": health.error or "none",
    }


def _shown_percentiles(name: str, values: Percentiles) -> dict[str, str]:
    return {
        f"{name} p50 (ms)": _shown(values.p50),
        f"{name} p95 (ms)": _shown(values.p95),
        f"{name} p99 (ms)": _shown(values.p99),
    }


def _shown(value: float | None) -> str:
    return "none" if value is None or not math.isfinite(value) else f"{value:.1f}"
