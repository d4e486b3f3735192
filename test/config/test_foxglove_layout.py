"""The layout for Foxglove: its topics, fields, colours and panels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autrack_ros.drawing import style_of

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "config" / "tracker.foxglove.json"
# What each kind of panel can show.
SHOWS = {
    "Image": {"sensor_msgs/Image", "foxglove_msgs/ImageAnnotations"},
    "Plot": {"autrack_ros/Track"},
    "StateTransitions": {"autrack_ros/Track"},
    "3D": {"visualization_msgs/MarkerArray"},
    "RawMessages": {"autrack_ros/Status"},
    "DiagnosticSummary": {"diagnostic_msgs/DiagnosticArray"},
}


@pytest.fixture(scope="module")
def layout() -> dict[str, Any]:
    if not FILE.is_file():
        pytest.skip("no config folder beside the tests")
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def types() -> dict[str, str]:
    """Types of topics as docs/topics.md has them, which is compared with the node elsewhere."""
    page = ROOT / "docs" / "topics.md"
    if not page.is_file():
        pytest.skip("no docs folder beside the tests")
    rows = re.findall(r"^\| `([^`]+)` \| (\w+/\w+) \|", page.read_text(encoding="utf-8"), re.M)
    return {name.replace("~", "/tracker"): kind for name, kind in rows}


def strings(value: Any) -> Iterator[str]:
    """All strings of a configuration, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        value = value.values()
    if not isinstance(value, str | int | float):
        for part in value:
            yield from strings(part)


def test_every_topic_is_one_of_the_node_that_its_panel_can_show(layout, types) -> None:
    types = types | {"/camera/image_raw": types["image"]}
    for panel, config in layout["configById"].items():
        paths = [text for text in strings(config) if text.startswith("/")]
        assert paths, panel
        for path in paths:
            assert types.get(path.partition(".")[0]) in SHOWS[panel.partition("!")[0]], path


def test_every_field_is_one_of_the_message(layout) -> None:
    fields = re.findall(r"^[\w/\[\]]+ (\w+) ", (ROOT / "msg" / "Track.msg").read_text(), re.M)
    shown = {text.split(".")[1] for text in strings(layout["configById"]) if "/track." in text}
    assert shown == {"score", "peak", "second_peak", "state"}
    assert shown <= set(fields)


def test_states_have_the_names_numbers_and_colours_of_the_node(layout) -> None:
    (path,) = layout["configById"]["StateTransitions!state"]["paths"]
    text = (ROOT / "msg" / "Track.msg").read_text()
    numbers = {number: name for name, number in re.findall(r"^uint8 (\w+)=(\d)", text, re.M)}
    states = path["customStates"]["states"]
    assert {state["value"]: state["label"] for state in states} == numbers
    for state in states[1:]:  # IDLE has no box
        blue, green, red = style_of(state["label"].lower()).color
        assert state["color"] == f"#{red:02x}{green:02x}{blue:02x}"


def test_every_panel_has_its_place_once(layout) -> None:
    def leaves(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            assert node["direction"] in ("row", "column")
            yield from leaves(node["first"])
            yield from leaves(node["second"])

    assert sorted(leaves(layout["layout"])) == sorted(layout["configById"])
