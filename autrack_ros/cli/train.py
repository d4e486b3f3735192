"""``autrack train``: train a model from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[
        Path, typer.Argument(help="A training configuration, YAML.", show_default=False)
    ],
    output_dir: Annotated[
        Path, typer.Option(help="Weights, log and learning curve go here.")
    ] = Path("train_output"),
) -> None:
    """Train a model from a configuration file: one command, a fixed seed, a log.

    [bold]Example[/bold]

    autrack train training/autrack_lite0.yaml --output-dir train_output
    """
    from autrack_ros.training import train as run

    run(config, output_dir)
