"""What keeps the sources easy to find one's way in: imports without circles, short files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "autrack_ros"
MOST_LINES = 400  # of a file
LONGEST = 60  # of a function, from its signature to its end


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(file: Path, modules: set[str]) -> Iterator[str]:
    """The package's own modules that a file imports, also within functions and for types."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else str(node.module) for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


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
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
