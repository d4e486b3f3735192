"""What is fitted to a network on the validation clips, and kept in the metadata of its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from autrack_ros.networks.siamese import SiameseNetwork
from autrack_ros.tracking.adaptation import AdaptationSettings
from autrack_ros.tracking.calibration import Calibration
from autrack_ros.tracking.engine import TrackingEngine
from autrack_ros.tracking.presets import Preset
from autrack_ros.training.validation.calibration import (
    CalibrationError,
    cross_validate,
    reliability_diagram,
)
from autrack_ros.training.validation.evidence import fit_evidence, look_at
from autrack_ros.training.validation.measuring import ValidationSet, runtime_of


def calibrate(
    network: SiameseNetwork, preset: Preset, clips: ValidationSet, output_dir: Path
) -> dict[str, str]:
    """Track the validation clips with the update, as users do, and fit the score to the overlaps.

    What a target's likeness says beside the score is fitted without the update. Writes
    ``validation.json`` and ``reliability.png``. Where nothing can be fitted, the first says why: a
    training is worth its weights without it.

    Returns:
        what was fitted, for the metadata of the weights.
    """
    plain = clips.evaluate(network, preset)
    updated = clips.evaluate(network, preset, AdaptationSettings())
    summary: dict[str, Any] = {
        "auc": {
            result.clip.name: {"no_update": round(result.auc, 4), "update": round(other.auc, 4)}
            for result, other in zip(plain.clips, updated.clips, strict=True)
        },
        "mean_auc": {
            "no_update": {"real": plain.real_auc, "made": plain.made_auc, "all": plain.auc},
            "update": {"real": updated.real_auc, "made": updated.made_auc, "all": updated.auc},
        },
        "groups": {
            word: {"no_update": asdict(score), "update": asdict(updated.by_attribute[word])}
            for word, score in plain.by_attribute.items()
        },
    }
    metadata: dict[str, str] = {}
    try:
        fitted = cross_validate(updated.samples, folds=min(5, len(updated.clips)))
    except CalibrationError as error:
        summary["calibration"] = str(error)
    else:
        summary["calibration"] = asdict(fitted.calibration)
        metadata = fitted.calibration.to_metadata()
        summary["score"] = {"as_it_is": asdict(fitted.before), "calibrated": asdict(fitted.after)}
        reliability_diagram(fitted.probabilities, fitted.outcomes, output_dir / "reliability.png")
        metadata |= _evidence(network, preset, clips, fitted.calibration, summary)
    (output_dir / "validation.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
    return metadata


def _evidence(
    network: SiameseNetwork,
    preset: Preset,
    clips: ValidationSet,
    calibration: Calibration,
    summary: dict[str, Any],
) -> dict[str, str]:
    """Metadata of what the likeness says; a note in the summary, whatever became of it."""
    engine = TrackingEngine(runtime_of(network, preset, "cpu"), preset, calibration)
    try:
        evidence = fit_evidence(look_at(engine, clips.clips))
    except CalibrationError as error:
        summary["likeness"] = str(error)
        return {}
    summary["likeness"] = asdict(evidence)
    return evidence.to_metadata()


def save_weights(network: nn.Module, metadata: Mapping[str, str], path: Path) -> None:
    """Write the weights, safetensors, readable for all."""
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    save_file(state, path, dict(metadata))
    path.chmod(0o644)  # safetensors writes for the owner alone; weights are to be shared
