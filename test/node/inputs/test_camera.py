"""Directions of pixels, against the projections of OpenCV."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS 2's sensor_msgs")
from sensor_msgs.msg import CameraInfo

from autrack_ros.node.inputs.camera import (
    InvalidCameraError,
    bearing,
    bearings,
    check_image_size,
)

WIDTH, HEIGHT = 640, 480
K = np.array([[420.0, 0, 317.3], [0, 430.0, 244.9], [0, 0, 1]])
PLUMB_BOB = [-0.32, 0.12, 0.0013, -0.0021, -0.02]
RATIONAL = [0.52, -2.71, 0.0006, -0.0002, 1.51, 0.39, -2.53, 1.44]  # as of a depth camera
EQUIDISTANT = [0.02, -0.008, 0.003, -0.0006]
GRID = np.stack(np.meshgrid(np.linspace(0, WIDTH, 9), np.linspace(0, HEIGHT, 7)), -1).reshape(-1, 2)


def camera(model: str = "", d: Sequence[float] = (), k: np.ndarray = K) -> CameraInfo:
    return CameraInfo(
        width=WIDTH, height=HEIGHT, distortion_model=model, d=list(d), k=k.ravel().tolist()
    )


def projected(rays: np.ndarray, d: Sequence[float] = ()) -> np.ndarray:
    """Edge coordinates of rays by the model of K, plumb_bob and rational_polynomial."""
    pixels = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), K, np.array(d))[0]
    return pixels.reshape(-1, 2) + 0.5


def rays_of(info: CameraInfo, points: np.ndarray) -> np.ndarray:
    found = bearings(info, points)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("", []),
        ("plumb_bob", []),
        ("plumb_bob", [0.0] * 5),
        ("plumb_bob", PLUMB_BOB[:4]),
        ("plumb_bob", PLUMB_BOB),
        ("rational_polynomial", RATIONAL),
        ("rational_polynomial", [*RATIONAL, 0.001, -0.002, 0.0005, 0.0003]),
    ],
)
def test_directions_projected_again_are_the_pixels(model: str, d: list[float]) -> None:
    rays = rays_of(camera(model, d), GRID)
    assert np.abs(projected(rays, d) - GRID).max() < 1e-5
    assert np.abs(np.linalg.norm(rays, axis=1) - 1).max() < 1e-12
    assert (rays[:, 2] > 0).all()


@pytest.mark.parametrize("d", [EQUIDISTANT, [-0.03, 0.004, 0.0, 0.0], [0.0] * 4])
def test_directions_of_a_fisheye_projected_again_are_the_pixels(d: list[float]) -> None:
    rays = rays_of(camera("equidistant", d), GRID)
    again = cv2.fisheye.projectPoints(rays[:, None], np.zeros(3), np.zeros(3), K, np.array(d))[0]
    assert np.abs(again[:, 0] + 0.5 - GRID).max() < 1e-5
    assert np.abs(np.linalg.norm(rays, axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("degrees", [89.0, 90.0, 91.0, 110.0])
def test_a_fisheye_sees_beyond_a_right_angle(degrees: float) -> None:
    angle = math.radians(degrees)
    radius = angle + sum(k * angle ** (2 * i + 3) for i, k in enumerate(EQUIDISTANT))
    x, y = K[0, 2] - 0.6 * radius * K[0, 0] + 0.5, K[1, 2] + 0.8 * radius * K[1, 1] + 0.5
    expected = (-0.6 * math.sin(angle), 0.8 * math.sin(angle), math.cos(angle))
    assert bearing(camera("equidistant", EQUIDISTANT), x, y) == pytest.approx(expected, abs=1e-9)


def test_the_middle_of_the_pixel_at_the_principal_point_looks_ahead() -> None:
    k = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    for info in (
        camera(k=k),
        camera("plumb_bob", PLUMB_BOB, k),
        camera("equidistant", [0.1] * 4, k),
    ):
        assert bearing(info, 320.5, 240.5) == pytest.approx((0, 0, 1), abs=1e-12)


def test_right_is_x_and_down_is_y() -> None:
    k = np.array([[100.0, 0, 0], [0, 50, 0], [0, 0, 1]])
    assert bearing(camera(k=k), 100.5, 0.5) == pytest.approx((math.sqrt(0.5), 0, math.sqrt(0.5)))
    assert bearing(camera(k=k), 0.5, 50.5) == pytest.approx((0, math.sqrt(0.5), math.sqrt(0.5)))


def test_binning_and_region_are_those_of_the_image() -> None:
    """The same pixels of the sensor have the same direction, whatever part of them is sent."""
    whole = camera("plumb_bob", PLUMB_BOB)
    part = camera("plumb_bob", PLUMB_BOB)
    part.binning_x, part.binning_y = 2, 4
    part.roi.x_offset, part.roi.y_offset = 100, 40
    part.roi.width, part.roi.height = 300, 200
    corner = bearing(whole, 100, 40)
    assert bearing(part, 0, 0) == pytest.approx(corner, abs=1e-12)
    opposite = bearing(whole, 400, 240)
    assert bearing(part, 300 / 2, 200 / 4) == pytest.approx(opposite, abs=1e-12)


def test_a_binning_of_one_is_none() -> None:
    info = camera()
    info.binning_x = info.binning_y = 1
    assert bearing(info, 10, 20) == bearing(camera(), 10, 20)


def test_no_points_have_no_directions() -> None:
    assert rays_of(camera("plumb_bob", PLUMB_BOB), np.empty((0, 2))).shape == (0, 3)
    assert rays_of(camera("equidistant", EQUIDISTANT), np.empty((0, 2))).shape == (0, 3)


def test_an_uncalibrated_camera_has_no_directions() -> None:
    assert bearing(CameraInfo(), 1, 2) is None
    assert bearings(CameraInfo(distortion_model="plumb_bob", d=[1.0]), GRID) is None


@pytest.mark.parametrize(
    ("model", "d"), [("plumb_bob", PLUMB_BOB), ("equidistant", [-0.2, 0.0, 0.0, 0.0])]
)
def test_outside_the_lens_there_is_no_direction(model: str, d: list[float]) -> None:
    """Both models have a largest radius, about 420 and 361 pixels: no picture lies beyond it."""
    info = camera(model, d)
    radius = np.arange(0.0, 3000.0, 20.0)
    points = np.column_stack([K[0, 2] + 0.5 + radius, np.full(len(radius), K[1, 2] + 0.5)])
    found = np.isfinite(rays_of(info, points)).all(axis=1)
    first = int(np.argmin(found))
    assert found[:first].all()
    assert not found[first:].any()
    assert 340 < radius[first] < 440
    assert bearing(info, *points[first - 1]) is not None
    assert bearing(info, *points[first]) is None


@pytest.mark.parametrize(
    ("model", "d", "powers"),
    [
        ("plumb_bob", [-0.601, -0.081, 0.0, 0.0, 0.168], [-0.601, -0.081, 0.168]),
        ("equidistant", [-0.5, 0.0, 0.06, 0.0], [-0.5, 0.0, 0.06]),
    ],
)
def test_where_the_picture_is_folded_back_there_is_no_direction(
    model: str, d: list[float], powers: list[float]
) -> None:
    """Such a model's radius rises, falls, and rises again: far out there is a false direction."""
    slope = [7 * powers[2], 5 * powers[1], 3 * powers[0], 1]  # over the square
    turns = np.roots(slope)
    limit = math.sqrt(min(turn.real for turn in turns if turn.real > 0 and turn.imag == 0))
    limit = math.atan(limit) if model == "plumb_bob" else limit
    axis_x, axis_y = K[0, 2] + 0.5, K[1, 2] + 0.5
    found = [bearing(camera(model, d), axis_x + radius, axis_y) for radius in range(0, 1500, 5)]
    inside = found.index(None)
    assert found[inside:] == [None] * (len(found) - inside)
    angles = [math.atan2(ray[0], ray[2]) for ray in found[:inside] if ray is not None]
    assert angles == sorted(angles)
    assert 0.85 * limit < angles[-1] <= limit


