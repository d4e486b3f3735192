"""Trackers that a user could pick in place of ours, by name, in the form that a run takes.

None of this loads torch: ``benchmarks.peers`` measures what memory such a tracker takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autrack_ros.evaluation.peers import vit
from autrack_ros.evaluation.peers.networks import openvino_version
from autrack_ros.evaluation.peers.opencv import OPENCV, PeerTracker
from autrack_ros.tracking.errors import CheckpointError, ConfigurationError

# Names of their model files.
PEERS: Mapping[str, tuple[str, ...]] = {
    **{name: peer.models for name, peer in OPENCV.items()},
    "vit": ("net",),
}


def load_peer(name: str, models: Mapping[str, Path]) -> PeerTracker | vit.VitTracker:
    """A tracker, ready to start, with as many processor threads as OpenCV has now.

    Args:
        name: in ``PEERS``.
        models: its model files.

    Raises:
        ConfigurationError: what it needs is not installed, or a model file is missing or too many.
        CheckpointError: a model file cannot be read.
    """
    _check(name, models)
    if name == "vit":
        return vit.VitTracker(models["net"], cv2.getNumThreads())
    return OPENCV[name].load(models)


def describe_peer(name: str, models: Mapping[str, Path]) -> dict[str, Any]:
    """All that its boxes depend on besides the images, as ``open_results`` wants it.

    Raises:
        ConfigurationError: see ``load_peer``.
        CheckpointError: a model file cannot be read.
    """
    _check(name, models)
    try:
        hashes = {
            model: hashlib.sha256(models[model].read_bytes()).hexdigest() for model in PEERS[name]
        }
    except OSError as error:
        raise CheckpointError(f"{error.filename}: {error.strerror}") from error
    versions = {"numpy": np.__version__, "opencv": cv2.__version__}
    if name == "vit":
        versions["openvino"] = openvino_version()
    return {
        "model_sha256": hashes or None,
        "device": "cpu",
        "threads": cv2.getNumThreads(),
        "versions": versions,
    }


def _check(name: str, models: Mapping[str, Path]) -> None:
    if name not in PEERS:
        raise ConfigurationError(f"tracker {name!r}: accepted is one of {', '.join(PEERS)}")
    if name == "vit":
        openvino_version()
    else:
        OPENCV[name].check_installed()
    if set(models) != set(PEERS[name]):
        raise ConfigurationError(
            f"tracker {name}: its model files are {', '.join(PEERS[name]) or 'none'}; "
            f"given: {', '.join(models) or 'none'}"
        )
