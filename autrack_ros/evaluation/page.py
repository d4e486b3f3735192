"""A static page: one HTML file with everything in it, readable offline, on a phone and on paper."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

_STYLE = Path(__file__).with_suffix(".css")


def page(title: str, body: Iterable[str], style: str = "", script: str = "") -> str:
    """A whole page.

    Args:
        title: plain text.
        body: HTML, part by part; the first is to hold the h1.
        style: further CSS.
        script: JavaScript, run when the page is there; may be empty.
    """
    parts = "\n".join(body)
    style_sheet = _STYLE.read_text(encoding="utf-8")
    tail = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{style_sheet}{style}</style>\n</head>\n<body>\n"
        f"<main>\n{parts}\n</main>\n{tail}</body>\n</html>\n"
    )


def numbers(entries: Iterable[tuple[str, str]]) -> str:
    """Large numbers with their names, side by side."""
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in entries
    )
    return f'<dl class="numbers">{cells}</dl>'


def facts(entries: Iterable[tuple[str, str]]) -> str:
    """Names and values, one below the other."""
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in entries)
    return f'<dl class="facts">{cells}</dl>'


def table(
    name: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    links: Mapping[str, str] | None = None,
) -> str:
    """A table of plain texts, which scrolls by itself where the screen is narrow.

    Args:
        name: what it shows, for who does not see it.
        head: of the columns.
        rows: a text a column.
        links: addresses of what first columns name.
    """

    def cells(row: Sequence[str]) -> str:
        first, *rest = map(escape, row)
        address = (links or {}).get(row[0])
        shown = f'<a href="{escape(address, quote=True)}">{first}</a>' if address else first
        return "".join(f"<td>{cell}</td>" for cell in (shown, *rest))

    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{cells(row)}</tr>" for row in rows)
    return scrolling(name, f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")


def scrolling(name: str, content: str, kind: str = "wide") -> str:
    """Something wide; the keyboard can scroll it."""
    label = escape(name, quote=True)
    attributes = f'class="{kind}" role="region" tabindex="0" aria-label="{label}"'
    return f"<div {attributes}>{content}</div>"


def figure(source: str, alternative: str, caption: str = "") -> str:
    """A picture.

    Args:
        source: of ``svg_source`` or ``jpeg_source``.
        alternative: what it shows, for who does not see it.
        caption: plain text below it.
    """
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{source}" alt="{escape(alternative, quote=True)}">{below}</figure>'


def svg_source(path: Path) -> str:
    """An SVG file as the source of a picture."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def jpeg_source(data: bytes) -> str:
    """JPEG data as the source of a picture."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
