"""``autrack export``: a network's form as graphs that run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autrack_ros.cli.console import err_console


def export(
    preset: Annotated[str, typer.Option(help="Whose network; see 'autrack models'.")] = (
        "autrack_fear"
    ),
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Weights to compare with; else the shipped ones.", show_default=False),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(help="Gets the graphs; else the package, where they are used."),
    ] = None,
) -> None:
    """Write a network's graphs, and compare what they compute with torch.

    To be done after a change of the network's layers, not of its weights: the graphs have none, and
    every weights file of the network runs in them.

    [bold]Example[/bold]

    autrack export --preset autrack_fear
    """
    from autrack_ros.tracking.torch_presence import require_torch

    require_torch("autrack export")
    from autrack_ros.networks import NETWORKS
    from autrack_ros.networks.checkpoint import fill
    from autrack_ros.networks.export import compare, export_graphs
    from autrack_ros.tracking.checkpoint import read_checkpoint
    from autrack_ros.tracking.graphs import GRAPHS_DIR
    from autrack_ros.tracking.presets import find_preset

    chosen = find_preset(preset)
    weights = read_checkpoint(checkpoint or chosen.require_shipped_weights(), preset)
    network = NETWORKS[chosen.network]()
    fill(network, weights, preset)
    folder = output_dir or GRAPHS_DIR / chosen.network
    graphs = export_graphs(network.eval(), chosen, folder)
    err_console.print(f"wrote {folder}")
    for name, difference in compare(network, chosen, graphs).items():
        err_console.print(f"{name}: {difference:.1e} from torch")
