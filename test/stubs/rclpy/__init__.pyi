# The names of rclpy that the package uses, as far as Humble (3.3), Iron, Jazzy (7.1) and Kilted
# (9.1) all have them. `make lint` checks the package against these, and test_rclpy_stubs.py these
# against the installed rclpy. To add one, look it up in rclpy's branch `humble` first.

from typing import Any

from rclpy import executors as executors
from rclpy import logging as logging
from rclpy.context import Context
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

def init(
    *,
    args: list[str] | None = None,
    context: Context | None = None,
    domain_id: int | None = None,
    signal_handler_options: SignalHandlerOptions | None = None,
) -> Any: ...
def create_node(
    node_name: str, *, context: Context | None = None, namespace: str | None = None
) -> Node: ...
def ok(*, context: Context | None = None) -> bool: ...
def shutdown(*, context: Context | None = None) -> None: ...
def spin(node: Node, executor: Executor | None = None) -> None: ...
def try_shutdown(*, context: Context | None = None) -> None: ...
