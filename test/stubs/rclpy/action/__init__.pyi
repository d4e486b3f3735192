from collections.abc import Callable
from enum import Enum
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

class GoalResponse(Enum):
    REJECT = 1
    ACCEPT = 2

class CancelResponse(Enum):
    REJECT = 1
    ACCEPT = 2

class ActionServer:
    def __init__(
        self,
        node: Node,
        action_type: Any,
        action_name: str,
        execute_callback: Callable[..., Any],
        *,
        callback_group: CallbackGroup | None = None,
        goal_callback: Callable[..., Any] = ...,
        cancel_callback: Callable[..., Any] = ...,
        goal_service_qos_profile: QoSProfile = ...,
        result_service_qos_profile: QoSProfile = ...,
        cancel_service_qos_profile: QoSProfile = ...,
    ) -> None: ...
    def destroy(self) -> None: ...

class ActionClient:
    def __init__(self, node: Node, action_type: Any, action_name: str) -> None: ...
    def destroy(self) -> None: ...
    def send_goal_async(
        self, goal: Any, feedback_callback: Callable[..., Any] | None = None
    ) -> Future: ...
    def server_is_ready(self) -> bool: ...
