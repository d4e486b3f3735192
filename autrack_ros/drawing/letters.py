"""Letters outside ASCII: drawn with Pillow, in the fonts that the system has for them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CAPITALS = 0.72  # height of capital letters as a part of a font's size, as in most fonts
_ANSWER_S = 5.0  # fontconfig answers in milliseconds


@dataclass(frozen=True)
class Face:
    """A font file, and the letters in it."""

    path: str
    index: int
    letters: frozenset[int]

    def has(self, letter: str) -> bool:
        """Whether a letter can be drawn."""
        return ord(letter) in self.letters

    def sized(self, height: int) -> ImageFont.FreeTypeFont:
        """The font at a size at which capital letters have a height, pixels."""
        return ImageFont.truetype(self.path, max(8, round(height / _CAPITALS)), self.index)


def drawable(text: str) -> str:
    """Replace letters outside ASCII for which the system has no font by question marks."""
    faces = _faces(_distinct(text))
    return "".join(letter if letter.isascii() or letter in faces else "?" for letter in text)


@lru_cache(maxsize=512)
def cover_of(text: str, height: int) -> np.ndarray:
    """Opacity of a drawable text that is not all ASCII, uint8, read-only.

    It is ``3 * height`` pixels high and as wide as the text. Capital letters are ``height`` pixels
    high and stand on row ``2 * height``.
    """
    faces = _faces(_distinct(text))
    any_face = next(iter(faces.values()))  # a system may have no face for ASCII
    pieces = [
        (face.sized(height), "".join(letters))
        for face, letters in groupby(text, lambda letter: faces.get(letter, any_face))
    ]
    lengths = [font.getlength(piece) for font, piece in pieces]
    cover = Image.new("L", (max(1, round(sum(lengths))), 3 * height))
    draw, x = ImageDraw.Draw(cover), 0.0
    for (font, piece), length in zip(pieces, lengths, strict=True):
        draw.text((x, 2 * height), piece, fill=255, font=font, anchor="ls")
        x += length
    opacity = np.asarray(cover)
    opacity.flags.writeable = False
    return opacity


def _distinct(text: Iterable[str]) -> str:
    return "".join(sorted(set(text)))


@lru_cache(maxsize=256)
def _faces(letters: str) -> dict[str, Face]:
    """A face for every letter that the system has one for; as few faces as it can be."""
    faces: dict[str, Face] = {}
    # The rarest letters choose first, and the others follow where that face has them.
    for asked in ([letter for letter in letters if not letter.isascii()], list(letters)):
        while left := [letter for letter in asked if letter not in faces]:
            face = _match(" ".join(f"{ord(letter):x}" for letter in left))
            if face is None or not any(face.has(letter) for letter in left):
                break
            faces |= {x: face for x in letters if x not in faces and face.has(x)}
    return faces


@lru_cache(maxsize=256)
def _match(charset: str) -> Face | None:
    """What fontconfig gives for letters, hexadecimal numbers; None where there is none."""
    command = ["fc-match", "--format=%{file}\n%{index}\n%{charset}", f"sans:charset={charset}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_ANSWER_S
        )
        path, index, ranges = done.stdout.split("\n")
        face = Face(path, int(index), frozenset(_numbers(ranges)))
        face.sized(10)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return face


def _numbers(ranges: str) -> Iterable[int]:
    """Of "20-7e a0"."""
    for text in ranges.split():
        first, _, last = text.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)
