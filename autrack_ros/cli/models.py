"""``autrack models``: the table of presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autrack_ros.tracking import Preset


def models() -> None:
    """List the models: size, licence, source, accuracy, and whether the weights are shipped.

    The size is in millions of parameters, or the shipped file's in megabytes. Weights that are not
    shipped are published by their authors under the source named below the table; download the
    file and give it with [bold]--checkpoint[/bold].

    [bold]Example[/bold]

    autrack track clip.mp4 --box 59,14,56,86 --preset siamfcpp_alexnet_vot --checkpoint weights.pkl
    """
    from rich import box
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from autrack_ros.tracking import DEFAULT_PRESET, PRESETS

    sources = list(dict.fromkeys(preset.source for preset in PRESETS.values()))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("preset and its accuracy", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    table.add_column("source", no_wrap=True)
    for preset in PRESETS.values():
        name = f"{preset.name} (default)" if preset.name == DEFAULT_PRESET else preset.name
        table.add_row(
            Text(name, "bold"),
            f"{preset.parameters:.2f} M",
            preset.license,
            _weights(preset),
            f"({sources.index(preset.source) + 1})",
        )
        table.add_row(Padding(Text(preset.accuracy, "dim"), (0, 0, 0, 2)))
    console = Console(highlight=False)
    console.print(table)
    for number, source in enumerate(sources, start=1):
        console.print(f"({number}) {source}", soft_wrap=True)
    console.print("supply: not in this package; get the file and give it with --checkpoint")


def _weights(preset: Preset) -> str:
    path = preset.shipped_weights
    return "supply" if path is None else f"{path.stat().st_size / 1e6:.1f} MB"
