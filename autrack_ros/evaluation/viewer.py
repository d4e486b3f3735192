"""Pictures of some frames, one at a time, with a slider that the arrow keys move.

A page that holds viewers needs ``STYLE`` and ``SCRIPT``. Without JavaScript and on
paper, one picture is seen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

import numpy as np

_HERE = Path(__file__)
STYLE = _HERE.with_suffix(".css").read_text(encoding="utf-8")
SCRIPT = _HERE.with_suffix(".js").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A picture of a frame.

    Attributes:
        index: of the frame, from 0.
        source: of the picture, such as ``page.jpeg_source`` gives.
        told: what is to be known of it, also for who does not see it.
    """

    index: int
    source: str
    told: str


def viewer(
    name: str,
    frames: Sequence[ShownFrame],
    at: int,
    course: str = "",
    jumps: Sequence[tuple[int, str]] = (),
) -> str:
    """HTML of one viewer.

    Args:
        name: what the slider chooses frames of.
        frames: in order, one or more.
        at: place in ``frames`` of the one that is shown first.
        course: of ``course``; a line in it marks the frame that is shown.
        jumps: places in ``frames`` that have a button, and its words.
    """
    data = json.dumps([asdict(frame) for frame in frames]).replace("<", "\\u003c")
    first = frames[at]
    label = escape(f"Frame of {name}", quote=True)
    buttons = "".join(
        f'<li><button type="button" value="{place}">{escape(words)}</button></li>'
        for place, words in jumps
    )
    listed = f'<p>Go to:</p><ul class="jumps">{buttons}</ul>' if buttons else ""
    return (
        f'<div class="viewer"><img src="{first.source}" alt="{escape(first.told, quote=True)}">'
        f'{course}<input type="range" min="0" max="{len(frames) - 1}" value="{at}" '
        f'aria-label="{label}"><p class="told">{escape(first.told)}</p>{listed}'
        f'<script type="application/json">{data}</script></div>'
    )


def course(
    alternative: str, curves: Sequence[tuple[np.ndarray, str, str]], start: int, end: int
) -> str:
    """HTML of small curves of overlaps over all frames of a sequence, with one stretch marked.

    Args:
        alternative: what they show, for who does not see it.
        curves: overlaps, N each, 0..1 or NaN; with colour and dashes as SVG has them.
        start: index of the stretch's first frame.
        end: of its last.
    """
    count = len(curves[0][0])
    lines = "".join(
        f'<path d="{_path(values)}" stroke="{color}" stroke-dasharray="{dashes}"/>'
        for values, color, dashes in curves
    )
    return (
        f'<div class="course"><svg viewBox="0 0 {count} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(alternative, quote=True)}">'
        f'<rect x="{start}" y="0" width="{end - start + 1}" height="100"/>{lines}'
        '<line class="now" x1="0" x2="0" y1="0" y2="100"/></svg>'
        '<p aria-hidden="true"><span>frame 1</span><span>overlap, 0 to 1</span>'
        f"<span>{count}</span></p></div>"
    )


def _path(values: np.ndarray) -> str:
    words, pen = [], "M"
    for index, value in enumerate(values):
        if np.isnan(value):
            pen = "M"
        else:
            words.append(f"{pen}{index + 0.5:g} {100 - 100 * value:.1f}")
            pen = "L"
    return "".join(words)