@pytest.mark.parametrize("model", ["", "plumb_bob", "equidistant"])
@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, 1e300])
def test_pixels_that_are_no_numbers_have_no_direction(model: str, x: float) -> None:
    d = {"": [], "plumb_bob": PLUMB_BOB, "equidistant": EQUIDISTANT}[model]
    found = bearing(camera(model, d), x, 10)
    assert found is None or (model == "" and x == 1e300)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("focal_length", [5e-324, 1e-300, 1e-160])
def test_a_focal_length_of_nearly_nothing_gives_a_unit_vector_or_none(focal_length: float) -> None:
    found = bearing(camera(k=np.diag([focal_length, focal_length, 1.0])), 100.0, 50.0)
    assert found is None or math.hypot(*found) == pytest.approx(1)


@pytest.mark.parametrize(
    ("info", "named"),
    [
        (camera("kannala_brandt4", [0.1] * 4), "distortion_model 'kannala_brandt4'.*equidistant"),
        (camera("fisheye"), "distortion_model 'fisheye'"),
        (camera("", [0.1] * 5), "distortion_model ''"),
        (camera("plumb_bob", [0.1] * 3), "d has 3 coefficients: .*'plumb_bob' takes 4, 5, 8, 12"),
        (camera("equidistant"), "d has 0 coefficients: .*'equidistant' takes 4"),
        (camera("equidistant", [0.0] * 5), "d has 5 coefficients"),
        (camera("plumb_bob", [math.nan] * 5), "d .*nan.*finite"),
        (camera(k=np.diag([-1.0, 1, 1])), r"k \[-1.0.*above 0"),
        (camera(k=np.diag([1.0, 0, 1])), r"k .*k\[4\] above 0"),
        (camera(k=np.diag([math.nan, 1, 1])), "k .*nan.*finite"),
        (camera(k=np.diag([math.inf, 1, 1])), "k .*inf.*finite"),
    ],
)
def test_wrong_calibrations_name_the_field_and_what_is_accepted(
    info: CameraInfo, named: str
) -> None:
    with pytest.raises(InvalidCameraError, match=named):
        bearing(info, 10, 10)


