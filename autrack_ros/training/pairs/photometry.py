"""Light, sharpness and quality of pictures, changed in batches on any device.

All pictures are (B, 3, H, W) float32 BGR 0..255; every change has one value for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from autrack_ros.training.pairs.compose import to_device
from autrack_ros.training.pairs.settings import PairSettings

GREY_WEIGHTS = np.array([0.114, 0.587, 0.299])  # of blue, green and red (ITU-R BT.601)
NOISE_TILE = 512  # pixels; a window of one tile of noise serves for every picture
BLUR_MARGIN = 16  # pixels mirrored around a picture: half the longest motion

# ITU-T T.81, annex K: quantisation of luminance and chrominance.
_LUMINANCE = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56
14 17 22 29 51 87 80 62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92
49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMINANCE = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99
47 66 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""


@dataclass(frozen=True, slots=True)
class Photometry:
    """What happens to each of B pictures, in this order; 0 leaves a picture as it is.

    Attributes:
        shadow: (B, 6) float32: brightness changes by ``a x + b y`` over the picture (x and y from
            -1 to 1) and drops by the share ``depth`` where ``cos x + sin y > place``; columns a, b,
            depth, cos, sin, place.
        blur: (B,) float32, standard deviation of a Gaussian, pixels.
        motion: (B, 2) float32, x and y of the movement while the shutter is open, pixels.
        reduction: (B,) int64, sides divided by it and enlarged again; 0 or 2 and more.
        colors: (B, 3, 4) float32, new BGR from old BGR and 255.
        tone: (B,) float32 in -1..1; levels 0..1 become ``x + tone x (1 - x)``, nearly a gamma.
        noise: (B,) float32, standard deviation, grey levels.
        noise_place: (B, 2) int64, top and left of the window of the noise tile.
        quality: (B,) int64, of a JPEG; 0 or 1..100.
    """

    shadow: np.ndarray
    blur: np.ndarray
    motion: np.ndarray
    reduction: np.ndarray
    colors: np.ndarray
    tone: np.ndarray
    noise: np.ndarray
    noise_place: np.ndarray
    quality: np.ndarray

    def __getitem__(self, which: slice) -> Photometry:
        return Photometry(*(getattr(self, column.name)[which] for column in fields(self)))


def draw_photometry(
    rng: np.random.Generator, settings: PairSettings, count: int, sizes: tuple[int, int]
) -> tuple[Photometry, Photometry]:
    """Changes of ``count`` templates and search regions, whose sides are ``sizes`` pixels.

    What the light of a scene is and what a camera can do is common to both; the template, which a
    user chooses, is damaged half as often.
    """
    lit = rng.random(count) < settings.light
    gain = rng.normal(0, 0.12, (count, 1)) + rng.normal(0, 0.05, (count, 3))
    gain, tone = np.exp(gain * lit[:, None]), rng.normal(0, 0.1, count) * lit
    grey = rng.random(count) < settings.grey
    # One draw for both: what is small in the search region is small in the template, mostly.
    resolution, factor = rng.random(count), rng.integers(2, 6, count)
    plans = []
    for size, strength in zip(sizes, (0.5, 1.0), strict=True):
        lit = rng.random(count) < settings.light
        own_gain = rng.normal(0, 0.15 * strength, (count, 1)) + rng.normal(0, 0.05, (count, 3))
        own_gain = np.where(lit[:, None], own_gain, 0)
        dark = rng.random(count) < settings.dark
        own_gain += np.where(dark, rng.uniform(-1.2, 0.4, count), 0)[:, None]
        saturated = lit & (rng.random(count) < 0.4)
        saturation = np.where(saturated, rng.uniform(0.4, 1.4, count), 1)
        offset = np.where(lit, rng.normal(0, 0.04 * strength, count), 0)
        own_tone = np.where(lit, rng.normal(0, 0.25 * strength, count), 0)
        angle = rng.uniform(0, 2 * math.pi, count)
        length = rng.uniform(3, 16, count)
        moved = rng.random(count) < settings.motion * strength
        motion = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (length * moved)[:, None]
        shadow = np.zeros((count, 6))
        angle = rng.uniform(0, 2 * math.pi, count)
        shadow[:, :2] = rng.uniform(-0.35, 0.35, (count, 2))
        shadow[:, 2] = rng.uniform(0, 0.6, count) * (rng.random(count) < 0.6)
        shadow[:, 3], shadow[:, 4] = np.cos(angle), np.sin(angle)
        shadow[:, 5] = rng.uniform(-0.6, 0.6, count)
        shadow[rng.random(count) >= settings.shadow * (strength == 1)] = 0
        blurred = rng.random(count) < settings.blur * strength
        reduced = resolution < settings.low_resolution * strength
        noisy = rng.random(count) < settings.noise * strength
        compressed = rng.random(count) < settings.jpeg * strength
        plans.append(
            Photometry(
                shadow.astype(np.float32),
                np.where(blurred, rng.uniform(0.5, 2.5, count), 0).astype(np.float32),
                motion.astype(np.float32),
                np.where(reduced, factor, 0),
                color_matrices(gain * np.exp(own_gain), offset, np.where(grey, 0, saturation)),
                np.clip(tone + own_tone, -0.7, 0.7).astype(np.float32),
                np.where(noisy, rng.uniform(2, 14, count), 0).astype(np.float32),
                rng.integers(0, NOISE_TILE - size + 1, (count, 2)),
                np.where(compressed, rng.integers(25, 86, count), 0),
            )
        )
    return plans[0], plans[1]


def noise_tile(seed: int) -> np.ndarray:
    """(3, NOISE_TILE, NOISE_TILE) float32 standard normal values."""
    shape = (3, NOISE_TILE, NOISE_TILE)
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def color_matrices(gain: np.ndarray, offset: np.ndarray, saturation: np.ndarray) -> np.ndarray:
    """(B, 3, 4) ``Photometry.colors``.

    Args:
        gain: (B, 3) factors of blue, green and red.
        offset: (B,) added to every channel, 1 is white.
        saturation: (B,) 1 as it is, 0 grey.
    """
    keep = saturation[:, None, None]
    mixed = keep * np.eye(3) + (1 - keep) * GREY_WEIGHTS
    # The gains come first: a grey camera has no colour cast.
    linear = mixed * gain[:, None, :]
    shift = np.broadcast_to(offset[:, None, None], (len(gain), 3, 1))
    return np.concatenate([linear, shift], axis=2).astype(np.float32)


def develop(pictures: Tensor, plan: Photometry, tile: Tensor) -> Tensor:
    """The pictures after all changes of a plan, 0..255; ``tile`` is ``noise_tile``'s."""
    shaded = np.any(plan.shadow[:, :3] != 0, axis=1)
    pictures = _changed(shade, pictures, shaded, plan.shadow)
    blurred = (plan.blur > 0) | np.any(plan.motion != 0, axis=1)
    pictures = _changed(blur, pictures, blurred, plan.blur, plan.motion)
    for factor in np.unique(plan.reduction[plan.reduction > 1]):
        reduced = partial(reduce, factor=int(factor))
        pictures = _changed(reduced, pictures, plan.reduction == factor)
    device = pictures.device
    pictures = recolor(pictures, to_device(plan.colors, device), to_device(plan.tone, device))
    if plan.noise.any():
        add_noise(pictures, plan.noise, plan.noise_place, tile)
    pictures.clamp_(0, 255)
    return _changed(jpeg, pictures, plan.quality > 0, plan.quality)


