"""Boxes over a real service, a real topic, or to nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import InitBox
from autrack_ros.srv import Initialize
from builtin_interfaces.msg import Time
from ros_node import RosNode, ros_node
from ros_process import wait_until
from std_msgs.msg import Header

from autrack_ros.node import qos
from autrack_ros.select_target.box_sender import BoxSender
from autrack_ros.tracking import Box

HEADER = Header(stamp=Time(sec=7, nanosec=8), frame_id="camera_optical")
BOX = Box(1, 2.5, 30, 40)
MESSAGE = InitBox(header=HEADER, id="cup", x=1.0, y=2.5, width=30.0, height=40.0)


@pytest.fixture
def ros() -> Iterator[RosNode]:
    with ros_node("person") as running:
        yield running


def serve(ros: RosNode, response: Initialize.Response) -> list[InitBox]:
    boxes: list[InitBox] = []

    def answer(request: Initialize.Request, _: Initialize.Response) -> Initialize.Response:
        boxes.append(request.box)
        return response

    ros.node.create_service(Initialize, "tracker/initialize", answer)
    return boxes


def test_without_a_tracker_nothing_is_sent_and_both_names_are_told(ros):
    sender = BoxSender(ros.node)
    assert not sender.reachable
    delivery = sender.send(HEADER, "cup", BOX)
    assert (delivery.done, delivery.accepted) == (True, False)
    assert "/init_box" in delivery.text
    assert "/tracker/initialize" in delivery.text


def test_an_accepted_box(ros):
    response = Initialize.Response(accepted=True)
    response.report.stop_reason, response.report.steps = "completed", 12
    response.report.elapsed_ms = 230.4
    boxes = serve(ros, response)
    sender = BoxSender(ros.node)
    wait_until(lambda: sender.reachable, ros.spin_once, "service")
    delivery = sender.send(HEADER, "cup", BOX)
    assert (delivery.done, delivery.accepted) == (False, None)
    wait_until(lambda: delivery.done, ros.spin_once, "answer")
    assert delivery.accepted is True
    assert delivery.text == "'cup': accepted, adaptation completed after 12 steps, 230 ms"
    assert boxes == [MESSAGE]


def test_a_refused_box(ros):
    serve(ros, Initialize.Response(accepted=False, reason="no image of 7.000000008 s"))
    sender = BoxSender(ros.node)
    wait_until(lambda: sender.reachable, ros.spin_once, "service")
    delivery = sender.send(HEADER, "cup", BOX)
    wait_until(lambda: delivery.done, ros.spin_once, "answer")
    assert delivery.accepted is False
    assert delivery.text == "'cup': refused: no image of 7.000000008 s"


def test_without_the_service_the_topic_takes_the_box(ros):
    boxes: list[InitBox] = []
    ros.node.create_subscription(InitBox, "init_box", boxes.append, qos.COMMAND)
    sender = BoxSender(ros.node)
    wait_until(lambda: sender.reachable, ros.spin_once, "subscriber")
    delivery = sender.send(HEADER, "cup", BOX)
    assert (delivery.done, delivery.accepted) == (True, None)
    assert "sent on /init_box" in delivery.text
    assert sender.wait_until_received()
    wait_until(lambda: boxes, ros.spin_once, "box")
    assert boxes == [MESSAGE]
