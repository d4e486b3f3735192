"""A room with an object that moves, as a colour camera with depth sees it: rays and flat textures.

World: metres, x and y along the floor, z up. Arrays only, no ROS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from autrack_ros.tracking import Box

_NEAREST_M, _FARTHEST_M = 0.1, 30.0
_ROOM = (-3.0, 14.0, -5.0, 5.0, 2.8)  # x from, x to, y from, y to, height
TARGET_SIZE = (0.45, 0.45, 0.9)  # length, width, height, metres
_SCREEN_SIZE = (1.5, 1.7)  # width, height of what passes in front of it


@dataclass(frozen=True, slots=True)
class Pose:
    """A place on the floor, metres, and a direction in radians (0 along x, left is positive)."""

    x: float
    y: float
    yaw: float

    def ahead(self, meters: float, left: float = 0.0) -> Pose:
        """The place so far ahead and to the left, with the same direction."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return Pose(self.x + meters * c - left * s, self.y + meters * s + left * c, self.yaw)


@dataclass(frozen=True, slots=True)
class Pinhole:
    """A camera without distortion, looking level.

    Attributes:
        width, height: of its image, pixels.
        focal: pixels.
        above: the floor, metres.
    """

    width: int = 320
    height: int = 240
    focal: float = 260.0
    above: float = 0.6

    def rays(self) -> tuple[np.ndarray, np.ndarray]:
        """(x/z of every column, y/z of every row), float32."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        y = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        return x.astype(np.float32), y.astype(np.float32)[:, None]


@dataclass(frozen=True, slots=True)
class Face:
    """A rectangle in space.

    Attributes:
        corner: (3,) its upper left one.
        right: (3,) from there to the upper right one.
        down: (3,) from there to the lower left one; at a right angle.
        texture: HxWx3 uint8 BGR.
        is_target: whether it belongs to the target.
    """

    corner: np.ndarray
    right: np.ndarray
    down: np.ndarray
    texture: np.ndarray
    is_target: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What the camera sees.

    Attributes:
        image: HxWx3 uint8 BGR.
        depth: HxW float32 metres along the optical axis, exact.
        mask: HxW bool, where the target is seen.
    """

    image: np.ndarray
    depth: np.ndarray
    mask: np.ndarray

    @property
    def box(self) -> Box | None:
        """Round what is seen of the target; None where nothing is."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        if not len(rows):
            return None
        x, y = float(columns[0]), float(rows[0])
        return Box(x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y)

    @property
    def distance(self) -> float:
        """Median depth of what is seen of the target, metres; NaN where nothing is."""
        return float(np.median(self.depth[self.mask])) if self.mask.any() else math.nan


def look(
    camera: Pinhole, robot: Pose, target: Pose, screen: Pose | None = None, seed: int = 0
) -> View:
    """See the room from a robot.

    Args:
        camera: in the middle of the robot, looking ahead.
        robot: where it is.
        target: where the middle of the object is.
        screen: where the middle of a plain screen is that stands across its direction.
        seed: of the textures.
    """
    faces = [*_room_faces(seed), *_target_faces(target, seed)]
    if screen is not None:
        faces.append(_screen_face(screen))
    x, y = camera.rays()
    shape = (camera.height, camera.width)
    image = np.full((*shape, 3), 128, np.uint8)  # for the cracks between two faces
    depth = np.full(shape, _FARTHEST_M, np.float32)
    mask = np.zeros(shape, bool)
    eye = np.array([robot.x, robot.y, camera.above])
    c, s = math.cos(robot.yaw), math.sin(robot.yaw)
    to_camera = np.array([[s, -c, 0.0], [0.0, 0.0, -1.0], [c, s, 0.0]])
    for face in faces:
        _draw(face, to_camera, eye, x, y, image, depth, mask)
    return View(image, depth, mask)


def seen_by_sensor(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The depth as a stereo camera gives it: HxW uint16 millimetres, 0 where it sees none.

    Noise grows with the square of the distance (1.5 mm at 1 m, 5 cm at 6 m), there is none within
    two pixels of an edge nor for one pixel in fifty, and none beyond 10 m.
    """
    noisy = depth + rng.standard_normal(depth.shape, np.float32) * (0.0015 * depth**2)
    kernel = np.ones((3, 3), np.uint8)
    jump = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel)
    holes = cv2.dilate((jump > 0.1 * depth).astype(np.uint8), kernel) > 0
    holes |= (rng.random(depth.shape) < 0.02) | ~(noisy < 10)
    return np.where(holes, 0, np.round(np.where(holes, 0, noisy) * 1000)).astype(np.uint16)


