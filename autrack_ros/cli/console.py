"""Progress bars, tables and files that several commands share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

# Results go to stdout, all talk to stderr: a pipe sees results only.
err_console = Console(stderr=True, highlight=False)


def progress_bar() -> Progress:
    """A progress bar on stderr, shown on a terminal only; use it as a context manager."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=err_console,
        transient=True,
        disable=not err_console.is_terminal,
    )


def numbers_table(*titles: str) -> Table:
    """An empty table with these columns: a name first, then numbers."""
    made = Table(box=box.SIMPLE_HEAD, padding=0)
    made.add_column(titles[0], overflow="fold")
    for title in titles[1:]:
        made.add_column(title, justify="right", no_wrap=True)
    return made


def long_term_table(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    """What ``evaluation.long_term.summary`` gives of every run: a column each."""
    from autrack_ros.evaluation import long_term

    made = numbers_table("gone and found", *summaries)
    columns = [long_term.cells(summary) for summary in summaries.values()]
    for name, *cells in zip(long_term.COLUMNS, *columns, strict=True):
        made.add_row(name, *cells)
    return made


def write_json(target: str | Path, value: dict[str, Any]) -> None:
    """Write a summary to a file, or to stdout where ``target`` is ``-``."""
    text = json.dumps(value, indent=2)
    if str(target) == "-":
        print(text)
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")