def _changed(
    change: Callable[..., Tensor], pictures: Tensor, chosen: np.ndarray, *values: np.ndarray
) -> Tensor:
    """The pictures, of which a change with these values was made to the chosen ones only."""
    if not chosen.any():
        return pictures
    taken = [to_device(value[chosen], pictures.device) for value in values]
    if chosen.all():
        return change(pictures, *taken)
    rows = to_device(np.flatnonzero(chosen), pictures.device)
    pictures[rows] = change(pictures[rows], *taken)
    return pictures


def shade(pictures: Tensor, shadow: Tensor) -> Tensor:
    """Uneven light and a cast shadow; ``shadow`` as in ``Photometry``."""
    height, width = pictures.shape[2:]
    x = torch.linspace(-1, 1, width, device=pictures.device)
    y = torch.linspace(-1, 1, height, device=pictures.device)[:, None]
    a, b, depth, cos, sin, place = shadow[:, :, None, None, None].unbind(1)
    inside = torch.sigmoid((cos * x + sin * y - place) * 30)
    return pictures * (1 + a * x + b * y) * (1 - depth * inside)


def blur(pictures: Tensor, deviation: Tensor, motion: Tensor) -> Tensor:
    """Gaussian blur and straight movement, both exact, by their Fourier transforms.

    Args:
        pictures: (B, 3, H, W).
        deviation: (B,) pixels.
        motion: (B, 2) x and y of the movement, pixels, at most 2 ``BLUR_MARGIN``.
    """
    padded = functional.pad(pictures, [BLUR_MARGIN] * 4, mode="reflect")
    height, width = padded.shape[2:]
    device = pictures.device
    x = torch.fft.rfftfreq(width, device=device)  # cycles a pixel
    y = torch.fft.fftfreq(height, device=device)[:, None]
    along = motion[:, 0, None, None] * x + motion[:, 1, None, None] * y
    spread = 2 * (math.pi * deviation[:, None, None]) ** 2
    transfer = torch.sinc(along) * torch.exp(-spread * (x * x + y * y))
    spectrum = torch.fft.rfft2(padded) * transfer[:, None]
    whole = torch.fft.irfft2(spectrum, s=(height, width))
    return whole[..., BLUR_MARGIN:-BLUR_MARGIN, BLUR_MARGIN:-BLUR_MARGIN].clamp(0, 255)


