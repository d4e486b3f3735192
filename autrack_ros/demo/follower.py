"""A small follower in Nav2's place: it keeps its distance to the pose that the tracker publishes.

It starts the target as a goal of ``tracker/follow``, takes ``tracker/pose`` and gives ``cmd_vel``.
While no pose comes it gives no command, so that the robot stops.
"""

from __future__ import annotations

from typing import Any

from action_msgs.msg import GoalStatus
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.action import ActionClient
from rclpy.node import Node

from autrack_ros.action import Follow
from autrack_ros.msg import InitBox
from autrack_ros.node import qos

_GAIN, _INTEGRAL_GAIN, _TURN_GAIN = 2.0, 1.0, 2.0
_MOST_INTEGRAL = 0.6  # m/s
_GAP_S = 0.5  # without a pose, after which it begins anew


class Follower(Node):
    """Drive towards a target or away from it, and turn to it.

    Args:
        distance: to keep, metres along the optical axis of a camera that looks ahead.
    """

    def __init__(self, distance: float) -> None:
        super().__init__("follower")
        self.feedback = Follow.Feedback()  # the last one
        self.result: Any = None  # of the goal, once it has ended: status and result
        self.accepted: bool | None = None  # the goal; None until that is known
        self._distance = distance
        self._integral = 0.0
        self._last_s = 0.0
        self._goal: Any = None
        self._client: Any = ActionClient(self, Follow, "tracker/follow")
        self._commands = self.create_publisher(TwistStamped, "cmd_vel", qos.COMMAND)
        self.create_subscription(PoseStamped, "tracker/pose", self._on_pose, qos.RESULT)

    @property
    def is_ready(self) -> bool:
        """Whether the tracker serves the action and a robot takes commands."""
        served = self._client.server_is_ready()
        return served and self._commands.get_subscription_count() > 0

    def start(self, box: InitBox) -> None:
        """Send the goal."""
        sent = self._client.send_goal_async(Follow.Goal(box=box), self._on_feedback)
        sent.add_done_callback(self._on_answer)

    def cancel(self) -> None:
        """Cancel the goal."""
        self._goal.cancel_goal_async()

    @property
    def is_cancelled(self) -> bool:
        """Whether the goal has ended by ``cancel``."""
        return self.result is not None and self.result.status == GoalStatus.STATUS_CANCELED

    def _on_answer(self, sent: Any) -> None:
        self._goal = sent.result()
        self.accepted = self._goal.accepted
        if self.accepted:
            ended = self._goal.get_result_async()
            ended.add_done_callback(lambda future: setattr(self, "result", future.result()))

    def _on_feedback(self, message: Any) -> None:
        self.feedback = message.feedback

    def _on_pose(self, message: PoseStamped) -> None:
        now_s = message.header.stamp.sec + message.header.stamp.nanosec / 1e9
        elapsed_s, self._last_s = now_s - self._last_s, now_s
        position = message.pose.position  # optical frame: x right, z ahead
        error = position.z - self._distance
        if elapsed_s > _GAP_S:
            self._integral = 0.0
        else:
            summed = self._integral + _INTEGRAL_GAIN * error * elapsed_s
            self._integral = max(-_MOST_INTEGRAL, min(_MOST_INTEGRAL, summed))
        command = TwistStamped(header=message.header)
        command.twist.linear.x = max(0.0, _GAIN * error + self._integral)  # it does not back off
        command.twist.angular.z = -_TURN_GAIN * position.x / position.z
        self._commands.publish(command)
