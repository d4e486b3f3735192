"""Tables of options: dataclasses that several commands, or long ones, take as one argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, get_type_hints


def with_tables(command: Callable[..., None]) -> Callable[..., None]:
    """Give a typer command every option of the tables that it takes.

    A table is a dataclass; each of its fields is annotated as typer's options are. The options
    stand in the help where the table stands among the command's parameters.
    """
    hints = get_type_hints(command, include_extras=True)
    names = inspect.signature(command).parameters
    tables = {name: hints[name] for name in names if is_dataclass(hints[name])}
    options: list[inspect.Parameter] = []
    for name, parameter in names.items():
        if name in tables:
            options += _options(tables[name])
        else:
            options.append(_keyword(parameter, hints[name]))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        filled = {
            name: table(**{option.name: values.pop(option.name) for option in _options(table)})
            for name, table in tables.items()
        }
        command(**filled, **values)

    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _options(table: type) -> list[inspect.Parameter]:
    hints = get_type_hints(table, include_extras=True)
    fields = inspect.signature(table).parameters.values()
    return [_keyword(field, hints[field.name]) for field in fields]


def _keyword(parameter: inspect.Parameter, annotation: Any) -> inspect.Parameter:
    return parameter.replace(annotation=annotation, kind=inspect.Parameter.KEYWORD_ONLY)
