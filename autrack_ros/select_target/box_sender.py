"""Send a box to the tracker: by its service, which answers, or else by the topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.client import Client
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Header

from autrack_ros.msg import InitBox
from autrack_ros.node import qos
from autrack_ros.srv import Initialize
from autrack_ros.tracking import Box

_ACKNOWLEDGED_S = 10.0  # Fast DDS asks for acknowledgements every 3 s only


@dataclass(slots=True)
class Delivery:
    """What became of a box.

    Attributes:
        done: no more is to be learnt.
        accepted: whether the tracker took the box; None while or where nobody says.
        text: that in words.
    """

    done: bool
    accepted: bool | None
    text: str


class BoxSender:
    """The tracker's two inputs: topic ``init_box`` and service ``tracker/initialize``.

    Args:
        node: it gets the publisher and the client; both names can be remapped.
    """

    def __init__(self, node: Node) -> None:
        self._boxes = node.create_publisher(InitBox, "init_box", qos.COMMAND)
        self._client: Client = node.create_client(Initialize, "tracker/initialize")
        self._service = node.resolve_service_name("tracker/initialize")

    @property
    def topic(self) -> str:
        """Resolved name of the topic."""
        return self._boxes.topic_name

    @property
    def service(self) -> str:
        """Resolved name of the service."""
        return self._service

    @property
    def reachable(self) -> bool:
        """Whether somebody takes boxes."""
        return self._client.service_is_ready() or self._boxes.get_subscription_count() > 0

    def send(self, header: Header, target_id: str, box: Box) -> Delivery:
        """Send a box; the answer of the service comes into the returned object while one spins.

        Args:
            header: of the image that the box was drawn in; an empty one stands for the next image.
            target_id: any name.
            box: edge coordinates, pixels.
        """
        x, y, width, height = (float(value) for value in box)
        message = InitBox(header=header, id=target_id, x=x, y=y, width=width, height=height)
        if self._client.service_is_ready():
            delivery = Delivery(False, None, f"'{target_id}': waiting for {self.service}")
            future = self._client.call_async(Initialize.Request(box=message))
            future.add_done_callback(lambda future: _answer(future, target_id, delivery))
            return delivery
        if self._boxes.get_subscription_count() == 0:
            return Delivery(
                True,
                False,
                f"'{target_id}': not sent, nobody listens on {self.topic} and there is no service "
                f"{self.service}; start the tracker, or remap the two names to its own",
            )
        self._boxes.publish(message)
        return Delivery(
            True,
            None,
            f"'{target_id}': sent on {self.topic}; there is no service {self.service} to answer, "
            "so the tracker's log says whether it was taken",
        )

    def wait_until_received(self) -> bool:
        """Wait for the subscribers of the topic to have all boxes; whether they have.

        It takes seconds, and is for a process that would end at once: what it sends last is lost.
        """
        return self._boxes.wait_for_all_acked(Duration(seconds=_ACKNOWLEDGED_S))


def _answer(future: Future, target_id: str, delivery: Delivery) -> None:
    response: Any = future.result()
    delivery.accepted = response.accepted
    if response.accepted:
        report = response.report
        delivery.text = f"'{target_id}': accepted"
        if report.stop_reason:
            delivery.text += (
                f", adaptation {report.stop_reason} after {report.steps} steps, "
                f"{report.elapsed_ms:.0f} ms"
            )
    else:
        delivery.text = f"'{target_id}': refused: {response.reason}"
    delivery.done = True
