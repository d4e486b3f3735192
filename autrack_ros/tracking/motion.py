"""A constant-velocity Kalman filter: where something is and how fast it moves, from places seen.

State of N coordinates: position and velocity. The velocity wanders: white noise of acceleration
with the spectral density ``agility ** 2``, so that its standard deviation grows by ``agility``
within a second, however the second is divided into steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, slots=True)
class MotionState:
    """Where something is and how it moves; immutable. Units: those of the places, and seconds.

    Attributes:
        mean: (2N,) float64, position before velocity.
        covariance: (2N, 2N) float64 of that.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def first(cls, position: np.ndarray, covariance: np.ndarray, speed: float) -> MotionState:
        """The state after a first place.

        Args:
            position: (N,).
            covariance: (N, N) of it.
            speed: standard deviation of the velocity, which is not known yet, along each axis.
        """
        count = len(position)
        joint = np.zeros((2 * count, 2 * count))
        joint[:count, :count] = covariance
        joint[count:, count:] = np.eye(count) * speed**2
        return cls(np.concatenate([position, np.zeros(count)]), joint)

    @property
    def position(self) -> np.ndarray:
        """(N,)."""
        return self.mean[: len(self.mean) // 2]

    @property
    def velocity(self) -> np.ndarray:
        """(N,) a second."""
        return self.mean[len(self.mean) // 2 :]

    @property
    def position_covariance(self) -> np.ndarray:
        """(N, N)."""
        count = len(self.mean) // 2
        return self.covariance[:count, :count]

    def after(self, seconds: float, agility: float) -> MotionState:
        """The state some time later, without having seen anything.

        Args:
            seconds: at least 0.
            agility: by how much the velocity may change within a second, standard deviation.
        """
        one, shift, noises = _basis(len(self.mean) // 2)
        step = one + seconds * shift
        parts = np.array([seconds**3 / 3, seconds**2 / 2, seconds]) * agility**2
        joint = step @ self.covariance @ step.T + (parts @ noises).reshape(one.shape)
        return MotionState(step @ self.mean, joint)

    def seen(self, position: np.ndarray, covariance: np.ndarray) -> MotionState:
        """The state after one more place.

        Args:
            position: (N,).
            covariance: (N, N) of it, positive definite.
        """
        count = len(position)
        innovation = self.covariance[:count, :count] + covariance
        gain = np.linalg.solve(innovation, self.covariance[:count]).T
        mean = self.mean + gain @ (position - self.mean[:count])
        # Joseph's form stays symmetric and positive where rounding errors pile up.
        rest = _basis(count)[0].copy()
        rest[:, :count] -= gain
        joint = rest @ self.covariance @ rest.T + gain @ covariance @ gain.T
        return MotionState(mean, joint)


@lru_cache
def _basis(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For N coordinates: identity; velocity into position; noise of both, mixed, of velocity."""
    eye = np.eye(count)
    blocks = (
        [[1, 0], [0, 1]],
        [[0, 1], [0, 0]],
        [[1, 0], [0, 0]],
        [[0, 1], [1, 0]],
        [[0, 0], [0, 1]],
    )
    one, shift, *noises = (np.kron(block, eye) for block in blocks)
    return one, shift, np.stack([noise.ravel() for noise in noises])
