"""Make the picture of RViz's layout in the docs: ``python -m autrack_ros.demo.rviz_layout``.

The node runs on a clip, and what it publishes for the last frame is put where the docks of
``config/tracker.rviz`` lie. No RViz is needed; its 3-D view is drawn from the published markers.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import yaml
from ament_index_python.packages import get_package_share_directory
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from autrack_ros.demo.marker_view import MarkerView
from autrack_ros.evaluation.frames import open_frames
from autrack_ros.evaluation.video import upscale_factor
from autrack_ros.messages.images import image_to_bgr
from autrack_ros.msg import AdaptationReport, InitBox
from autrack_ros.node import qos
from autrack_ros.node.outputs.image_messages import bgr_to_image
from autrack_ros.node.program import spin_until
from autrack_ros.replay.environment import prepare_environment
from autrack_ros.replay.processes import Process
from autrack_ros.tracking import Box

_SIZE = (1336, 960)  # width, height: the layout without the column of displays
_DOCKS = {  # left, top, width, height
    "Markers": (0, 0, 464, 960),
    "Overlay": (470, 0, 866, 615),
    "Response heat map": (470, 621, 330, 339),
    "Template": (806, 621, 530, 339),
}
_TITLE_PX = 26
_WINDOW, _TITLE = (52, 52, 52), (84, 84, 84)
_OF_EVERY_FRAME = ("Overlay", "Response heat map", "Markers")
_START_S = 120.0  # PyTorch on a cold disk
_AGAIN_S = 3.0  # without pictures, until an image is sent again


def compose(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Put uint8 BGR pictures into their docks, scaled to fit; 960x1336x3."""
    canvas = np.full((_SIZE[1], _SIZE[0], 3), _WINDOW, np.uint8)
    for name, (left, top, width, height) in _DOCKS.items():
        canvas[top : top + _TITLE_PX, left : left + width] = _TITLE
        origin = (left + 8, top + 18)
        cv2.putText(
            canvas, name, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA
        )
        room = height - _TITLE_PX
        picture = pictures[name]
        scale = min(width / picture.shape[1], room / picture.shape[0])
        size = (int(picture.shape[1] * scale), int(picture.shape[0] * scale))
        filter = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        x, y = left + (width - size[0]) // 2, top + _TITLE_PX + (room - size[1]) // 2
        canvas[y : y + size[1], x : x + size[0]] = cv2.resize(picture, size, interpolation=filter)
    return canvas


def pictures_of(messages: Mapping[str, Any], config: dict[str, Any]) -> dict[str, np.ndarray]:
    """The picture of every dock, from the message that its display shows."""
    _, _, width, height = _DOCKS["Markers"]
    view = MarkerView(config, width, height - _TITLE_PX)
    return {
        name: view.draw(message.markers) if name == "Markers" else image_to_bgr(message)
        for name, message in messages.items()
    }


