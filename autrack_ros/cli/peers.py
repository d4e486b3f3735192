"""The options of ``autrack evaluate`` that choose another tracker than ours."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autrack_ros.cli.options import TrackerOptions

if TYPE_CHECKING:
    from autrack_ros.evaluation.peers import PeerTracker

PANEL = "Which tracker"


class TrackerName(str, Enum):
    """Ours, and OpenCV's (``evaluation.peers``)."""

    autrack = "autrack"
    csrt = "csrt"
    kcf = "kcf"
    nano = "nano"
    vit = "vit"


TrackerOption = Annotated[
    TrackerName,
    typer.Option(
        "--tracker",
        help="autrack, or one of OpenCV's beside it: csrt and kcf (OpenCV's contrib package), nano "
        "and vit (with their model files).",
        rich_help_panel=PANEL,
    ),
]
BackboneOption = Annotated[
    Path | None, typer.Option(help="Model file of nano.", rich_help_panel=PANEL)
]
NeckheadOption = Annotated[
    Path | None, typer.Option(help="Other model file of nano.", rich_help_panel=PANEL)
]
NetOption = Annotated[Path | None, typer.Option(help="Model file of vit.", rich_help_panel=PANEL)]


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """One of OpenCV's trackers, with the methods of ``TrackerOptions``."""

    name: str
    models: dict[str, Path]

    def load(self) -> PeerTracker:
        """The tracker; see ``load_peer``."""
        from autrack_ros.evaluation.peers import load_peer

        return load_peer(self.name, self.models)

    def describe(self) -> dict[str, Any]:
        """All that its boxes depend on besides the images; see ``describe_peer``."""
        from autrack_ros.cli.app import version
        from autrack_ros.evaluation.peers import describe_peer

        told = describe_peer(self.name, self.models)
        return {**told, "versions": {"autrack_ros": version(), **told["versions"]}}


def chosen_tracker(
    name: TrackerName, options: TrackerOptions, models: dict[str, Path | None]
) -> TrackerOptions | PeerOptions:
    """The options of the tracker that was named.

    Raises:
        typer.BadParameter: an option of another tracker was given too.
    """
    given = {model: path for model, path in models.items() if path is not None}
    if name is not TrackerName.autrack:
        usual = TrackerOptions()
        changed = [
            option.name
            for option in fields(options)
            if getattr(options, option.name) != getattr(usual, option.name)
        ]
        if changed:
            told = ", ".join("--" + option.replace("_", "-") for option in changed)
            raise typer.BadParameter(f"{name.value} does not take {told}", param_hint="'--tracker'")
        return PeerOptions(name.value, given)
    if given:
        told = ", ".join(f"--{model}" for model in given)
        raise typer.BadParameter(f"autrack does not take {told}", param_hint="'--tracker'")
    return options
