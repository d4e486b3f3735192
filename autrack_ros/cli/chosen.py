"""Which tracker is measured: the options that choose another than ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from autrack_ros.cli.options import TrackerOptions
from autrack_ros.cli.version import version

if TYPE_CHECKING:
    from autrack_ros.evaluation.plugin import PluginTracker
    from autrack_ros.evaluation.presence_tracker import PresenceTracker
    from autrack_ros.evaluation.runner import Answer, FollowsTarget

PANEL = "Which tracker"

OURS = "autrack"
PEERS = ("csrt", "kcf", "nano", "vit")  # those of ``evaluation.peers``

DEFAULT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Table of the options that choose the tracker."""

    tracker: Annotated[
        str,
        typer.Option(
            metavar="NAME|MODULE:CLASS",
            help="autrack; csrt and kcf (OpenCV's contrib package); nano (OpenCV's) and vit "
            "(VitTrack, needs OpenVINO), with their model files; or any class with init(image, "
            "box) and update(image) -> box or (box, score), with RGB arrays and boxes x, y, w, h.",
            rich_help_panel=PANEL,
        ),
    ] = OURS
    backbone: Annotated[
        Path | None, typer.Option(help="Model file of nano.", rich_help_panel=PANEL)
    ] = None
    neckhead: Annotated[
        Path | None, typer.Option(help="Other model file of nano.", rich_help_panel=PANEL)
    ] = None
    net: Annotated[
        Path | None,
        typer.Option(
            help="Model file of vit: opencv_zoo's object_tracking_vittrack_2023sep.onnx.",
            rich_help_panel=PANEL,
        ),
    ] = None
    timeout: Annotated[
        float,
        typer.Option(
            min=0.001,
            metavar="SECONDS",
            help="A MODULE:CLASS that takes longer for a frame has failed.",
            rich_help_panel=PANEL,
        ),
    ] = DEFAULT_TIMEOUT_S

    def resolve(self, options: TrackerOptions, recover: bool) -> ChosenTracker:
        """The options of the tracker that was named.

        Raises:
            typer.BadParameter: there is none of the name, or an option of another was given too.
        """
        name, is_plugin = self.tracker, ":" in self.tracker
        if not is_plugin and name not in (OURS, *PEERS):
            raise _refused(f"{name!r}; accepted: {', '.join((OURS, *PEERS))}, or MODULE:CLASS")
        models = {"backbone": self.backbone, "neckhead": self.neckhead, "net": self.net}
        given = {model: path for model, path in models.items() if path is not None}
        foreign = [] if name in PEERS else list(given)
        if name != OURS:
            foreign += options.changed
            foreign += [] if recover else ["no_recover"]
        if not is_plugin and self.timeout != DEFAULT_TIMEOUT_S:
            foreign.append("timeout")
        if foreign:
            told = ", ".join("--" + option.replace("_", "-") for option in foreign)
            raise _refused(f"{name} does not take {told}")
        if is_plugin:
            return PluginOptions(name, self.timeout)
        return OurOptions(options, recover) if name == OURS else PeerOptions(name, given)


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
    """Another tracker that is known by name."""

    name: str
    models: dict[str, Path]

    def load(self) -> FollowsTarget[Answer]:
        """The tracker; see ``load_peer``."""
        from autrack_ros.evaluation.peers import load_peer

        return load_peer(self.name, self.models)

    def describe(self) -> dict[str, Any]:
        """All that its boxes depend on besides the images; see ``describe_peer``."""
        from autrack_ros.evaluation.peers import describe_peer

        told = describe_peer(self.name, self.models)
        return {**told, "versions": {"autrack_ros": version(), **told["versions"]}}


@dataclass(frozen=True, slots=True)
class PluginOptions:
    """Somebody else's class."""

    name: str
    timeout_s: float

    def load(self) -> PluginTracker:
        """The tracker; see ``PluginTracker``."""
        import cv2

        from autrack_ros.evaluation.plugin import PluginTracker

        return PluginTracker(self.name, cv2.getNumThreads(), self.timeout_s)

    def describe(self) -> dict[str, Any]:
        """What is known of what its boxes depend on besides the images."""
        from autrack_ros.evaluation.plugin import describe_plugin

        told = describe_plugin(self.name)
        return {**told, "versions": {"autrack_ros": version(), **told["versions"]}}


def _refused(words: str) -> typer.BadParameter:
    return typer.BadParameter(words, param_hint="'--tracker'")
