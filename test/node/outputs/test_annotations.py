"""ImageAnnotations, with the real messages where they are installed and a stand-in."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Track
from builtin_interfaces.msg import Time
from message_stand_ins import foxglove_msgs
from ros_node import ros_node
from ros_process import wait_until
from std_msgs.msg import Header

from autrack_ros.node.outputs.annotations import annotations_message
from autrack_ros.node.outputs.messages import STATE_NAMES, track_message
from autrack_ros.tracking import Box

HEADER = Header(stamp=Time(sec=7, nanosec=8), frame_id="camera_optical")
COLORS = {name: (index, 51, 255) for index, name in enumerate(STATE_NAMES.values())}
COLORS |= {"tracking": (233, 180, 86), "lost": (0, 102, 204)}
CUP = Box(10, 40, 30, 50)


@pytest.fixture(params=["stand-in", "installed"])
def messages(request: pytest.FixtureRequest) -> Any:
    if request.param == "installed":
        return pytest.importorskip("foxglove_msgs.msg", reason="needs foxglove_msgs")
    return foxglove_msgs()


def annotations(
    messages: Any, *tracks: Track, twins: tuple[Box, ...] = (), height: int = 480
) -> Any:
    return annotations_message(messages, HEADER, tracks, twins, height, COLORS)


def rgba(color: Any) -> tuple[float, ...]:
    return color.r, color.g, color.b, color.a


def test_a_tracked_target_has_an_outline_and_a_label(messages):
    message = annotations(messages, track_message(HEADER, Track.TRACKING, "cup", CUP, 0.754))
    (outline,), (label,) = message.points, message.texts
    assert outline.type == messages.PointsAnnotation.LINE_LOOP
    assert [(p.x, p.y) for p in outline.points] == [(10, 40), (40, 40), (40, 90), (10, 90)]
    assert rgba(outline.outline_color) == pytest.approx((86 / 255, 180 / 255, 233 / 255, 1))
    assert outline.thickness == 2
    assert label.text == "cup 0.75"
    assert (label.position.x, label.position.y) == (10, 40)
    assert label.text_color == outline.outline_color
    assert label.background_color.a > 0.5
    assert message.circles == []


def test_colour_and_label_tell_the_state(messages):
    message = annotations(messages, track_message(HEADER, Track.LOST, "cup", CUP, 0.1))
    assert rgba(message.points[0].outline_color) == pytest.approx((0.8, 0.4, 0, 1))
    assert message.texts[0].text == "cup 0.10 lost"


def test_every_state_can_be_drawn(messages):
    tracks = [track_message(HEADER, state, "cup", CUP, 0.5) for state in STATE_NAMES]
    message = annotations(messages, *tracks)
    colors = [rgba(outline.outline_color) for outline in message.points]
    assert len(set(colors)) == len(STATE_NAMES)


def test_a_target_without_a_box_is_not_drawn(messages):
    tracks = [track_message(HEADER, Track.IDLE), track_message(HEADER, Track.ADAPTING, "cup")]
    message = annotations(messages, *tracks)
    assert (message.points, message.texts) == ([], [])


def test_stamps_are_the_images(messages):
    message = annotations(messages, track_message(HEADER, Track.TRACKING, "cup", CUP, 0.5))
    assert message.timestamp == HEADER.stamp
    assert message.points[0].timestamp == message.texts[0].timestamp == HEADER.stamp


def test_messages_of_an_older_version_have_the_stamp_in_their_parts():
    messages = foxglove_msgs(with_timestamp=False)
    message = annotations(messages, track_message(HEADER, Track.TRACKING, "cup", CUP, 0.5))
    assert message.points[0].timestamp == HEADER.stamp


def test_lines_and_letters_grow_with_the_image(messages):
    track = track_message(HEADER, Track.TRACKING, "cup", CUP, 0.5)
    small, large = (annotations(messages, track, height=height) for height in (120, 2160))
    assert (small.points[0].thickness, small.texts[0].font_size) == (2, 12)
    assert (large.points[0].thickness, large.texts[0].font_size) == (9, 72)


def test_the_label_of_a_box_at_the_upper_left_corner_is_in_the_image(messages):
    track = track_message(HEADER, Track.TRACKING, "cup", Box(-5, 3, 30, 30), 0.5)
    (label,) = annotations(messages, track).texts
    assert label.position.x == 0
    assert label.position.y == 3 + label.font_size


def test_over_a_real_topic_where_the_package_is_installed():
    messages = pytest.importorskip("foxglove_msgs.msg", reason="needs foxglove_msgs")
    message = annotations(messages, track_message(HEADER, Track.TRACKING, "cup", CUP, 0.5))
    received: list[Any] = []
    with ros_node("tracker") as ros:
        publisher = ros.node.create_publisher(messages.ImageAnnotations, "annotations", 1)
        ros.node.create_subscription(messages.ImageAnnotations, "annotations", received.append, 1)

        def came() -> bool:
            publisher.publish(message)
            return bool(received)

        wait_until(came, ros.spin_once, "annotations")
    assert received[0] == message


def test_a_look_alike_has_an_outline_and_a_label_of_its_own(messages):
    track = track_message(HEADER, Track.TRACKING, "cup", CUP, 0.754)
    message = annotations(messages, track, twins=(Box(100, 40, 20, 30),))
    twin, cup = message.points
    assert [(p.x, p.y) for p in twin.points] == [(100, 40), (120, 40), (120, 70), (100, 70)]
    assert rgba(twin.outline_color) != rgba(cup.outline_color)
    assert [text.text for text in message.texts] == ["look-alike", "cup 0.75"]