def reduce(pictures: Tensor, factor: int) -> Tensor:
    """Divide the sides by a factor (means of whole pixels), then enlarge again (bilinear)."""
    small = functional.avg_pool2d(pictures, factor, ceil_mode=True, count_include_pad=False)
    height, width = (side * factor for side in small.shape[2:])
    large = functional.interpolate(small, (height, width), mode="bilinear", align_corners=False)
    return large[:, :, : pictures.shape[2], : pictures.shape[3]].contiguous()


def recolor(pictures: Tensor, colors: Tensor, tone: Tensor) -> Tensor:
    """A colour matrix (B, 3, 4), then a tone curve (B,); as in ``Photometry``."""
    count, _, height, width = pictures.shape
    mixed = torch.baddbmm(colors[:, :, 3:] * 255, colors[:, :, :3], pictures.flatten(2))
    mixed.clamp_(0, 255)
    curve = tone[:, None, None]
    mixed *= mixed * (curve / -255) + (1 + curve)
    return mixed.view(count, 3, height, width)


def add_noise(pictures: Tensor, deviation: np.ndarray, place: np.ndarray, tile: Tensor) -> None:
    """Add windows of a tile of noise, in place; arguments as in ``Photometry``."""
    height, width = pictures.shape[2:]
    for row in np.flatnonzero(deviation):
        top, left = place[row]
        window = tile[:, top : top + height, left : left + width]
        pictures[row].add_(window, alpha=float(deviation[row]))


def jpeg(pictures: Tensor, quality: Tensor) -> Tensor:
    """What a JPEG of (B,) qualities 1..100 leaves, its colours at half the resolution (4:2:0).

    Height and width must be multiples of 16. Quantisation as in the IJG's libjpeg.
    """
    count, _, height, width = pictures.shape
    to_ycc, to_bgr, luminance, chrominance = _jpeg_tables(pictures.device)
    ycc = torch.matmul(to_ycc, pictures.flatten(2)).view(pictures.shape)
    rate = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None]
    fine = _quantized(ycc[:, :1] - 128, _steps(luminance, rate)) + 128
    coarse = _quantized(functional.avg_pool2d(ycc[:, 1:], 2), _steps(chrominance, rate))
    coarse = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    ycc = torch.cat([fine, coarse], dim=1).flatten(2)
    return torch.matmul(to_bgr, ycc).view(count, 3, height, width).clamp_(0, 255)


def _steps(table: Tensor, rate: Tensor) -> Tensor:
    """(B, 64) quantisation steps of a (64,) table at (B, 1) rates in percent."""
    return ((table * rate + 50) / 100).floor().clamp(1, 255)


def _quantized(planes: Tensor, steps: Tensor) -> Tensor:
    """(B, C, H, W) planes, the cosine transform of their 8x8 blocks rounded to (B, 64) steps."""
    count, channels, height, width = planes.shape
    cosines = _block_cosines(planes.device)
    blocks = planes.view(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    spectrum = torch.matmul(blocks.reshape(count, -1, 64), cosines.T) / steps[:, None]
    blocks = torch.matmul(spectrum.round_() * steps[:, None], cosines)
    blocks = blocks.view(count, channels, height // 8, width // 8, 8, 8).transpose(3, 4)
    return blocks.reshape(planes.shape)


@lru_cache
def _block_cosines(device: torch.device) -> Tensor:
    """(64, 64) float32, orthogonal: the cosine transform of an 8x8 block, its rows in a row."""
    place = np.arange(8)
    one = np.cos(math.pi / 8 * place[:, None] * (place + 0.5)) / 2
    one[0] /= math.sqrt(2)
    return torch.from_numpy(np.kron(one, one).astype(np.float32)).to(device)


@lru_cache
def _jpeg_tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """From BGR to luminance and chrominance (JFIF) and back, (3, 3), and the steps of annex K."""
    blue, _, red = GREY_WEIGHTS
    blue_difference = (np.array([1, 0, 0]) - GREY_WEIGHTS) / (2 * (1 - blue))
    red_difference = (np.array([0, 0, 1]) - GREY_WEIGHTS) / (2 * (1 - red))
    to_ycc = np.stack([GREY_WEIGHTS, blue_difference, red_difference])
    tables = (np.array(table.split(), float) for table in (_LUMINANCE, _CHROMINANCE))
    first, second, third, fourth = (
        torch.from_numpy(array.astype(np.float32)).to(device)
        for array in (to_ycc, np.linalg.inv(to_ycc), *tables)
    )
    return first, second, third, fourth
