"""Links of the pages: files, anchors, and the site's list of pages. No network is used."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "benchmarks" / "README.md",
    ROOT / "autrack_ros" / "demo" / "README.md",
    *sorted((ROOT / "autrack_ros" / "tracking" / "weights").glob("*.md")),
]
pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="no docs folder beside the tests"
)


@dataclass
class Page:
    """What links lead to, and where they lead."""

    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


@cache
def read(path: Path) -> Page:
    page = Page()
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    for token, content in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and content is not None:
            page.anchors.add(anchor(content, page.anchors))
    for token in inline(tokens):
        target = token.attrGet("href") if token.type == "link_open" else token.attrGet("src")
        if target is not None:
            page.links.append(unquote(str(target)))
        page.links += re.findall(r'(?:src|href)="([^"]+)"', token.content * ("html" in token.type))
    return page


def inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from inline(token.children or [])


def anchor(heading: Token, taken: set[str]) -> str:
    """As GitHub names it: letters, digits, hyphens; a number where there is one of the name."""
    text = "".join(token.content for token in heading.children or [])
    name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    return next(n for n in (name, *(f"{name}-{i}" for i in range(1, 99))) if n not in taken)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    broken = []
    for link in read(path).links:
        file, _, heading = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue  # elsewhere
        target = (path.parent / file).resolve() if file else path
        found = target.exists() and target.is_relative_to(ROOT)
        if not found or (heading and heading not in read(target).anchors):
            broken.append(link)
    assert broken == []


def test_links_are_found_at_all() -> None:
    page = read(ROOT / "README.md")
    assert {"docs/first_target.md", "docs/images/demo.jpg"} <= set(page.links)
    assert {"on-a-robot", "what-do-you-want-to-do"} <= page.anchors


def test_the_site_has_every_page_and_no_other() -> None:
    if sys.version_info < (3, 11):
        pytest.skip("tomllib is there from Python 3.11 on")
    import tomllib

    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = [ROOT / page for page in leaves(settings["project"]["nav"])]
    assert sorted(listed) == sorted(PAGES)


def leaves(item: object) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    else:
        for part in item.values() if isinstance(item, dict) else item:  # type: ignore[attr-defined]
            yield from leaves(part)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
