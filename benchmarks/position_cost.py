"""What depth, poses, frames and markers cost an image, beside the same image without them.

    AMENT_PREFIX_PATH=$PWD/.venv .venv/bin/python -m benchmarks.position_cost [--rounds 300]

640x480, pinhole with distortion, 1 and 8 targets of 96 pixels with response maps. Everything that
the node does for them is done in this process, with real publishers that somebody subscribes to.
With and without have their turns in every round. No wheel has tf2_msgs: the frames are made, and
published as a MultiDOFJointState, which holds names and transforms as well.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import rclpy
from autrack_ros.msg import Aim
from geometry_msgs.msg import PointStamped, PoseStamped, PoseWithCovarianceStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, MultiDOFJointState
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from autrack_ros.drawing import Trail
from autrack_ros.node import qos
from autrack_ros.node.inputs.depth import DepthImages
from autrack_ros.node.outputs.aim import Aims
from autrack_ros.node.outputs.image_messages import millimeters_to_image
from autrack_ros.node.outputs.markers import MarkedTarget, TargetMarkers
from autrack_ros.node.outputs.output import Topics
from autrack_ros.node.outputs.poses import Poses
from autrack_ros.node.outputs.results import Counts, Results
from autrack_ros.node.outputs.transforms import Transforms
from autrack_ros.node.positions import Located, Positions
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.replay.environment import prepare_environment
from autrack_ros.tracking import Box, TrackResult, TrackState
from benchmarks.machine import describe_machine

SIZE = (640, 480)
SETTINGS: Any = SimpleNamespace(depth_tolerance_ns=0, prediction_ns=500_000_000)
INFO = CameraInfo(
    width=640,
    height=480,
    distortion_model="plumb_bob",
    d=[-0.05, 0.01, 0.0, 0.0, 0.0],
    k=[520.0, 0.0, 319.5, 0.0, 520.0, 239.5, 0.0, 0.0, 1.0],
)
BOXES = [Box(x, y, 96, 96) for y in (100, 284) for x in (32, 192, 352, 512)]
WARM_UP = 20  # rounds


def targets(count: int) -> list[TrackedTarget]:
    """Targets that are followed."""
    response = np.random.default_rng(0).random((16, 16), np.float32)
    made = []
    for index, box in enumerate(BOXES[:count]):
        to_image = np.array([[24.0, 0, box.center[0] - 180], [0, 24.0, box.center[1] - 180]])
        result = TrackResult(box, 0.9, response, to_image, *[response] * 2, 0.9, 0.1, 9.0)
        made.append(
            TrackedTarget(
                str(index), TrackState.TRACKING, False, box, box, 0.9, result, 0.0, Trail()
            )
        )
    return made


def header(number: int) -> Header:
    """Of an image, 33 ms after the one before."""
    made = Header(frame_id="camera")
    made.stamp.sec, made.stamp.nanosec = divmod(10**9 + number * 33_000_000, 10**9)
    return made


class Frames:
    """A publisher of a stand-in for tf2_msgs/TFMessage."""

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(MultiDOFJointState, "/frames", qos.TRANSFORM)
        node.create_subscription(MultiDOFJointState, "/frames", lambda message: None, 1)

    def publish(self, message: Any) -> None:
        """Publish its frames."""
        frames = message.transforms
        self._publisher.publish(
            MultiDOFJointState(
                header=frames[0].header,
                joint_names=[frame.child_frame_id for frame in frames],
                transforms=[frame.transform for frame in frames],
            )
        )


class WithFrames(Topics):
    """Topics, with the stand-in for TF."""

    def make(self, kind: Any, topic: str, profile: Any) -> Any:
        """A publisher."""
        return Frames(self.node) if topic == "/tf" else super().make(kind, topic, profile)


def milliseconds(act: Callable[[], Any]) -> tuple[float, Any]:
    """Time of a call, of the processor, and what it returned."""
    started = time.thread_time()
    value = act()
    return (time.thread_time() - started) * 1e3, value


def located(rounds: int, count: int) -> tuple[float, float, dict[str, Located]]:
    """Median ms of locating without and with depth, and the last places."""
    depth, without = DepthImages(), DepthImages()
    shown, plain, placed = targets(count), [], []
    ours, theirs = (Positions(each, lambda *event: None) for each in (depth, without))
    values = (2000 + np.random.default_rng(0).normal(0, 10, SIZE[::-1])).astype(np.uint16)
    found: dict[str, Located] = {}
    for number in range(rounds + WARM_UP):
        head = header(number)
        depth.add(millimeters_to_image(values, head))
        ms, _ = milliseconds(lambda: theirs.locate(head, SIZE, shown, INFO, SETTINGS))  # noqa: B023
        plain.append(ms)
        ms, found = milliseconds(lambda: ours.locate(head, SIZE, shown, INFO, SETTINGS))  # noqa: B023
        placed.append(ms)
    return (*(statistics.median(each[WARM_UP:]) for each in (plain, placed)), found)


def published(node: Node, rounds: int, places: dict[str, Located]) -> tuple[float, float]:
    """Median ms of poses, frames and angles, and of markers, all of them watched."""
    optional: Any = SimpleNamespace(
        find=lambda topic, package: SimpleNamespace(TFMessage=SimpleNamespace)
    )
    topics = WithFrames(node, optional, publish_tf=True)
    outputs = [output(topics) for output in (Transforms, Aims, Poses)]
    watched = {
        "~/pose": PoseStamped,
        "~/pose_with_covariance": PoseWithCovarianceStamped,
        "~/point": PointStamped,
        "~/aim": Aim,
        "~/markers": MarkerArray,
    }
    for topic, kind in watched.items():
        node.create_subscription(kind, topic, lambda message: None, 1)
    marker_publisher = topics.make(MarkerArray, "~/markers", qos.RESULT)
    markers = TargetMarkers()
    time.sleep(1.0)  # until the ends have found each other
    shown = [
        MarkedTarget(name, box, (0, 0, 255), float(np.linalg.norm(places[name].measured_m)))
        for name, box in zip(places, BOXES, strict=False)
    ]
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + WARM_UP):
        head = header(number)
        results = Results(head, (), places, {}, "0", Counts(number, 0, 0.0), INFO)
        times[0].append(milliseconds(lambda: [each.publish(results) for each in outputs])[0])  # noqa: B023
        times[1].append(
            milliseconds(
                lambda: marker_publisher.publish(markers.update(head, INFO, shown, 1.0))  # noqa: B023
            )[0]
        )
    return statistics.median(times[0][WARM_UP:]), statistics.median(times[1][WARM_UP:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    prepare_environment(alone=True)
    rclpy.init(args=[])
    node = Node("position_cost")
    print(f"{describe_machine()}; processor time of one thread\n")
    print(
        "| targets | locate, ms | with depth, ms | depth a target | poses, frames, aim | markers |"
    )
    print("|---|---|---|---|---|---|")
    for count in (1, 8):
        plain, placed, places = located(rounds, count)
        poses_ms, markers_ms = published(node, rounds, places)
        each = (placed - plain) / count
        print(
            f"| {count} | {plain:.2f} | {placed:.2f} | {each:.2f} | {poses_ms:.2f} "
            f"| {markers_ms:.2f} |"
        )
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
