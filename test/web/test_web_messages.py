"""The table of messages, and all that repeats it: the page's own, and the docs."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from autrack_ros.drawing.style import STYLES
from autrack_ros.web import messages as web

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "autrack_ros" / "web" / "static"
DOCS = ROOT / "docs" / "web.md"


def constant(file: str, name: str) -> dict:
    """A constant of a script, written as JSON."""
    text = (STATIC / file).read_text()
    found = re.search(rf"export const {name} = Object\.freeze\((.*?)\);", text, re.DOTALL)
    assert found, name
    return json.loads(re.sub(r'^(\s*)"?(\w+)"?:', r'\1"\2":', found[1], flags=re.MULTILINE))


def test_page_has_the_same_table():
    table = constant("messages.js", "TABLE")
    assert table["version"] == web.VERSION
    assert table["commands"] == {
        web.name_of(kind): [field.name for field in fields(kind)] for kind in web.COMMANDS
    }
    assert table["events"] == [web.name_of(kind) for kind in web.EVENTS]


def test_page_draws_states_as_the_overlay_does():
    drawn = constant("look.js", "STATES")
    assert {name: look["pattern"] for name, look in drawn.items()} == {
        name: [list(pair) for pair in style.pattern] for name, style in STYLES.items()
    }
    assert {name: look["color"] for name, look in drawn.items()} == {
        name: "#{:02x}{:02x}{:02x}".format(*style.color[::-1]) for name, style in STYLES.items()
    }


def documented(heading: str) -> dict[str, str]:
    """Fields of a message by its name, as a table of docs/web.md has them."""
    _, _, section = DOCS.read_text().partition(f"# {heading}\n")
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines, heading
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.group().splitlines()]
    return {row[0].strip("`"): row[1] for row in rows[2:]}


def described(kind: type) -> str:
    shown = [f"`{name}` {web.type_text(hint)}" for name, hint in hints(kind).items()]
    payload = getattr(kind, "payload", None)
    return "; ".join([*shown, *([f"then {payload}"] if payload else [])])


def hints(kind: type) -> dict:
    every = get_type_hints(kind)
    return {field.name: every[field.name] for field in fields(kind)}


@pytest.mark.parametrize(
    ("heading", "kinds"),
    [("Commands", web.COMMANDS), ("Events", web.EVENTS), ("Parts of events", web.PARTS)],
)
def test_docs_have_the_same_table(heading, kinds):
    expected = {web.name_of(kind): described(kind) for kind in kinds}
    shown = "\n".join(f"| `{name}` | {text} | |" for name, text in expected.items())
    assert documented(heading) == expected, f"the rows should be:\n{shown}"


def test_docs_name_the_version():
    assert f"version {web.VERSION}" in DOCS.read_text()


FOLLOW = {"type": "follow", "n": 7, "id": "cup", "x": 1, "y": 2.5, "width": 30, "height": 40,
          "stamp": "1700000000000000001"}  # fmt: skip


def test_command_is_read_with_its_number():
    number, command = web.decode(json.dumps(FOLLOW))
    assert number == 7
    assert command == web.Follow("cup", 1.0, 2.5, 30.0, 40.0, "1700000000000000001")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON"),
        ("[" * 4000, "no JSON"),
        ("[]", "a list: accepted is a JSON object"),
        ('"follow"', "a str"),
        ("{}", "type: accepted is one of follow, remove"),
        ('{"type": ["follow"]}', "type: accepted"),
        ('{"type": "reset", "id": "x"}', "reset: accepted is no field"),
        ('{"type": "remove"}', "remove: accepted is id"),
        ('{"type": "remove", "id": ""}', "1 to 64 printable"),
        ('{"type": "remove", "id": "\\u0000"}', "1 to 64 printable"),
        ('{"type": "enable", "on": 1}', "on 1: accepted is true or false"),
        ('{"type": "seen", "number": -1}', "number -1: accepted is a whole number"),
        ('{"type": "seen", "number": true}', "number true"),
        ('{"type": "reset", "n": 1e400}', "n Infinity"),
        (json.dumps({**FOLLOW, "x": float("nan")}), "x NaN: accepted is a number within 1e9"),
        (json.dumps({**FOLLOW, "width": 1e12}), "width 1000000000000.0: accepted"),
        (json.dumps({**FOLLOW, "stamp": "-5"}), "stamp '-5': accepted are nanoseconds"),
        (json.dumps({**FOLLOW, "stamp": "٣"}), "stamp"),
        (json.dumps({**FOLLOW, "id": "x" * 65}), "1 to 64 printable"),
    ],
)
def test_what_is_no_command_is_refused_by_field_and_value(text, told):
    with pytest.raises(web.MessageError) as refused:
        web.decode(text)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 300


def test_event_has_no_number_that_json_lacks():
    row = web.TrackRow("a", "lost", 0, 0, 0, 0, float("nan"), float("inf"), 0, 0, 0)
    read = json.loads(web.encode(web.Tracks("5", [row], 1.0, 2.0, 3, 4)))
    assert read["tracks"][0]["score"] == 0
    assert read["tracks"][0]["peak"] == 0
    assert read["stamp"] == "5"


def test_payload_follows_its_event():
    data = web.pack(web.Template("9"), b"png")
    (length,) = struct.unpack_from("<I", data)
    assert json.loads(data[4 : 4 + length]) == {"type": "template", "stamp": "9"}
    assert data[4 + length :] == b"png"
