"""Bones: where they are and how they are turned."""

from __future__ import annotations

import numpy as np

NO_BONE = 255  # in files: the thing hangs at no bone
STILL = np.eye(4, dtype=np.float32)


def bone_matrices(bones: np.ndarray) -> np.ndarray:
    """Matrices from the coordinates of bones to those of the mesh.

    Args:
        bones: (B, 7) positions, and quaternions x y z w of any length.

    Returns:
        (B, 4, 4) float32.
    """
    lengths = np.maximum(np.linalg.norm(bones[:, 3:], axis=1), 1e-9)
    x, y, z, w = bones[:, 3:].T / lengths
    matrices = np.zeros((len(bones), 4, 4), np.float32)
    matrices[:, 0, 0], matrices[:, 0, 1] = 1 - 2 * (y * y + z * z), 2 * (x * y - z * w)
    matrices[:, 0, 2], matrices[:, 1, 0] = 2 * (x * z + y * w), 2 * (x * y + z * w)
    matrices[:, 1, 1], matrices[:, 1, 2] = 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)
    matrices[:, 2, 0], matrices[:, 2, 1] = 2 * (x * z - y * w), 2 * (y * z + x * w)
    matrices[:, 2, 2] = 1 - 2 * (x * x + y * y)
    matrices[:, :3, 3] = bones[:, :3]
    matrices[:, 3, 3] = 1
    return matrices
