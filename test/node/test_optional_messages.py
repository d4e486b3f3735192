"""Message packages that are there, or not, or broken."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from autrack_ros.node.optional_messages import OptionalMessages


class Logger:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    def install(package: str) -> ModuleType:
        module = ModuleType(f"{package}.msg")
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.msg", module)
        return module

    return install


def test_the_first_installed_package_is_taken(install):
    logger = Logger()
    second, third = install("second_msgs"), install("third_msgs")
    optional = OptionalMessages(logger)
    assert optional.find("~/x", "no_such_msgs", "second_msgs", "third_msgs") is second
    assert optional.find("~/x", "third_msgs", "second_msgs") is third
    assert logger.lines == []


def test_a_missing_package_is_named_once_for_each_topic(monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    logger = Logger()
    optional = OptionalMessages(logger)
    for _ in range(3):
        assert optional.find("~/x", "no_such_msgs") is None
        assert optional.find("~/y", "no_such_msgs", "nor_this_msgs") is None
    assert logger.lines == [
        "~/x: not offered, because no_such_msgs is not installed "
        "(sudo apt install ros-kilted-no-such-msgs)",
        "~/y: not offered, because no_such_msgs and nor_this_msgs are not installed "
        "(sudo apt install ros-kilted-no-such-msgs)",
    ]


def test_a_package_that_lacks_something_itself_is_not_silently_left_out(monkeypatch, tmp_path):
    package = tmp_path / "broken_msgs"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "msg.py").write_text("import no_such_generated_module")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_generated_module"):
        OptionalMessages(Logger()).find("~/x", "broken_msgs")