def cropped(binning: tuple[int, int] = (0, 0), **roi: int) -> CameraInfo:
    info = camera()
    info.binning_x, info.binning_y = binning
    for name, value in roi.items():
        setattr(info.roi, name, value)
    return info


PART = {"x_offset": 100, "y_offset": 40, "width": 301, "height": 200}


@pytest.mark.parametrize(
    ("info", "size"),
    [
        (camera(), (640, 480)),
        (cropped((1, 1)), (640, 480)),
        (cropped((2, 4)), (320, 120)),
        (cropped(**PART), (301, 200)),
        (cropped((2, 2), **PART), (150, 100)),  # drivers round either way
        (cropped((2, 2), **PART), (151, 100)),
        (cropped(width=640, height=480), (640, 480)),
        (CameraInfo(k=K.ravel().tolist()), (123, 45)),  # it does not say for which size it is
        (CameraInfo(width=640, height=480), (123, 45)),  # not calibrated
    ],
)
def test_an_image_of_the_size_that_binning_and_region_give_is_accepted(
    info: CameraInfo, size: tuple[int, int]
) -> None:
    check_image_size(info, *size)


@pytest.mark.parametrize(
    ("info", "size", "named"),
    [
        (camera(), (320, 240), "width 640, binning 1: of images of width 640.*are 320x240"),
        (camera(), (640, 481), "height 480.*are 640x481"),
        (cropped((2, 2)), (640, 480), "width 640, binning 2: of images of width 320"),
        (cropped(**PART), (640, 480), "roi.width 301.*of width 301.*are 640x480"),
        (cropped((2, 2), **PART), (152, 100), "of width 150.5"),
        (cropped(**{**PART, "x_offset": 340}), (301, 200), "roi from 340 on, width 301: .* 640"),
        (cropped(y_offset=1), (640, 480), "height"),
    ],
)
def test_an_image_of_another_size_than_the_calibration_is_refused_with_both_sizes(
    info: CameraInfo, size: tuple[int, int], named: str
) -> None:
    with pytest.raises(InvalidCameraError, match=named):
        check_image_size(info, *size)
