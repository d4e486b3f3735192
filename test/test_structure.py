"""What keeps the sources easy to find one's way in: imports without circles, short files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "autrack_ros"
MOST_LINES = 400  # of a file
LONGEST = 60  # of a function, from its signature to its end


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(file: Path, modules: set[str]) -> Iterator[str]:
    """The package's own modules that a file imports, also within functions and for types."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else str(node.module) for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@cache
def graph(folder: Path) -> dict[str, set[str]]:
    files = {name_of(file): file for file in folder.rglob("*.py")}
    return {
        name: {other for other in imported(file, {*files}) if other in files and other != name}
        for name, file in files.items()
    }


def test_no_module_imports_itself_by_way_of_others() -> None:
    imports = graph(PACKAGE)
    assert "autrack_ros.tracking.engine" in imports["autrack_ros.tracking.tracker"]
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_a_circle_within_functions_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_structure.ROOT", tmp_path)
    (tmp_path / "a.py").write_text("def f():\n    import b\n")
    (tmp_path / "b.py").write_text("from a import f\n")
    with pytest.raises(CycleError):
        TopologicalSorter(graph(tmp_path)).prepare()


# The picture and the list of rooms in docs/architecture.md.

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LAYERS = (
    {"node", "select_target", "clip_publisher", "web", "demo", "replay"},
    {"cli", "evaluation", "training", "drawing", "messages"},
    {"tracking", "networks"},
)


def room_of(module: str) -> str:
    return module.split(".")[1]


def drawn_arrows() -> set[tuple[str, str]]:
    picture = ARCHITECTURE.split("```mermaid\n")[1].split("```")[0]
    arrows = set()
    for line in picture.splitlines():
        sides = [re.split(r" & ", side.strip()) for side in re.split(r"-\.?->", line)]
        for tails, heads in pairwise(sides):
            arrows |= set(product(tails, heads))
    return arrows


def imports_of_rooms() -> set[tuple[str, str]]:
    rooms = set.union(*LAYERS)
    pairs = {
        (room_of(module), room_of(other))
        for module, others in graph(PACKAGE).items()
        for other in others
        if "." in module and "." in other
    }
    return {(a, b) for a, b in pairs if a != b and {a, b} <= rooms}


def test_the_picture_of_the_house_shows_every_import_and_no_other() -> None:
    arrows, imports = drawn_arrows(), imports_of_rooms()
    assert arrows <= imports, "an arrow that is no import"
    reached = {*arrows}
    while more := {(a, d) for (a, b), (c, d) in product(reached, arrows) if b == c} - reached:
        reached |= more
    assert imports <= reached, "an import without a way in the picture"


def test_the_list_of_rooms_is_that_of_the_package() -> None:
    tree = ARCHITECTURE.split("```\nautrack_ros/\n")[1].split("```")[0]
    path: list[str] = []
    listed = set()
    for indent, name in re.findall(r"(?m)^( +)(\w+)/ ", tree):
        path[len(indent) // 2 - 1 :] = [name]
        listed.add("/".join(path))
    folders = {file.parent.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py")}
    assert listed == folders - {"."}
    assert {folder for folder in listed if "/" not in folder} == set.union(*LAYERS)


def test_rooms_import_only_downwards() -> None:
    depth = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
    upwards = {(a, b) for a, b in imports_of_rooms() if depth[a] > depth[b]}
    assert upwards == {("cli", "replay"), ("cli", "web")}  # for --live and --web alone


def test_the_folders_of_the_tests_are_those_of_what_is_tested() -> None:
    tests = {file.parent.relative_to(ROOT / "test") for file in ROOT.glob("test/**/test_*.py")}
    assert len(tests) > 20
    assert [
        str(each) for each in tests if not any((r / each).is_dir() for r in (PACKAGE, ROOT))
    ] == []


SOURCES = [
    file
    for folder in ("autrack_ros", "benchmarks", "examples", "launch", "test")
    for file in sorted((ROOT / folder).rglob("*.py"))
]


def test_no_file_is_long() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in SOURCES
        if not file.is_relative_to(ROOT / "test")
    }
    assert lengths
    assert {file: length for file, length in lengths.items() if length > MOST_LINES} == {}


def test_no_function_is_long() -> None:
    lengths = {
        f"{file.relative_to(ROOT)}:{node.name}": node.end_lineno - node.lineno + 1
        for file in SOURCES
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
