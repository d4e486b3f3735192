"""Detection2DArray out and in, with the real messages where they are installed and a stand-in."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Track
from builtin_interfaces.msg import Time
from message_stand_ins import vision_msgs
from ros_node import ros_node
from ros_process import wait_until
from std_msgs.msg import Header

from autrack_ros.messages.detections import select_boxes
from autrack_ros.node.outputs.detections import detections_message
from autrack_ros.node.outputs.messages import track_message
from autrack_ros.tracking import Box

HEADER = Header(stamp=Time(sec=7, nanosec=8), frame_id="camera_optical")
CUP = Box(10, 20, 30, 40)


@pytest.fixture(params=["stand-in", "installed"])
def messages(request: pytest.FixtureRequest) -> Any:
    if request.param == "installed":
        return pytest.importorskip("vision_msgs.msg", reason="needs vision_msgs")
    return vision_msgs()


@pytest.fixture
def detector(messages: Any) -> Detector:
    return Detector(messages)


class Detector:
    def __init__(self, messages: Any) -> None:
        self.messages = messages
        self.message = messages.Detection2DArray(header=HEADER)

    def add(self, box: Box, *hypotheses: tuple[str, float], id: str = "", angle: float = 0.0):
        detection = self.messages.Detection2D(id=id)
        detection.bbox.center.position.x = float(box.x + box.w / 2)
        detection.bbox.center.position.y = float(box.y + box.h / 2)
        detection.bbox.center.theta = angle
        detection.bbox.size_x, detection.bbox.size_y = float(box.w), float(box.h)
        for class_id, score in hypotheses:
            result = self.messages.ObjectHypothesisWithPose()
            result.hypothesis.class_id, result.hypothesis.score = class_id, score
            detection.results.append(result)
        self.message.detections.append(detection)
        return self

    def select(self, *arguments: Any) -> Any:
        return select_boxes(self.message, *arguments)


def test_every_seen_target_is_a_detection(messages):
    tracks = [
        track_message(HEADER, Track.TRACKING, "cup", CUP, 0.75),
        track_message(HEADER, Track.TRACKING, "ball", Box(0, 0, 5, 6), 0.5),
    ]
    message = detections_message(messages, HEADER, tracks)
    assert message.header == HEADER
    assert [detection.header for detection in message.detections] == [HEADER, HEADER]
    cup, ball = message.detections
    assert (cup.id, ball.id) == ("cup", "ball")
    assert (cup.bbox.center.position.x, cup.bbox.center.position.y) == (25, 40)
    assert (cup.bbox.size_x, cup.bbox.size_y, cup.bbox.center.theta) == (30, 40, 0)
    ((hypothesis,), (other,)) = (d.results for d in message.detections)
    assert (hypothesis.hypothesis.class_id, hypothesis.hypothesis.score) == ("", 0.75)
    assert (other.hypothesis.class_id, other.hypothesis.score) == ("", 0.5)


def test_a_target_that_is_not_seen_is_no_detection(messages):
    tracks = [
        track_message(HEADER, Track.IDLE),
        track_message(HEADER, Track.LOST, "lost", CUP, 0.1),
        track_message(HEADER, Track.ADAPTING, "new"),
        track_message(HEADER, Track.ADAPTING, "new, tracked already", CUP, 0.9),
    ]
    message = detections_message(messages, HEADER, tracks)
    assert [detection.id for detection in message.detections] == ["new, tracked already"]


def test_what_was_sent_is_read_again(messages):
    tracks = [track_message(HEADER, Track.TRACKING, "cup", Box(1.25, 2.5, 30.5, 4.75), 0.75)]
    message = detections_message(messages, HEADER, tracks)
    assert select_boxes(message).boxes == [("cup", Box(1.25, 2.5, 30.5, 4.75))]


def test_the_best_scoring_detection_of_the_class_is_chosen(detector):
    detector.add(Box(0, 0, 9, 9), ("person", 0.99), id="p")
    detector.add(Box(1, 1, 9, 9), ("cup", 0.4), id="a")
    detector.add(Box(2, 2, 9, 9), ("cup", 0.8), id="b")
    assert detector.select("cup").boxes == [("b", Box(2, 2, 9, 9))]
    assert detector.select("person").boxes == [("p", Box(0, 0, 9, 9))]
    assert detector.select().boxes == [("p", Box(0, 0, 9, 9))]
    assert detector.select("dog").boxes == []
    assert detector.select("dog").refused == []


def test_a_detection_is_of_the_class_of_its_best_hypothesis(detector):
    detector.add(CUP, ("person", 0.1), ("cup", 0.6), ("dog", 0.3))
    assert detector.select("cup").boxes == [("cup", CUP)]
    assert detector.select("person").boxes == []


def test_all_of_a_class_come_best_first(detector):
    detector.add(Box(1, 1, 9, 9), ("cup", 0.4), id="a").add(CUP, ("dog", 0.5), id="d")
    detector.add(Box(2, 2, 9, 9), ("cup", 0.8), id="b")
    assert [name for name, _ in detector.select("cup", True).boxes] == ["b", "a"]
    assert [name for name, _ in detector.select("", True).boxes] == ["b", "d", "a"]


def test_a_detection_without_hypothesis_is_of_no_class(detector):
    detector.add(CUP)
    assert detector.select().boxes == [("target", CUP)]
    assert detector.select("cup").boxes == []


def test_ids_are_unique_and_given_ones_are_kept(detector):
    for name in ("a", "", "a", "a-2", "", "cup"):
        detector.add(CUP, ("cup", 0.5), id=name)
    names = [name for name, _ in detector.select("cup", True).boxes]
    assert names == ["a", "cup-2", "a-3", "a-2", "cup-3", "cup"]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (Box(math.nan, 0, 9, 9), "centre, size and angle must be finite"),
        (Box(0, math.inf, 9, 9), "centre, size and angle must be finite"),
        (Box(0, 0, math.inf, 9), "centre, size and angle must be finite"),
        (Box(0, 0, 9, math.nan), "centre, size and angle must be finite"),
        (Box(0, 0, 0, 9), "size 0 x 9 px: both must be greater than 0"),
        (Box(0, 0, 9, -3), "size 9 x -3 px: both must be greater than 0"),
    ],
)
@pytest.mark.parametrize("take_all", [False, True])
def test_a_bad_box_is_refused_with_its_reason_and_the_next_best_taken(
    detector, box, reason, take_all
):
    detector.add(CUP, ("cup", 0.5), id="good").add(box, ("cup", 0.9), id="bad")
    selection = detector.select("cup", take_all)
    assert selection.boxes == [("good", CUP)]
    (line,) = selection.refused
    assert line.startswith(f"detection 1 (bad, cup): {reason}")


def test_a_bad_box_of_another_class_is_no_concern(detector):
    detector.add(Box(0, 0, 0, 0), ("dog", 0.9))
    assert detector.select("cup").refused == []


def test_a_score_that_is_no_number_is_refused(detector):
    detector.add(CUP, ("cup", 0.5), id="good").add(CUP, ("cup", math.nan))
    selection = detector.select()
    assert selection.boxes == [("good", CUP)]
    assert selection.refused == ["detection 1: score nan: a score must be a number"]


def test_a_rotated_box_becomes_the_upright_box_around_it(detector):
    detector.add(CUP, angle=math.pi / 2)
    ((_, box),) = detector.select().boxes
    assert box == pytest.approx(Box(5, 25, 40, 30))
    detector.message.detections.clear()
    detector.add(Box(-1, -1, 2, 2), angle=-math.pi / 4)
    ((_, box),) = detector.select().boxes
    side = math.sqrt(8)
    assert box == pytest.approx(Box(-side / 2, -side / 2, side, side))


@pytest.mark.parametrize("angle", [math.nan, math.inf])
def test_an_angle_that_is_no_number_is_refused(detector, angle):
    detector.add(CUP, angle=angle)
    assert detector.select().boxes == []
    assert "angle must be finite" in detector.select().refused[0]


def test_over_a_real_topic_where_the_package_is_installed():
    messages = pytest.importorskip("vision_msgs.msg", reason="needs vision_msgs")
    received: list[Any] = []
    tracks = [track_message(HEADER, Track.TRACKING, "cup", CUP, 0.75)]
    message = detections_message(messages, HEADER, tracks)
    with ros_node("tracker") as ros:
        kind = messages.Detection2DArray
        publisher = ros.node.create_publisher(kind, "detections", 1)
        ros.node.create_subscription(kind, "detections", received.append, 1)

        def came() -> bool:
            publisher.publish(message)
            return bool(received)

        wait_until(came, ros.spin_once, "detections")
    assert received[0] == message
    assert select_boxes(received[0]).boxes == [("cup", CUP)]