def _draw(
    face: Face,
    to_camera: np.ndarray,
    eye: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    image: np.ndarray,
    depth: np.ndarray,
    mask: np.ndarray,
) -> None:
    """Draw a face where it is nearer than what was drawn before."""
    corner = to_camera @ (face.corner - eye)
    right, down = to_camera @ face.right, to_camera @ face.down
    normal = np.cross(right, down)
    part = _part(np.stack([corner, corner + right, corner + down, corner + right + down]), x, y)
    x, y, image, depth, mask = x[part[1]], y[part[0]], image[part], depth[part], mask[part]
    if not mask.size:
        return

    def along(vector: np.ndarray) -> np.ndarray:
        """The scalar product with every ray (x, y, 1)."""
        a, b, c = vector.astype(np.float32)
        return x * a + (y * b + c)

    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.float32(corner @ normal) / along(normal)
        u = z * along(right / (right @ right)) - np.float32(corner @ right / (right @ right))
        v = z * along(down / (down @ down)) - np.float32(corner @ down / (down @ down))
        seen = (z > _NEAREST_M) & (z < depth) & (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
    if not seen.any():
        return
    rows, columns = face.texture.shape[:2]
    places = np.where(seen, u * columns - 0.5, 0), np.where(seen, v * rows - 0.5, 0)
    colors = cv2.remap(face.texture, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    image[seen] = colors[seen]
    depth[seen] = z[seen]
    mask[seen] = face.is_target


def _part(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns in which a face may be seen; all where it reaches behind the camera."""
    if corners[:, 2].min() < _NEAREST_M:
        return slice(None), slice(None)
    flat = corners[:, :2] / corners[:, 2:]
    (left, upper), (right, lower) = flat.min(axis=0), flat.max(axis=0)
    columns, rows = np.searchsorted(x, [left, right]), np.searchsorted(y[:, 0], [upper, lower])
    return slice(*rows), slice(*columns)


@lru_cache(maxsize=4)
def _room_faces(seed: int) -> tuple[Face, ...]:
    x0, x1, y0, y1, height = _ROOM
    rng = np.random.default_rng(seed)
    up, ceiling = np.array([0, 0, -height]), np.array([x0, y0, height])
    long, wide = np.array([x1 - x0, 0, 0.0]), np.array([0, y1 - y0, 0.0])
    wall = (178, 176, 170)
    return (
        Face(np.array([x0, y0, 0.0]), long, wide, _texture(rng, (34, 20), (96, 104, 112), 16)),
        Face(ceiling, long, wide, _texture(rng, (8, 5), (214, 214, 214), 3)),
        Face(ceiling + long, wide, up, _texture(rng, (20, 6), wall, 14)),
        Face(ceiling, wide, up, _texture(rng, (20, 6), wall, 14)),
        Face(ceiling, long, up, _texture(rng, (34, 6), wall, 14)),
        Face(ceiling + wide, long, up, _texture(rng, (34, 6), wall, 14)),
    )


def _target_faces(pose: Pose, seed: int) -> list[Face]:
    """An upright box; its sides are alike, so that it looks much the same from everywhere."""
    length, width, height = TARGET_SIZE
    side, top = _target_textures(seed)
    c, s = math.cos(pose.yaw), math.sin(pose.yaw)
    ahead, left = np.array([c, s, 0]) * length / 2, np.array([-s, c, 0]) * width / 2
    middle, down = np.array([pose.x, pose.y, height]), np.array([0, 0, -height])
    faces = [
        Face(middle + a + b, -2 * b, down, side, True)
        for a, b in ((ahead, left), (-ahead, -left), (left, -ahead), (-left, ahead))
    ]
    return [*faces, Face(middle - ahead - left, 2 * ahead, 2 * left, top, True)]


@lru_cache(maxsize=4)
def _target_textures(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1000 + seed)
    colors = rng.integers(20, 236, (3, 3))
    side = np.empty((90, 45, 3), np.uint8)
    for index, color in enumerate(colors):
        side[30 * index : 30 * index + 30] = color
    cv2.circle(side, (22, 24), 13, tuple(map(int, 255 - colors[0])), -1, cv2.LINE_AA)
    cv2.rectangle(side, (8, 48), (36, 56), tuple(map(int, 255 - colors[1])), -1)
    side = np.clip(side.astype(int) + rng.normal(0, 6, side.shape), 0, 255).astype(np.uint8)
    return cv2.resize(side, (180, 360), interpolation=cv2.INTER_CUBIC), side[:30, :30].copy()


def _screen_face(pose: Pose) -> Face:
    width, height = _SCREEN_SIZE
    left = np.array([-math.sin(pose.yaw), math.cos(pose.yaw), 0]) * width
    corner = np.array([pose.x, pose.y, height]) + left / 2
    return Face(corner, -left, np.array([0, 0, -height]), _screen_texture())


@lru_cache(maxsize=1)
def _screen_texture() -> np.ndarray:
    return _texture(np.random.default_rng(77), (6, 6), (70, 92, 84), 10)


def _texture(
    rng: np.random.Generator, cells: tuple[int, int], color: tuple[int, int, int], contrast: float
) -> np.ndarray:
    """Soft patches of grey about a colour."""
    columns, rows = cells
    grey = rng.normal(0, contrast, (rows, columns)).astype(np.float32)
    smooth = cv2.resize(grey, (columns * 12, rows * 12), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.array(color) + smooth[..., None], 0, 255).astype(np.uint8)
