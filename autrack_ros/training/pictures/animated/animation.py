"""Animations of 0 A.D.'s skeletons (``.psa``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autrack_ros.training.pictures.animated.binary import BinaryReader
from autrack_ros.training.pictures.animated.skeleton import bone_matrices
from autrack_ros.training.sources import DataError

VERSION = 1


@dataclass(frozen=True, slots=True)
class Animation:
    """F poses of a skeleton of B bones.

    Attributes:
        frames: (F, B, 7) float32 positions and quaternions x y z w in the coordinates of the mesh.
    """

    frames: np.ndarray

    def pose(self, phase: float) -> np.ndarray:
        """(B, 4, 4) matrices at a phase; 0 is the beginning, 1 the end and again the beginning."""
        place = (phase % 1) * len(self.frames)
        before = int(place) % len(self.frames)
        first, second = self.frames[before], self.frames[(before + 1) % len(self.frames)]
        # q and -q are one rotation: take the nearer of the two.
        aligned = (first[:, 3:] * second[:, 3:]).sum(axis=1, keepdims=True) >= 0
        second = np.concatenate([second[:, :3], np.where(aligned, 1, -1) * second[:, 3:]], axis=1)
        return bone_matrices(first + (place - int(place)) * (second - first))


def read_animation(data: bytes, where: str) -> Animation:
    """Read an animation.

    Raises:
        DataError: this is no animation of that version, or broken; names the file ``where``.
    """
    reader = BinaryReader(data, where)
    reader.expect(b"PSSA", VERSION)
    reader.number()  # size
    reader.text()  # name
    reader.floats(1)  # how long a frame lasts
    bones, frames = reader.numbers(2)
    if not (bones and frames):
        raise DataError(f"{where}: {frames} frames of {bones} bones")
    return Animation(reader.floats(frames, bones, 7))
