"""What README.md and docs/ say of the node, compared with the node itself."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

import rclpy
from autrack_ros.action import Follow
from autrack_ros.msg import Status, Track
from rclpy.action import get_action_server_names_and_types_by_node
from rclpy.signals import SignalHandlerOptions
from ros_process import environment
from std_msgs.msg import Byte, Char, Float32, Float64

from autrack_ros.drawing import STATES, style_of
from autrack_ros.node import qos
from autrack_ros.node.optional_messages import OptionalMessages
from autrack_ros.node.parameters import PARAMETERS, TrackerParameter
from autrack_ros.node.stream import FROZEN_IMAGES, LATE_IMAGES, LATE_NS, Change, StreamEvent
from autrack_ros.node.tracker_node import TrackerNode

ROOT = Path(__file__).resolve().parents[1]
README, TOPICS = ROOT / "README.md", ROOT / "docs" / "topics.md"
pytestmark = pytest.mark.skipif(not TOPICS.is_file(), reason="no docs folder beside the tests")

# Any types of which there is a wheel, for those packages that are not installed.
STAND_INS = {
    "vision_msgs": SimpleNamespace(Detection2DArray=Byte),
    "foxglove_msgs": SimpleNamespace(ImageAnnotations=Char),
    "autoware_internal_debug_msgs": SimpleNamespace(Float64Stamped=Float64),
    "tf2_msgs": SimpleNamespace(TFMessage=Float32),
}
# Every ROS 2 node has those of the first two, every lifecycle node those of the last.
OF_EVERY_NODE = ("rcl_interfaces", "type_description_interfaces", "lifecycle_msgs")
OKABE_ITO = {  # red, green, blue
    "reddish purple": (204, 121, 167),
    "sky blue": (86, 180, 233),
    "yellow": (240, 228, 66),
    "vermillion": (213, 94, 0),
}
LINES = {"solid": "", "dashed": "-", "dotted": ".", "dash and dot": "-."}


@dataclass(frozen=True)
class Interface:
    """Type and quality of service by name."""

    inputs: dict[str, tuple[str, str]]
    outputs: dict[str, tuple[str, str]]
    services: dict[str, str]
    actions: dict[str, str]

    @property
    def names(self) -> set[str]:
        return {*self.inputs, *self.outputs, *self.services, *self.actions}


@pytest.fixture(scope="module")
def interface() -> Iterator[Interface]:
    """Those of an active node, with every optional message package."""
    find = OptionalMessages.find

    def find_or_stand_in(self: Any, topics: str, *packages: str) -> Any:
        return find(self, topics, *packages) or STAND_INS[packages[0]]

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        patch.setattr(OptionalMessages, "find", find_or_stand_in)
        rclpy.init(
            args=[
                "--ros-args",
                *("-p", "threads:=1", "-p", "publish_tf:=true"),
            ],
            signal_handler_options=SignalHandlerOptions.NO,
        )
        node = TrackerNode()
        try:
            node.trigger_configure()
            node.trigger_activate()
            yield Interface(
                {
                    short(subscription.topic_name): described(subscription)
                    for subscription in node.subscriptions
                    if is_own(subscription.msg_type)
                },
                {
                    short(publisher.topic_name): described(publisher)
                    for publisher in node.publishers
                    if is_own(publisher.msg_type)
                },
                {
                    short(service.service_name): type_name(service.srv_type)
                    for service in node.services
                    if is_own(service.srv_type)
                },
                {
                    short(name): kind.replace("/action/", "/")
                    for name, (kind,) in get_action_server_names_and_types_by_node(
                        node, node.get_name(), node.get_namespace()
                    )
                },
            )
        finally:
            node.close()
            node.destroy_node()
            rclpy.try_shutdown()


def described(end: Any) -> tuple[str, str]:
    profile = end.qos_profile
    return type_name(end.msg_type), f"{qos.describe(profile)}, depth {profile.depth}"


def type_name(kind: type) -> str:
    for package, messages in STAND_INS.items():
        for name, stand_in in vars(messages).items():
            if kind is stand_in:
                return f"{package}/{name}"
    return f"{kind.__module__.split('.')[0]}/{kind.__name__}"


def is_own(kind: type) -> bool:
    return not kind.__module__.startswith(OF_EVERY_NODE)


def short(name: str) -> str:
    """As the docs write it for a node /tracker: ~/x, an input x, or /x for the whole robot's."""
    if name.startswith("/tracker/"):
        return f"~/{name.removeprefix('/tracker/')}"
    return name if name in ("/diagnostics", "/tf") else name.removeprefix("/")


