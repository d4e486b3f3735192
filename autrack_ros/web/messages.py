"""The messages between page and server: the one typed table.

docs/web.md shows it, ``static/messages.js`` repeats it for the page; tests compare both with it.
A *command* goes from the page to the server, an *event* from the server to the page. All are JSON
objects with their name as ``type``; an event with a payload is a binary frame (see ``pack``).
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np

from autrack_ros.tracking.errors import AutrackError

VERSION = 1
MAX_TEXT = 64  # characters of a name that a page sends
MAX_NUMBER = 2**31 - 1


class MessageError(AutrackError):
    """What a page sent is no command; says what is wrong and what is accepted."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Start a target: its box in the picture of a stamp, edge coordinates, pixels of the camera."""

    id: str
    x: float
    y: float
    width: float
    height: float
    stamp: str  # nanoseconds; "0": the next image


@dataclass(frozen=True, slots=True)
class Remove:
    """Follow a target no longer."""

    id: str


@dataclass(frozen=True, slots=True)
class Reset:
    """End all targets."""


@dataclass(frozen=True, slots=True)
class Enable:
    """Let the tracker go on, or pass images over; a clip of ``autrack track`` plays or pauses."""

    on: bool


@dataclass(frozen=True, slots=True)
class Select:
    """Show the response map of this target."""

    id: str


@dataclass(frozen=True, slots=True)
class Record:
    """Start or stop a bag."""

    on: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture has come: the server may send another. Not answered."""

    number: int


Command = Follow | Remove | Reset | Enable | Select | Record | Seen
COMMANDS: tuple[type, ...] = get_args(Command)


@dataclass(frozen=True, slots=True)
class Hello:
    """First of all: who is there and what can be done."""

    version: int
    page: int  # number of this page
    source: str  # topic or file of the pictures
    tracker: str
    can: list[str]  # commands that are of use here


@dataclass(frozen=True, slots=True)
class Pages:
    """How many pages are connected."""

    count: int


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the camera; the JPEG may be smaller than the image was."""

    payload: ClassVar[str] = "JPEG"
    number: int
    stamp: str
    width: int  # of the camera's image, pixels
    height: int


@dataclass(frozen=True, slots=True)
class TrackRow:
    """One target in ``tracks``; the box is zero where there is none."""

    id: str
    state: str  # adapting, tracking, uncertain, lost
    x: float
    y: float
    width: float
    height: float
    score: float
    peak: float
    second_peak: float
    sharpness: float
    adaptation_ms: float


@dataclass(frozen=True, slots=True)
class Tracks:
    """All targets in one image."""

    stamp: str
    tracks: list[TrackRow]
    latency_ms: float  # from the image's arrival at this server to that of its tracks
    processing_ms: float
    processed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Response:
    """The response map of the selected target, one byte a cell, row by row."""

    payload: ClassVar[str] = "bytes"
    stamp: str
    id: str
    rows: int
    columns: int
    to_image: list[float]  # (column, row, 1) of a cell to pixels, 2x3 row by row


@dataclass(frozen=True, slots=True)
class Template:
    """Template, updated template and change, side by side."""

    payload: ClassVar[str] = "JPEG"
    stamp: str


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What a template update did."""

    id: str
    method: str
    losses: list[float]
    best_step: int
    elapsed_ms: float
    stop_reason: str
    max_change: float
    mean_change: float


@dataclass(frozen=True, slots=True)
class Log:
    """Something happened."""

    time: float  # seconds since 1970
    level: str  # info, warning, error
    source: str  # status, page or server
    page: int  # that caused it; 0: none
    event: str  # of a target: started, refused, ended; else empty
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the command with this number."""

    n: int
    accepted: bool
    text: str


