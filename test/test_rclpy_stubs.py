"""What `make lint` believes of rclpy, compared with the installed one."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

STUBS = Path(__file__).parent / "stubs"
SET_IN_INIT = {"_state_machine", "callback", "qos_profile", "srv_type"}  # of objects only


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(STUBS).with_suffix("").parts).removesuffix(".__init__")


def functions(body: list[ast.stmt], owner: object) -> Iterator[tuple[ast.FunctionDef, object]]:
    """Functions of a stub, also those of its classes, each with what it is an attribute of."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            yield statement, owner
        elif isinstance(statement, ast.ClassDef):
            yield from functions(statement.body, getattr(owner, statement.name))


def names(body: list[ast.stmt], owner: object) -> Iterator[tuple[str, object]]:
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield statement.name, owner
            yield from names(statement.body, getattr(owner, statement.name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, owner
        elif isinstance(statement, ast.Assign):
            yield from ((t.id, owner) for t in statement.targets if isinstance(t, ast.Name))


def own_parameters(function: ast.FunctionDef) -> set[str]:
    arguments = function.args
    given = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return {argument.arg for argument in given} - {"self", "cls"}


@pytest.mark.parametrize("path", sorted(STUBS.rglob("*.pyi")), ids=module_of)
def test_every_name_of_the_stubs_is_in_the_installed_rclpy(path: Path) -> None:
    body, module = ast.parse(path.read_text()).body, importlib.import_module(module_of(path))
    for name, owner in names(body, module):
        assert name in SET_IN_INIT or hasattr(owner, name), f"{owner}: {name}"
    for function, owner in functions(body, module):
        assert hasattr(owner, function.name), f"{owner}: {function.name}"
        made = getattr(owner, function.name)
        if isinstance(made, property) or function.name.startswith("__") or not callable(made):
            continue
        signature = inspect.signature(made).parameters
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.values())
        missing = own_parameters(function) - set(signature)
        assert takes_any or not missing, f"{owner}: {function.name} has no {missing}"