class Viewer:
    """Camera, operator and RViz in one: sends images and boxes, keeps what displays would show.

    Args:
        node: gets publishers and subscriptions.
        executor: of the node.
        config: of RViz; its displays name the topics.
    """

    def __init__(self, node: Node, executor: Executor, config: dict[str, Any]) -> None:
        self.messages: dict[str, Any] = {}  # the newest by display
        self._node, self._executor = node, executor
        self._adapted: set[str] = set()
        displays = {item["Name"]: item for item in config["Visualization Manager"]["Displays"]}
        self._topics = {name: displays[name]["Topic"]["Value"] for name in _DOCKS}
        self._frame_id = config["Visualization Manager"]["Global Options"]["Fixed Frame"]
        for name, topic in self._topics.items():
            kind = MarkerArray if name == "Markers" else Image
            profile = qos.LATCHED if name == "Template" else qos.RESULT
            node.create_subscription(kind, topic, self._keeper(name), profile)
        node.create_subscription(
            AdaptationReport, "tracker/adaptation", lambda r: self._adapted.add(r.id), qos.STATUS
        )
        self._images = node.create_publisher(Image, "image", qos.COMMAND)
        self._infos = node.create_publisher(CameraInfo, "camera_info", qos.COMMAND)
        self._boxes = node.create_publisher(InitBox, "init_box", qos.COMMAND)

    def wait_for_tracker(self) -> None:
        """Return when the node takes images and boxes and offers all that is to be shown."""
        inputs = (self._images, self._infos, self._boxes)
        found = spin_until(
            self._executor,
            lambda: (
                all(publisher.get_subscription_count() for publisher in inputs)
                and all(self._node.count_publishers(topic) for topic in self._topics.values())
            ),
            _START_S,
        )
        if not found:
            raise TimeoutError(f"no tracker node in {_START_S:g} s")

    def show(self, image: np.ndarray, stamp_s: float, boxes: Mapping[str, Box]) -> None:
        """Send an image and boxes in it; return when the node has published all of it.

        Args:
            image: HxWx3 uint8 BGR.
            stamp_s: its time; above 0.
            boxes: new targets by id; waits for their adaptations as well.
        """
        stamp = Time(nanoseconds=round(stamp_s * 1e9)).to_msg()
        header = Header(stamp=stamp, frame_id=self._frame_id)
        height, width = image.shape[:2]
        focal = float(width)
        k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
        info = CameraInfo(header=header, height=height, width=width, k=k)
        info.distortion_model, info.d = "plumb_bob", [0.0] * 5
        self._infos.publish(info)
        message = bgr_to_image(image, header)
        self._images.publish(message)
        for name, box in boxes.items():
            x, y, w, h = map(float, box)
            self._boxes.publish(InitBox(header=header, id=name, x=x, y=y, width=w, height=h))

        def is_done() -> bool:
            return set(boxes) <= self._adapted if boxes else self._shown(header)

        # The node takes images by best effort: one may be lost, most of all the first.
        while not spin_until(self._executor, is_done, _AGAIN_S):
            self._images.publish(message)

    def _shown(self, header: Header) -> bool:
        def stamp(name: str) -> Any:
            message = self.messages.get(name)
            if name == "Markers":
                message = message.markers[0] if message and message.markers else None
            return None if message is None else message.header.stamp

        return all(stamp(name) == header.stamp for name in _OF_EVERY_FRAME)

    def _keeper(self, name: str) -> Callable[[Any], None]:
        return lambda message: self.messages.update({name: message})


def record(
    frames: Sequence[np.ndarray], period_s: float, targets: Mapping[str, Box], config: dict
) -> dict[str, Any]:
    """Track targets through images with a node of its own; return what the displays show at last.

    Args:
        frames: HxWx3 uint8 BGR.
        period_s: from one to the next.
        targets: boxes in the first image by id. Heat map and template are of the last one.
        config: of RViz.
    """
    *_, selected = targets
    rclpy.init(args=[])
    node = rclpy.create_node("rviz_layout")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Process(
                "autrack_ros.node.tracker_node",
                ["--ros-args", "-p", f"selected_target:='{selected}'"],
                Path(folder) / "tracker_node.log",
            ),
        ):
            viewer = Viewer(node, executor, config)
            viewer.wait_for_tracker()
            for index, frame in enumerate(frames):
                viewer.show(frame, 1 + index * period_s, targets if index == 0 else {})
            return viewer.messages
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def main() -> None:
    """Write the layout at the last frame of a clip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip")
    parser.add_argument("output")
    parser.add_argument("--target", action="append", required=True, metavar="NAME=X,Y,W,H")
    parser.add_argument("--frames", type=int, default=120)
    folder = Path(get_package_share_directory("autrack_ros")) / "config"
    parser.add_argument("--config", type=Path, default=folder / "tracker.rviz")
    arguments = parser.parse_args()
    prepare_environment()
    config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    clip = open_frames(arguments.clip)
    frames = [frame for _, frame in zip(range(arguments.frames), clip, strict=False)]
    factor = upscale_factor(frames[0])
    targets = {}
    for text in arguments.target:
        name, _, box = text.partition("=")
        targets[name] = Box(*(factor * float(value) for value in box.split(",")))
    images = [
        cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        for frame in frames
    ]
    messages = record(images, 1 / (clip.fps or 25.0), targets, config)
    picture = compose(pictures_of(messages, config))
    cv2.imwrite(arguments.output, picture)


if __name__ == "__main__":
    main()
