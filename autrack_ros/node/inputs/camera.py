"""From pixels to directions, by a camera's calibration.

Directions are in the optical frame (REP-103): x to the right, y down, z into the picture. The image
is the camera's own, unrectified one, as K and D of its CameraInfo describe it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo

from autrack_ros.tracking.errors import AutrackError

# Number of coefficients that cv2.undistortPoints takes: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1..s4]]]
_POLYNOMIAL_COEFFICIENTS = (4, 5, 8, 12)
_MODELS = {
    "plumb_bob": _POLYNOMIAL_COEFFICIENTS,
    "rational_polynomial": _POLYNOMIAL_COEFFICIENTS,
    "equidistant": (4,),
}
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
_NEWTON_STEPS = 20
_CONVERGED = 1e-10  # radians
_MAX_ERROR = 1e-4  # of a direction put through the lens again, in focal lengths: 0.1 px at 1000 px
_WAY = np.linspace(0.0, 1.0, 33)  # parts of the way from the axis to a direction


class InvalidCameraError(AutrackError, ValueError):
    """A CameraInfo that does not describe a camera, or not the one that an image is of."""


def bearing(info: CameraInfo, x: float, y: float) -> tuple[float, float, float] | None:
    """Return the direction in which a point of the image lies.

    Args:
        info: calibration of the camera; its binning and region of interest are those of the image.
        x: edge coordinate in the image, pixels: the outer corner of the top left pixel is (0, 0).
        y: edge coordinate in the image, pixels.

    Returns:
        A unit vector in the optical frame; None without a calibration (K[0] is 0), and for a point
        so far out that the lens model has no direction for it.

    Raises:
        InvalidCameraError: names the field of the CameraInfo, its value and what is accepted.
    """
    found = bearings(info, np.array([[x, y]]))
    if found is None or np.isnan(found).any():
        return None
    right, down, ahead = found[0].tolist()
    return right, down, ahead


def bearings(info: CameraInfo, points: np.ndarray) -> np.ndarray | None:
    """Return the directions of several points of the image; see ``bearing``.

    Args:
        info: as for ``bearing``.
        points: Nx2, edge coordinates in pixels.

    Returns:
        Nx3 float64 unit vectors, NaN where the lens model has no direction; None without a
        calibration.

    Raises:
        InvalidCameraError: as for ``bearing``.
    """
    if info.k[0] == 0:
        return None
    check_camera(info)
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if len(points) == 0:  # which OpenCV refuses
        return np.empty((0, 3))
    full = _to_full_resolution(info, points)
    with np.errstate(all="ignore"):  # far outside the image the numbers may overflow: NaN
        # Skew (K[1]) is left out, as in all of OpenCV.
        normalized = (full - (info.k[2], info.k[5])) / (info.k[0], info.k[4])
        if info.distortion_model == "equidistant":
            return _fisheye_rays(normalized, np.array(info.d))
        if any(info.d):
            normalized = _undistorted(normalized, np.array(info.d))
        rays = np.column_stack([normalized, np.ones(len(normalized))])
        lengths = np.linalg.norm(rays, axis=1, keepdims=True)
        return np.where(np.isfinite(lengths), rays / lengths, np.nan)


def check_camera(info: CameraInfo) -> None:
    """Check that a CameraInfo describes a camera, or has no calibration (K[0] is 0).

    Raises:
        InvalidCameraError: names the field, its value and what is accepted.
    """
    if info.k[0] == 0:
        return
    focal = info.k[0], info.k[4]
    if not all(math.isfinite(value) for value in info.k) or min(focal) <= 0:
        raise InvalidCameraError(
            f"k {[float(value) for value in info.k]}: finite numbers are accepted, with focal "
            "lengths k[0] and k[4] above 0"
        )
    model, count = info.distortion_model, len(info.d)
    if not all(math.isfinite(value) for value in info.d):
        raise InvalidCameraError(f"d {list(info.d)}: finite numbers are accepted")
    if model not in _MODELS and (model or any(info.d)):
        raise InvalidCameraError(
            f"distortion_model '{model}': accepted are {', '.join(_MODELS)}, and an empty one "
            "without distortion"
        )
    if model == "equidistant" or any(info.d):
        accepted = _MODELS[model]
        if count not in accepted:
            numbers = ", ".join(map(str, accepted))
            raise InvalidCameraError(
                f"d has {count} coefficients: distortion_model '{model}' takes {numbers}"
            )


def check_image_size(info: CameraInfo, width: int, height: int) -> None:
    """Check that an image has the size that a CameraInfo says, or that it has no calibration.

    The size is that of its region of interest, or without one of the whole sensor, divided by its
    binning and rounded either way. A CameraInfo with width and height 0 fits any image.

    Args:
        info: of the camera.
        width: of the image, pixels.
        height: of the image, pixels.

    Raises:
        InvalidCameraError: names the fields, the size they give and that of the image.
    """
    if info.k[0] == 0:
        return
    roi = info.roi
    for name, size, whole, offset, part, binning in (
        ("width", width, info.width, roi.x_offset, roi.width, max(info.binning_x, 1)),
        ("height", height, info.height, roi.y_offset, roi.height, max(info.binning_y, 1)),
    ):
        if whole and offset + part > whole:
            raise InvalidCameraError(
                f"roi from {offset} on, {name} {part}: it must lie within {name} {whole}"
            )
        covered = part or whole - offset * bool(whole)
        if covered and size not in (covered // binning, -(-covered // binning)):
            region = f"roi.{name} {part}" if part else f"{name} {whole}"
            raise InvalidCameraError(
                f"{region}, binning {binning}: of images of {name} {covered / binning:g}, but they "
                f"are {width}x{height}; without bearings and markers"
            )


def _to_full_resolution(info: CameraInfo, points: np.ndarray) -> np.ndarray:
    """Map edge coordinates of the image to pixel-centre coordinates of the full sensor, as K's.

    Edge coordinates scale exactly: a binned pixel covers binning_x times binning_y whole ones.
    (image_geometry scales pixel centres, which is off by half a binned pixel at most.)
    """
    binning = max(info.binning_x, 1), max(info.binning_y, 1)
    return points * binning + (info.roi.x_offset, info.roi.y_offset) - 0.5


def _undistorted(distorted: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Invert plumb_bob or rational_polynomial: Nx2 to Nx2; NaN where there is no inverse."""
    found = cv2.undistortPointsIter(
        distorted[:, None], np.eye(3), coefficients, None, None, _CRITERIA
    )[:, 0]
    # The iteration ends somewhere even when no direction leads to the point, and beyond the model's
    # largest radius it may end where the picture is folded back; hence the way there is followed.
    way = found[:, None] * _WAY[:, None]
    ahead = np.concatenate([way, np.ones((*way.shape[:2], 1))], axis=2).reshape(-1, 3)
    again = cv2.projectPoints(ahead, np.zeros(3), np.zeros(3), np.eye(3), coefficients)[0]
    again = again.reshape(way.shape)
    outwards = (np.diff(np.linalg.norm(again, axis=2), axis=1) >= 0).all(axis=1)
    exact = np.abs(again[:, -1] - distorted).max(axis=1) < _MAX_ERROR
    return np.where((outwards & exact)[:, None], found, np.nan)


