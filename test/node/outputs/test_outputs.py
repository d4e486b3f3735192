"""What is published of an image, and only to whom it may interest; on publishers that record."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import message_stand_ins
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Track
from rclpy.clock import ROSClock
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from autrack_ros.drawing import Trail
from autrack_ros.node.outputs import outputs
from autrack_ros.node.outputs.output import Output
from autrack_ros.node.outputs.outputs import OUTPUTS, Outputs
from autrack_ros.node.outputs.results import Counts, unusable, usable
from autrack_ros.node.positions import Located
from autrack_ros.node.target_reports import TrackedTarget
from autrack_ros.tracking import Box, TrackState
from autrack_ros.tracking.engine import TrackResult

HEADER = Header(frame_id="camera_optical")
IMAGE = np.full((120, 160, 3), 90, np.uint8)
INFO = CameraInfo(k=[100.0, 0.0, 80.0, 0.0, 100.0, 60.0, 0.0, 0.0, 1.0])
COUNTS = Counts(processed=7, dropped=2, processing_ms=20.0)
SEEN, UNSEEN = Box(30, 20, 40, 30), Box(90, 60, 20, 20)
RESULT = TrackResult(
    box=SEEN,
    score=0.9,
    response=np.zeros((17, 17), np.float32),
    response_to_image=np.eye(2, 3),
    search=np.zeros((64, 64, 3), np.uint8),
    search_to_image=np.eye(2, 3),
    peak=0.8,
    second_peak=0.3,
    sharpness=12.0,
)


def target(name: str, state: TrackState | None, box: Box | None, **fields: Any) -> TrackedTarget:
    values = {"adapting": False, "last_box": box or UNSEEN, "score": 0.9, "result": RESULT}
    return TrackedTarget(
        id=name, state=state, box=box, adaptation_ms=0.0, trail=Trail(), **(values | fields)
    )


TARGETS = [
    target("seen", TrackState.TRACKING, SEEN),
    target("new", TrackState.TRACKING, SEEN, adapting=True, score=1.0, result=None),
    target("behind", None, None, adapting=True, score=0.0, result=None),
    target("lost", TrackState.LOST, None, score=0.0),
]


LOCATED = dict.fromkeys(("seen", "new"), Located(bearing=(0.0, 0.6, 0.8)))
LOCATED |= dict.fromkeys(("behind", "lost"), Located())


class Publisher:
    def __init__(self, watchers: int) -> None:
        self.published: list[Any] = []
        self.publish = self.published.append
        self.get_subscription_count = lambda: watchers


class World:
    """A node whose publishers record, with stand-ins for the packages of others."""

    def __init__(self, watchers: int) -> None:
        self.publishers: dict[str, Publisher] = {}
        self._watchers = watchers
        self.packages = {
            "vision_msgs": message_stand_ins.vision_msgs(),
            "foxglove_msgs": message_stand_ins.foxglove_msgs(),
        }

    def create_publisher(self, kind: type, topic: str, profile: Any) -> Publisher:
        self.publishers[topic] = Publisher(self._watchers)
        return self.publishers[topic]

    def get_clock(self) -> ROSClock:
        return ROSClock()

    def find(self, topics: str, *packages: str) -> Any:
        return self.packages.get(packages[0])

    def publish(self, selected: str = "seen") -> dict[str, list[Any]]:
        """Publish all of an image; return the messages by topic."""
        published = Outputs(self, self, publish_tf=False)
        results = usable(HEADER, TARGETS, LOCATED, selected, COUNTS, INFO, 1.0)
        published.publish(results)
        published.show(results, IMAGE)
        return {name: it.published for name, it in self.publishers.items() if it.published}


def test_tracks_say_of_every_target_what_is_known_and_nothing_else() -> None:
    (array,) = World(watchers=0).publish()["~/tracks"]
    states = {track.id: track.state for track in array.tracks}
    assert states == {
        "seen": Track.TRACKING,
        "new": Track.ADAPTING,
        "behind": Track.ADAPTING,
        "lost": Track.LOST,
    }
    tracks = {track.id: track for track in array.tracks}
    assert (tracks["seen"].size_x, tracks["new"].size_x) == (SEEN.w, SEEN.w)
    assert tracks["seen"].bearing.z == 0.8
    for name in ("behind", "lost"):
        track = tracks[name]
        assert (track.size_x, track.score, track.peak, track.bearing.z) == (0, 0, 0, 0)
    assert {(track.processed_images, track.dropped_images) for track in array.tracks} == {(7, 2)}


def test_the_selected_target_is_on_track_also_of_an_unusable_image() -> None:
    world = World(watchers=0)
    assert world.publish(selected="lost")["~/track"][0].id == "lost"
    located = dict.fromkeys(("seen", "lost"), Located())
    nothing = unusable(HEADER, located, "lost", COUNTS)
    Outputs(world, world, publish_tf=False).unusable(nothing)
    (track,) = world.publishers["~/track"].published
    assert (track.id, track.state, track.size_x) == ("lost", Track.LOST, 0)


def test_what_looks_like_a_target_is_in_the_overlay_and_the_annotations(monkeypatch) -> None:
    def shown() -> tuple[list[str], np.ndarray]:
        published = World(watchers=1).publish()
        (annotations,), (overlay,) = published["~/annotations"], published["~/overlay"]
        return [text.text for text in annotations.texts], np.array(overlay.data)

    labels, picture = shown()
    assert "look-alike" not in labels
    twin = replace(RESULT, look_alike=Box(100, 20, 40, 30))
    seen = target("seen", TrackState.TRACKING, SEEN, result=twin)
    monkeypatch.setattr(sys.modules[__name__], "TARGETS", [seen, *TARGETS[1:]])
    labels, with_twin = shown()
    assert labels.count("look-alike") == 1
    changed = (with_twin != picture).reshape(*IMAGE.shape).any(axis=(0, 2))
    assert changed[98:104].any()
    assert changed[136:142].any()


def test_what_nobody_watches_is_not_made() -> None:
    assert set(World(watchers=0).publish()) == {"~/tracks", "~/track"}


def test_detections_are_the_targets_in_sight() -> None:
    (array,) = World(watchers=1).publish()["~/detections"]
    assert [detection.id for detection in array.detections] == ["seen", "new"]


def test_annotations_and_markers_show_the_targets_in_sight() -> None:
    published = World(watchers=1).publish()
    (annotations,) = published["~/annotations"]
    assert [text.text for text in annotations.texts] == ["seen 0.90", "new 1.00 adapting"]
    (markers,) = published["~/markers"]
    assert {marker.ns for marker in markers.markers if marker.ns} == {"seen", "new"}


def test_pictures_are_made_for_who_watches() -> None:
    published = World(watchers=1).publish()
    (overlay,) = published["~/overlay"]
    assert (overlay.width, overlay.height, overlay.header) == (160, 120, HEADER)
    assert published["~/response_map"][0].encoding == "32FC1"
    assert published["~/response_heatmap"][0].encoding == "bgr8"


@pytest.mark.parametrize("missing", ["vision_msgs", "foxglove_msgs"])
def test_without_a_package_its_topic_is_not_offered(missing: str) -> None:
    world = World(watchers=1)
    del world.packages[missing]
    topic = {"vision_msgs": "~/detections", "foxglove_msgs": "~/annotations"}[missing]
    published = world.publish()
    assert topic not in world.publishers
    assert "~/overlay" in published


def test_every_output_is_in_the_list_once() -> None:
    folder = Path(outputs.__file__).parent
    for module in folder.glob("*.py"):
        importlib.import_module(f"autrack_ros.node.outputs.{module.stem}")
    assert sorted(OUTPUTS, key=repr) == sorted(Output.__subclasses__(), key=repr)
