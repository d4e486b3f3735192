"""A node inside the test's process, in a domain of its own: helper of node tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_process import environment

from autrack_ros.replay.domains import own_domain


class RosNode:
    """A node with its executor."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self.node, self.executor = node, executor

    def spin_once(self) -> None:
        self.executor.spin_once(timeout_sec=0.05)


@contextmanager
def ros_node(name: str, namespace: str = "") -> Iterator[RosNode]:
    """Yield a running node; processes started meanwhile are in its domain."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment().items():
            patch.setenv(variable, value)
        context = Context()
        rclpy.init(context=context, domain_id=own_domain())
        node = Node(name, namespace=namespace, context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            yield RosNode(node, executor)
        finally:
            executor.shutdown()
            node.destroy_node()
            rclpy.try_shutdown(context=context)
