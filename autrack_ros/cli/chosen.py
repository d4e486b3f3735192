"""The options of ``autrack evaluate`` that choose another tracker than ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from autrack_ros.cli.options import TrackerOptions

if TYPE_CHECKING:
    from autrack_ros.evaluation.peers import PeerTracker
    from autrack_ros.evaluation.presence_tracker import PresenceTracker
    from autrack_ros.evaluation.runner import Answer, FollowsTarget

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


class ChosenTracker(Protocol):
    """What a run is told to measure."""

    @property
    def name(self) -> str:
        """In tables and submissions."""

    def load(self) -> FollowsTarget[Answer]:
        """The tracker."""

    def describe(self) -> dict[str, Any]:
        """All that its boxes depend on besides the images; see ``open_results``."""


@dataclass(frozen=True, slots=True)
class OurOptions:
    """Our tracker, with recovery or bare."""

    options: TrackerOptions
    recover: bool

    @property
    def name(self) -> str:
        """The preset."""
        return self.options.preset

    def load(self) -> PresenceTracker:
        """See ``TrackerOptions.load_with_presence``."""
        return self.options.load_with_presence(self.recover)

    def describe(self) -> dict[str, Any]:
        """See ``TrackerOptions.describe``."""
        from autrack_ros.evaluation.presence_tracker import presence_settings

        presence = asdict(presence_settings(self.recover))
        return {**self.options.describe(), "recover": self.recover, "presence": presence}


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """One of OpenCV's trackers."""

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
    name: TrackerName, options: TrackerOptions, recover: bool, models: dict[str, Path | None]
) -> ChosenTracker:
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
        if not recover:
            changed.append("no_recover")
        if changed:
            told = ", ".join("--" + option.replace("_", "-") for option in changed)
            raise typer.BadParameter(f"{name.value} does not take {told}", param_hint="'--tracker'")
        return PeerOptions(name.value, given)
    if given:
        told = ", ".join(f"--{model}" for model in given)
        raise typer.BadParameter(f"autrack does not take {told}", param_hint="'--tracker'")
    return OurOptions(options, recover)
