"""Where a run is computed: the options that choose this machine or a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from autrack_ros.cli.chosen import ChosenTracker, OurOptions
from autrack_ros.cli.extras import require

if TYPE_CHECKING:
    from autrack_ros.evaluation.benchmark import Engine

PANEL = "Where it runs"


class EngineName(str, Enum):
    """What can be asked for."""

    local = "local"
    ray = "ray"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Table of the options that say where a run is computed."""

    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="1",
            help="Sequences or bags tracked at a time on this machine, each by a process.",
            rich_help_panel=PANEL,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="cores",
            help="Processor threads of each job. Boxes depend on them a little, not on --jobs.",
            rich_help_panel=PANEL,
        ),
    ] = None
    engine: Annotated[
        EngineName,
        typer.Option(
            help="ray: as tasks of a Ray cluster, as many at a time as it has --threads cores for.",
            rich_help_panel=PANEL,
        ),
    ] = EngineName.local
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of the Ray cluster, as ray.init takes it: auto, HOST:6379, ray://HOST:10001. By "
            "default that of RAY_ADDRESS, or one that is started here.",
            rich_help_panel=PANEL,
        ),
    ] = None

    def resolve(self, chosen: ChosenTracker) -> Engine:
        """What computes; call it when the threads are set.

        Args:
            chosen: the tracker; only workers that have the same take part.

        Raises:
            typer.BadParameter: an option of another engine was given.
            ConfigurationError: Ray is not installed.
        """
        if self.engine is EngineName.local:
            from autrack_ros.evaluation.local_engine import LocalEngine

            if self.address is not None:
                raise typer.BadParameter("goes with --engine ray", param_hint="'--address'")
            return LocalEngine(self.jobs or 1)
        if self.jobs is not None:
            raise typer.BadParameter("goes with --engine local", param_hint="'--jobs'")
        require(ray="ray")
        from autrack_ros.evaluation.ray_engine import RayEngine
        from autrack_ros.tracking.threads import thread_count

        on_gpu = isinstance(chosen, OurOptions) and chosen.options.device.startswith("cuda")
        return RayEngine(chosen.describe, thread_count(), int(on_gpu), self.address)
