"""How a node ends: the exit status, and that it is closed whatever happened."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

import rclpy
from rclpy.executors import ExternalShutdownException

from autrack_ros.node.program import run_program
from autrack_ros.tracking import DeviceError


class FakeNode:
    def __init__(self, work: Callable[[], None]) -> None:
        self.run = work
        self.closed = False
        self.cycle = self  # as nodes are in some

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def keep_signal_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
    gc.unfreeze()


def end_with(error: BaseException, *, shut_down: bool = False) -> FakeNode:
    def work() -> None:
        assert rclpy.ok()
        if shut_down:
            rclpy.shutdown()
        raise error

    return FakeNode(work)


@pytest.mark.parametrize(
    ("node", "status"),
    [
        (FakeNode(lambda: None), 0),
        (end_with(KeyboardInterrupt()), 0),
        (end_with(ExternalShutdownException()), 0),
        (end_with(RuntimeError("context is not valid"), shut_down=True), 0),
        (end_with(DeviceError("device 'cuda:9': this machine has cpu")), 1),
    ],
    ids=["done", "ctrl-c", "shutdown", "shutdown in a call", "wrong device"],
)
def test_status_and_closing(node: FakeNode, status: int) -> None:
    assert run_program("fake", lambda: node, args=[]) == status
    assert node.closed
    assert not rclpy.ok()


def test_nothing_is_left_of_the_node_when_its_program_ends() -> None:
    """Else it stays in the graph until Python has taken all of torch apart, seconds later."""
    nodes = []

    def make() -> FakeNode:
        node = end_with(KeyboardInterrupt())
        nodes.append(weakref.ref(node))
        return node

    assert run_program("fake", make, args=[]) == 0
    assert nodes[0]() is None


def test_an_error_of_the_program_itself_is_not_hidden() -> None:
    node = end_with(RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        run_program("fake", lambda: node, args=[])
    assert node.closed


def test_a_node_that_cannot_be_made_ends_with_status_1(capfd: pytest.CaptureFixture[str]) -> None:
    def make() -> FakeNode:
        raise DeviceError("device 'cuda:9': this machine has cpu")

    assert run_program("fake", make, args=[]) == 1
    assert "[fake]: device 'cuda:9': this machine has cpu" in capfd.readouterr().err