def table(heading: str, file: Path = TOPICS) -> list[dict[str, str]]:
    """Rows of the first table below a heading, by column; without back quotes round a cell."""
    _, _, section = file.read_text(encoding="utf-8").partition(f"# {heading}\n")
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines, f"{file.name}: no table below '{heading}'"
    columns, _, *rows = (
        [unescape(cell).strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines.group().splitlines()
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def by_name(rows: list[dict[str, str]], *columns: str) -> dict[str, Any]:
    named = {row["name"].strip("`"): tuple(row[column] for column in columns) for row in rows}
    assert len(named) == len(rows), "a name is there twice"
    return named


def test_topics_in_are_those_of_the_node(interface: Interface) -> None:
    assert by_name(table("Topics in"), "type", "QoS") == interface.inputs


def test_topics_out_are_those_of_the_node(interface: Interface) -> None:
    assert by_name(table("Topics out"), "type", "QoS") == interface.outputs


def test_services_are_those_of_the_node(interface: Interface) -> None:
    documented = {name: kind for name, (kind,) in by_name(table("Services"), "type").items()}
    assert documented == interface.services


def test_actions_are_those_of_the_node(interface: Interface) -> None:
    documented = {name: kind for name, (kind,) in by_name(table("Actions"), "type").items()}
    assert documented == interface.actions


def test_results_of_the_action_are_its_constants() -> None:
    _, _, section = TOPICS.read_text(encoding="utf-8").partition("why the goal ended:\n")
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", section.partition("\n## ")[0], re.MULTILINE)
    text = (ROOT / "action" / "Follow.action").read_text()
    names = re.findall(r"^uint8 ([A-Z_]+)=", text, re.MULTILINE)
    assert dict(rows) == {name: str(getattr(Follow.Result, name)) for name in names}


def expected_parameter(row: TrackerParameter) -> tuple[str, str, str, str, str]:
    kind = {bool: "bool", int: "integer", float: "double", str: "string"}[type(row.default)]
    if row.range is not None:
        low, high = (int(end) if end == int(end) else end for end in row.range)
        accepted = f"at least {low}" if high == 1e9 else f"{low} to {high}"
        accepted += f" {row.unit}" if row.unit else ""
    elif len(row.choices) > 8:
        accepted = "see `autrack models`"
    else:
        accepted = ", ".join(row.choices)
    changes = "next target" if row.name.startswith("adaptation.") else "next image"
    return (
        kind,
        f"`{json.dumps(row.default)}`",
        accepted,
        "start" if row.read_only else changes,
        row.description,
    )


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: row.name)
def test_parameter_is_documented_as_declared(row: TrackerParameter) -> None:
    rows = by_name(table("Parameters"), "type", "default", "accepted", "changes at", "what")
    expected = expected_parameter(row)
    line = " | ".join(expected)
    assert rows.get(row.name) == expected, f"the row should be: | `{row.name}` | {line} |"


def test_every_documented_parameter_exists() -> None:
    assert [row["name"].strip("`") for row in table("Parameters")] == [
        row.name for row in PARAMETERS
    ]


def numbers_by_name(message: type) -> dict[str, int]:
    """Constants of a message, as in its definition."""
    path = ROOT / "msg" / f"{message.__name__}.msg"
    names = re.findall(r"^uint8 ([A-Z_]+)=", path.read_text(), re.MULTILINE)
    return {name: getattr(message, name) for name in names}


@pytest.mark.parametrize(
    ("heading", "message"), [("States of a target", Track), ("Events on `~/status`", Status)]
)
def test_constants_are_those_of_the_message(heading: str, message: type) -> None:
    rows = by_name(table(heading), "value")
    assert {name: int(value) for name, (value,) in rows.items()} == numbers_by_name(message)


def test_states_of_the_readme_are_all_states() -> None:
    assert set(by_name(table("States", README))) == set(numbers_by_name(Track))


def test_colours_and_lines_of_the_states_are_those_drawn() -> None:
    rows = by_name(table("States of a target"), "colour and line")
    documented = {name: cell for name, (cell,) in rows.items() if cell}
    assert set(documented) == {state.upper() for state in STATES}
    for name, cell in documented.items():
        colour, line = re.split(", ", cell)[:2]
        style = style_of(name.lower())
        assert OKABE_ITO[colour] == style.color[::-1], name
        marks = "".join("." if drawn == 0 else "-" for drawn, _ in style.pattern)
        assert LINES[line.strip()] == marks, name


def test_changes_of_the_stream_are_those_noticed() -> None:
    rows = by_name(table("When the stream changes"), "noticed by", "targets")
    assert {name: targets for name, (_, targets) in rows.items()} == {
        change.name: "forgotten" if StreamEvent(change, "").forgets else "kept" for change in Change
    }
    assert f"{LATE_NS / 1e9:g} s" in rows["TIME_JUMPED_BACK"][0]
    assert f"{LATE_IMAGES} late images" in rows["TIME_JUMPED_BACK"][0]
    assert f"{FROZEN_IMAGES} images" in rows["STAMPS_STAND_STILL"][0]


def test_diagram_shows_every_name_and_no_other(interface: Interface) -> None:
    diagram = re.search(r"```mermaid\n(.*?)```", TOPICS.read_text(encoding="utf-8"), re.DOTALL)
    assert diagram
    labels = re.findall(r'\[/"?(.+?)"?/\]|\{\{"(.+?)"\}\}', diagram[1])
    shown = {name for pair in labels for label in pair for name in label.split(", ") if name}
    found = {pattern: {n for n in interface.names if fnmatch(n, pattern)} for pattern in shown}
    assert [pattern for pattern, names in found.items() if not names] == []
    assert set().union(*found.values()) == interface.names


PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


@each_page
def test_names_written_anywhere_are_those_of_the_node(page: Path, interface: Interface) -> None:
    text = page.read_text(encoding="utf-8")
    written = {f"~/{name}" for name in re.findall(r"(?:`~|[ `]/tracker)/([\w/*]+)", text)}
    known = interface.names | {"~/change_state", "~/get_state"}
    assert {name for name in written if not any(fnmatch(there, name) for there in known)} == set()


@each_page
def test_commands_name_what_there_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    launch_files = {path.name: path.read_text() for path in (ROOT / "launch").glob("*.py")}
    arguments = set()
    for source in launch_files.values():
        arguments |= set(re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', source))
    for name, rest in re.findall(r"ros2 launch autrack_ros (\S+)([^`\n]*)", text):
        assert name in launch_files
        assert set(re.findall(r"(\w+):=", rest)) <= arguments, rest
    programs = re.findall(r"install_executable\((\w+)", (ROOT / "CMakeLists.txt").read_text())
    assert set(re.findall(r"ros2 run autrack_ros (\w+)", text)) <= set(programs)
    parameters = {row.name for row in PARAMETERS} | {"NAME", "use_sim_time"}
    used = set(re.findall(r"ros2 param (?:set|get|describe) /tracker ([\w.]+)", text))
    assert used <= parameters
    rules = re.findall(r"^([a-z.][\w./ -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = " ".join(rules).split()
    assert set(re.findall(r"(?m)^make ([a-z.][\w./-]*)|`make ([a-z.][\w./-]*)", text)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }
    for module in re.findall(r"python -m ((?:autrack_ros|benchmarks)[\w.]*)", text):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize(
    "folder", ["tracking", "networks", "node", "node/inputs", "node/outputs", "web"]
)
def test_architecture_names_every_file(folder: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"\n## {folder}/\n")
    named = set(re.findall(r"`(\w+\.py)`", section.partition("\n## ")[0]))
    files = {path.name for path in (ROOT / "autrack_ros" / folder).glob("*.py")}
    assert named == files - {"__init__.py"}
