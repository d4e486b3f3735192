"""``autrack train``: train a model from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autrack_ros.cli.console import err_console, progress_bar


def train(
    config: Annotated[
        Path, typer.Argument(help="What to train, on which data and how: a YAML file.")
    ] = Path("config/training/autrack_fear.yaml"),
    output_dir: Annotated[
        Path, typer.Option(help="Gets the weights, the log and the learning curve.")
    ] = Path("train_output"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    show_pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="PICTURE", help="Only write a picture of the first training pairs here."
        ),
    ] = None,
) -> None:
    """Train a model from a configuration file; go on where an interrupted training stopped.

    [bold]Examples[/bold]

    autrack train config/training/autrack_fear.yaml --output-dir train_output

    autrack train --show-pairs pairs.png
    """
    from autrack_ros.tracking.torch_presence import require_torch

    require_torch("autrack train")
    from autrack_ros.training import loop

    if show_pairs is not None:
        loop.show_pairs(config, show_pairs)
        err_console.print(f"wrote {show_pairs}")
        return
    output_dir.mkdir(parents=True, exist_ok=True)
    with progress_bar() as progress:
        tasks = {}

        def report(stage: str, done: int, total: int, note: str) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total, note="")
            progress.update(tasks[stage], completed=done, total=total, note=note)

        weights = loop.train(config, output_dir, device, report)
    err_console.print(f"wrote {weights}")