def _fisheye_rays(distorted: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Invert equidistant (Kannala-Brandt): Nx2 to Nx3 unit vectors; NaN where there is no inverse.

    cv2.fisheye.undistortPoints returns points of the plane z = 1, which end at 90 degrees from the
    axis; such lenses see more.
    """
    k1, k2, k3, k4 = coefficients

    def bent(angle: np.ndarray) -> np.ndarray:
        t = angle * angle
        return angle * (1 + t * (k1 + t * (k2 + t * (k3 + t * k4))))

    def slope(angle: np.ndarray) -> np.ndarray:
        t = angle * angle
        return 1 + t * (3 * k1 + t * (5 * k2 + t * (7 * k3 + t * 9 * k4)))

    radius = np.linalg.norm(distorted, axis=1)
    angle = np.clip(radius, 0.0, np.pi)
    for _ in range(_NEWTON_STEPS):
        step = (bent(angle) - radius) / slope(angle)
        angle = np.clip(angle - step, 0.0, np.pi)
        if (np.abs(step) < _CONVERGED).all():
            break
    # Where the slope was negative on the way, the model's picture is folded back: no lens does so.
    outwards = (slope(angle[:, None] * _WAY) > 0).all(axis=1)
    exact = np.abs(bent(angle) - radius) < _MAX_ERROR
    unit = distorted / np.where(radius > 0, radius, 1.0)[:, None]
    rays = np.column_stack([unit * np.sin(angle)[:, None], np.cos(angle)])
    return np.where((outwards & exact)[:, None], rays, np.nan)