@dataclass(frozen=True, slots=True)
class Enabled:
    """Whether images are tracked in, or a clip plays."""

    on: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps pictures or tracks from coming; an empty text: nothing any more."""

    what: str  # camera, picture or tracker
    text: str


@dataclass(frozen=True, slots=True)
class Bag:
    """A finished recording in ``recording``."""

    name: str
    megabytes: float


@dataclass(frozen=True, slots=True)
class Recording:
    """State of the recording, and the bags that can be downloaded from ``/bags/NAME``."""

    on: bool
    seconds: float
    megabytes: float
    bags: list[Bag]


@dataclass(frozen=True, slots=True)
class Link:
    """How the pictures reach this page, once a second."""

    pictures: int  # sent
    skipped: int  # left out because the page had not drawn those before
    level: int  # 0: sharpest
    round_trip_ms: float


Event = (
    Hello
    | Pages
    | Shot
    | Tracks
    | Response
    | Template
    | Adaptation
    | Log
    | Answer
    | Enabled
    | Problem
    | Recording
    | Link
)
EVENTS: tuple[type, ...] = get_args(Event)
PARTS: tuple[type, ...] = (TrackRow, Bag)  # of events

_BY_NAME = {kind.__name__.lower(): kind for kind in COMMANDS}
_HINTS = {kind: get_type_hints(kind) for kind in COMMANDS}


def name_of(kind: type) -> str:
    """The ``type`` of a message's class."""
    return kind.__name__.lower()


def encode(event: Event) -> str:
    """An event without payload as the text of a frame."""
    return _json(event)


def pack(event: Event, payload: bytes) -> bytes:
    """An event with its payload: length of the JSON (uint32, little-endian), JSON, payload."""
    head = _json(event).encode()
    return struct.pack("<I", len(head)) + head + payload


def response(
    stamp: str, target_id: str, cells: np.ndarray, to_image: list[float]
) -> tuple[Response, bytes]:
    """A response map, rows x columns of 0..1, as an event with its payload; NaN is 0."""
    rows, columns = cells.shape
    values = np.clip(np.nan_to_num(cells) * 255, 0, 255).astype(np.uint8)
    return Response(stamp, target_id, rows, columns, to_image), values.tobytes()


def decode(text: str) -> tuple[int, Command]:
    """A command and its number, which its answer names.

    Raises:
        MessageError: it is none.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"no JSON: {error}") from error
    if not isinstance(message, dict):
        raise MessageError(f"a {type(message).__name__}: accepted is a JSON object")
    kind = _BY_NAME.get(str(message.pop("type", None)))
    if kind is None:
        raise MessageError(f"type: accepted is one of {', '.join(_BY_NAME)}")
    number = _checked("n", int, message.pop("n", 0))
    hints = _HINTS[kind]
    if message.keys() != hints.keys():
        wanted = ", ".join(hints) or "no field"
        raise MessageError(f"{name_of(kind)}: accepted is {wanted} besides type and n")
    values = {name: _checked(name, hints[name], value) for name, value in message.items()}
    if "stamp" in values and not (values["stamp"].isascii() and values["stamp"].isdecimal()):
        raise MessageError(f"stamp {values['stamp']!r}: accepted are nanoseconds, digits alone")
    return number, kind(**values)


def _checked(name: str, kind: Any, value: Any) -> Any:
    if kind is float and type(value) in (int, float) and abs(value) <= 1e9:
        return float(value)  # NaN and infinities are not within
    if kind is bool and type(value) is bool:
        return value
    if kind is int and type(value) is int and 0 <= value <= MAX_NUMBER:
        return value
    if kind is str and type(value) is str and 0 < len(value) <= MAX_TEXT and value.isprintable():
        return value
    accepted = {
        float: "a number within 1e9",
        bool: "true or false",
        int: f"a whole number, 0 to {MAX_NUMBER}",
        str: f"1 to {MAX_TEXT} printable characters",
    }[kind]
    raise MessageError(f"{name} {json.dumps(value)[:80]}: accepted is {accepted}")


def type_text(kind: Any) -> str:
    """A field's type as docs/web.md writes it."""
    if get_origin(kind) is list:
        return f"{type_text(get_args(kind)[0])}[]"
    return {str: "string", float: "number", int: "integer", bool: "bool"}.get(kind) or name_of(kind)


def _json(event: Event) -> str:
    return json.dumps(
        {"type": name_of(type(event)), **_fields(event)},
        default=_fields,
        separators=(",", ":"),
    )


def _fields(message: Any) -> dict[str, Any]:
    return {field.name: _finite(getattr(message, field.name)) for field in fields(message)}


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    return 0.0 if isinstance(value, float) and not math.isfinite(value) else value
