"""The options of a tracker, shared by every command that runs one."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autrack_ros.cli.version import version

if TYPE_CHECKING:
    from autrack_ros.evaluation.presence_tracker import PresenceTracker
    from autrack_ros.tracking import AdaptationSettings, Box, Tracker

RecoverOption = Annotated[
    bool,
    typer.Option(
        "--recover/--no-recover",
        help="As in the node: a target may be LOST, and is looked for. Or the bare tracker.",
    ),
]
JsonOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write every number here; - is stdout.")
]
_MODEL = "Model"
_ADAPTATION = "Template update"


@dataclass(frozen=True, slots=True)
class TrackerOptions:
    """Table of the options; a field is an option, and its value on the command line.

    Defaults are those of ``load_tracker`` and ``AdaptationSettings``; they stand here once more
    because ``--help`` must not wait for those to load (a test compares them).
    """

    preset: Annotated[
        str,
        typer.Option(help="Model and settings; see 'autrack models'.", rich_help_panel=_MODEL),
    ] = "autrack_fear"
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Weights file, where the preset's are not shipped or others are wanted.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = None
    device: Annotated[
        str,
        typer.Option(
            help="auto (CUDA if there is one), cpu, cuda or cuda:N.", rich_help_panel=_MODEL
        ),
    ] = "auto"
    runtime: Annotated[
        str,
        typer.Option(
            help="auto (OpenVINO on a CPU, for the project's own models), torch or openvino.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto"
    precision: Annotated[
        str,
        typer.Option(
            help="f32, or in OpenVINO bf16, where the processor has it.", rich_help_panel=_MODEL
        ),
    ] = "f32"
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt/--no-adapt",
            help="Adapt the template's pixels to the target before tracking.",
            rich_help_panel=_ADAPTATION,
        ),
    ] = True
    adapt_method: Annotated[
        str,
        typer.Option(
            help="bim, fgsm (one step), pgd (random start), momentum or l2.",
            rich_help_panel=_ADAPTATION,
        ),
    ] = "bim"
    adapt_steps: Annotated[
        int, typer.Option(help="Number of steps.", rich_help_panel=_ADAPTATION)
    ] = 16
    adapt_step_size: Annotated[
        float, typer.Option(help="Grey levels a step.", rich_help_panel=_ADAPTATION)
    ] = 0.25
    adapt_epsilon: Annotated[
        float,
        typer.Option(help="Largest change of a pixel, grey levels.", rich_help_panel=_ADAPTATION),
    ] = 8.0
    adapt_loss: Annotated[
        str,
        typer.Option(
            help="training (the network's own) or mtp (as the published code).",
            rich_help_panel=_ADAPTATION,
        ),
    ] = "training"
    adapt_support_crops: Annotated[
        int,
        typer.Option(
            help="Crops of frame 1 that the loss is taken on; 1 is the centred one.",
            rich_help_panel=_ADAPTATION,
        ),
    ] = 6
    adapt_support_shift: Annotated[
        float,
        typer.Option(
            help="Range of their shift, part of the search region's side.",
            rich_help_panel=_ADAPTATION,
        ),
    ] = 0.16
    adapt_support_scale: Annotated[
        float,
        typer.Option(help="Range of the logarithm of their scale.", rich_help_panel=_ADAPTATION),
    ] = 0.18
    adapt_seed: Annotated[
        int, typer.Option(help="Seed of the random choices.", rich_help_panel=_ADAPTATION)
    ] = 0
    adapt_budget_ms: Annotated[
        float,
        typer.Option(
            help="Stop after so many milliseconds; 0: no limit.", rich_help_panel=_ADAPTATION
        ),
    ] = 0.0
    adapt_min_target_side: Annotated[
        float,
        typer.Option(
            help="Targets smaller than this, px, are not adapted.", rich_help_panel=_ADAPTATION
        ),
    ] = 8.0
    adapt_hypotheses: Annotated[
        bool,
        typer.Option(
            "--adapt-hypotheses/--no-adapt-hypotheses",
            help="Search with the template as cut, too.",
            rich_help_panel=_ADAPTATION,
        ),
    ] = True

    @property
    def changed(self) -> list[str]:
        """Names of the options that are not as by default."""
        usual = TrackerOptions()
        names = [option.name for option in fields(self)]
        return [name for name in names if getattr(self, name) != getattr(usual, name)]

    def adaptation(self) -> AdaptationSettings:
        """The settings of the template update.

        Raises:
            ConfigurationError: a value outside what is accepted.
        """
        from autrack_ros.tracking import AdaptationSettings

        given = {
            option.name.removeprefix("adapt_"): getattr(self, option.name)
            for option in fields(self)
            if option.name.startswith("adapt_")
        }
        settings = AdaptationSettings(**given)
        return settings if self.adapt else AdaptationSettings(method="none")

    def load(self) -> Tracker:
        """The tracker.

        Raises:
            ConfigurationError, CheckpointError, DeviceError: see ``load_tracker``.
        """
        from autrack_ros.tracking import load_tracker

        return load_tracker(
            self.preset,
            self.checkpoint,
            self.device,
            self.adaptation(),
            self.runtime,
            self.precision,
        )

    def load_with_presence(self, recover: bool) -> PresenceTracker:
        """The tracker as the node follows a target, or without recovery as it is.

        Raises:
            ConfigurationError, CheckpointError, DeviceError: see ``load_tracker``.
        """
        from autrack_ros.evaluation.presence_tracker import PresenceTracker, presence_settings

        return PresenceTracker(self.load(), presence_settings(recover))

    def describe(self) -> dict[str, Any]:
        """All that this tracker's boxes depend on besides the images; it is not loaded.

        The hash of the weights, the settings, where it computes and with which versions: processor
        threads and versions round sums otherwise.

        Raises:
            ConfigurationError, CheckpointError, DeviceError: see ``load_tracker``.
        """
        from importlib.metadata import version as version_of

        import cv2
        import numpy as np

        from autrack_ros.tracking import CheckpointError, resolve_device
        from autrack_ros.tracking.presets import find_preset
        from autrack_ros.tracking.runtimes import resolve_runtime
        from autrack_ros.tracking.threads import thread_count

        preset = find_preset(self.preset)
        weights = self.checkpoint or preset.require_shipped_weights()
        try:
            digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        except OSError as error:
            raise CheckpointError(f"{weights}: {error.strerror}") from error
        device = resolve_device(self.device)
        runtime = resolve_runtime(self.runtime, device, preset)
        return {
            "preset": self.preset,
            "model_sha256": digest,
            "adaptation": asdict(self.adaptation()),
            "device": device,
            "runtime": runtime,
            "precision": self.precision,
            "threads": thread_count(),
            "versions": {
                "autrack_ros": version(),
                "numpy": np.__version__,
                "opencv": cv2.__version__,
                runtime: version_of(runtime),
            },
        }


def parse_box(text: str, option: str = "--box") -> Box:
    """The box of an option such as ``--box X,Y,W,H``.

    Raises:
        typer.BadParameter: not four finite numbers.
    """
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4 or not all(map(math.isfinite, values)):
        raise typer.BadParameter(
            f"{text!r}; accepted: four numbers X,Y,W,H in pixels, such as 59,14,56,86",
            param_hint=f"'{option}'",
        )
    from autrack_ros.tracking import Box

    return Box(*values)
