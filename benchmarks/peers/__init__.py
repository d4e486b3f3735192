"""Our tracker beside light trackers of others, in one run: ``python -m benchmarks.peers``.

A peer is a class in a file of its own: ``files`` (its networks, below the folder of peers),
``init(image, box)`` and ``update(image) -> box`` with boxes x, y, w, h in edge coordinates and
images HxWx3 uint8 BGR, and ``frame_networks``, what it computes in a frame. They are written anew
from what is known of each; nothing of their code is here.

None of this may import torch, for a peer's memory is measured in a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from autrack_ros.evaluation.peers.networks import Network
from benchmarks.peers.fear_xs import FearXS
from benchmarks.peers.lighttrack import LightTrack
from benchmarks.peers.nanotrack import NanoTrack
from benchmarks.peers.vittrack import VitTrack


class Peer(Protocol):
    """What a peer is."""

    frame_networks: Sequence[Network]

    def init(self, image: np.ndarray, box: tuple[float, ...]) -> None:
        """Take a target."""

    def update(self, image: np.ndarray) -> tuple[float, ...]:
        """Find the target in the next image."""


class MakesPeer(Protocol):
    """The class of a peer."""

    files: tuple[str, ...]

    def __call__(self, folder: Path, threads: int = 1) -> Peer:
        """Read its files."""


PEERS: dict[str, MakesPeer] = {
    "NanoTrack v2": NanoTrack,
    "LightTrack-M": LightTrack,
    "FEAR-XS": FearXS,
    "VitTrack": VitTrack,
}
