"""Sequences in which a target is hard to keep, made of annotated ones.

    python -m benchmarks.hard_cases [OUTPUT] [--dataset FOLDER] [--seed N]

OUTPUT (``.cache/hard_cases``) gets a data set of each kind, with one case of every sequence:

* ``erased``: the target is gone for 20 to 200 frames; what is around it fills in;
* ``covered``: something moves before it, stays for 20 to 200 frames and moves away;
* ``lookalikes``: the target as it looks in another frame moves about it, crosses before it and
  leaves again;
* ``jumps``: the camera jumps every second or so, by up to a third of the picture.

A film that is too short is played back and forth. All that is random follows from the seed. Score
what was made by ``autrack evaluate OUTPUT/<kind> --format folder``, with ``--recover`` and without.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autrack_ros.evaluation.datasets import read_all
from autrack_ros.evaluation.metrics import present
from autrack_ros.evaluation.sequences import Sequence
from autrack_ros.tracking import AutrackError, Box

BEFORE, AFTER = 40, 60  # frames in plain sight, before and after the target is gone
GONE = (20, 200)  # frames without it
MOVING = 8  # frames in which a cover moves in or out
COVER = 1.4  # sides of a cover, in those of the target
LENGTH = 150  # frames of the cases in which it stays in sight
JUMP_EVERY = (20, 40)  # frames
VIEW = 0.75  # sides of what a camera that jumps sees, in those of the picture
LEAST_SEEN = 0.3  # share of a target that is in sight

Frame = tuple[np.ndarray, np.ndarray]  # HxWx3 uint8 BGR; box (x, y, w, h), NaN where it is absent


@dataclass(frozen=True, slots=True)
class Film:
    """A sequence in memory: HxWx3 uint8 BGR images, and N x 4 boxes in edge coordinates."""

    images: list[np.ndarray]
    truth: np.ndarray

    @classmethod
    def of(cls, sequence: Sequence) -> Film:
        """All of a sequence but frames without its target."""
        seen = present(sequence.truth)
        images = [image for image, is_seen in zip(sequence.frames, seen, strict=True) if is_seen]
        return cls(images, sequence.truth[seen])

    def __getitem__(self, index: int) -> Frame:
        """A frame of the film as it is played back and forth."""
        last = max(len(self.images) - 1, 1)
        number = last - abs(index % (2 * last) - last)
        return self.images[number], self.truth[number].copy()


def erased(film: Film, rng: np.random.Generator, _: np.ndarray) -> Iterator[Frame]:
    """The target is gone for a while."""
    gone = _gap(rng)
    for index in range(BEFORE + gone + AFTER):
        image, box = film[index]
        if BEFORE <= index < BEFORE + gone:
            yield erase(image, Box(*box.tolist())), np.full(4, np.nan)
        else:
            yield image, box


def erase(image: np.ndarray, box: Box, margin: float = 0.15) -> np.ndarray:
    """The image without what is in the box and ``margin`` of its sides around it."""
    x, y, w, h = box
    left, top = (max(round(value), 0) for value in (x - margin * w, y - margin * h))
    area = np.s_[top : round(y + (1 + margin) * h), left : round(x + (1 + margin) * w)]
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[area] = 255
    size = (image.shape[1] // 4, image.shape[0] // 4)  # filling is slow
    coarse = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    hole = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(coarse, (hole > 0).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    without = image.copy()
    without[area] = cv2.resize(filled, image.shape[1::-1])[area]
    return without


def covered(film: Film, rng: np.random.Generator, other: np.ndarray) -> Iterator[Frame]:
    """A part of another picture moves before the target and away again."""
    gone = _gap(rng)
    side = rng.choice([-1, 1])
    cut = rng.uniform(0, 0.5, 2)
    height, width = other.shape[:2]
    rows, columns = slice(int(cut[0] * height), None), slice(int(cut[1] * width), None)
    patch = other[rows, columns]
    for index in range(BEFORE + gone + AFTER):
        image, box = film[index]
        # 1: wholly beside the target; 0: on it.
        away = max(BEFORE - index, index - (BEFORE + gone - 1), 0) / MOVING
        if away <= 1:
            x, y, w, h = box
            center = (x + w / 2 + side * away * (1 + COVER) / 2 * w, y + h / 2)
            image = _paste(image, patch, center, (COVER * w, COVER * h), rounded=False)
        yield image, np.full(4, np.nan) if away == 0 else box


def lookalikes(film: Film, rng: np.random.Generator, _: np.ndarray) -> Iterator[Frame]:
    """The target of another frame moves around the target and crosses before it."""
    phase, period = rng.uniform(0.2, 0.4) * math.pi, rng.uniform(50, 80)
    ahead, reach, scale = int(rng.integers(10, 40)), rng.uniform(1.6, 2.4), rng.uniform(0.9, 1.1)
    for index in range(LENGTH):
        image, box = film[index]
        donor, place = film[index + ahead]
        x, y, w, h = place.round().astype(int)
        twin = donor[max(y, 0) : y + h, max(x, 0) : x + w]
        if index > 0 and twin.size:
            angle = phase + 2 * math.pi * index / period
            x, y, w, h = box
            center = (
                x + w / 2 + reach * w * math.sin(angle),
                y + h / 2 + 0.25 * h * math.cos(angle),
            )
            image = _paste(image, twin, center, (scale * w, scale * h), rounded=True)
        yield image, box


def jumps(film: Film, rng: np.random.Generator, _: np.ndarray) -> Iterator[Frame]:
    """What a camera sees that looks at another part of the picture every now and then."""
    height, width = film.images[0].shape[:2]
    seen = np.array([int(VIEW * width), int(VIEW * height)])
    free = np.array([width, height]) - seen
    corner, until = free // 2, 0
    for index in range(LENGTH):
        image, box = film[index]
        low = np.clip(box[:2] + box[2:] / 2 - 0.9 * seen, 0, free)
        high = np.clip(box[:2] + box[2:] / 2 - 0.1 * seen, 0, free)
        if index == until:
            corner = rng.uniform(low, high).astype(int)
            until = index + int(rng.integers(*JUMP_EVERY))
        corner = np.clip(corner, low, high).astype(int)  # pans where the target would leave
        x, y = corner
        yield image[y : y + seen[1], x : x + seen[0]], _inside(box - (*corner, 0, 0), seen)


KINDS: dict[str, Callable[[Film, np.random.Generator, np.ndarray], Iterator[Frame]]] = {
    kind.__name__: kind for kind in (erased, covered, lookalikes, jumps)
}


def _gap(rng: np.random.Generator) -> int:
    """Frames without the target; each order of magnitude is as likely."""
    return round(math.exp(rng.uniform(*np.log(GONE))))


def _inside(box: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The part of a box in a picture; NaN where that is too little."""
    whole = Box(*box.tolist())
    part = whole.clipped(*size.tolist())
    return np.array(part) if part.area >= LEAST_SEEN * whole.area else np.full(4, np.nan)


def _paste(
    image: np.ndarray,
    patch: np.ndarray,
    center: tuple[float, float],
    size: tuple[float, float],
    rounded: bool,
) -> np.ndarray:
    """The image with a patch of a size on it, softly; an ellipse of it where ``rounded``."""
    w, h = (max(round(side), 2) for side in size)
    left, top = round(center[0] - w / 2), round(center[1] - h / 2)
    mask = np.zeros((h, w), np.float32)
    if rounded:
        cv2.ellipse(mask, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
    else:
        mask[:] = 1
    soft = max(min(w, h) // 8, 1)
    mask = cv2.blur(mask, (soft, soft), borderType=cv2.BORDER_CONSTANT)[..., None]
    rows = slice(max(top, 0), min(top + h, image.shape[0]))
    columns = slice(max(left, 0), min(left + w, image.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return image
    own = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    scaled = cv2.resize(patch, (w, h), interpolation=cv2.INTER_AREA)
    pasted = image.copy()
    share = mask[own]
    pasted[rows, columns] = (share * scaled[own] + (1 - share) * image[rows, columns] + 0.5).astype(
        np.uint8
    )
    return pasted


def write(frames: Iterator[Frame], folder: Path) -> None:
    """A sequence in the form of ``dev_sequences``."""
    (folder / "img").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (image, box) in enumerate(frames, 1):
        file = folder / "img" / f"{number:06d}.jpg"
        cv2.imwrite(str(file), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        lines.append(",".join(f"{value:.2f}" for value in box) + "\n")
    (folder / "groundtruth.txt").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Write the data sets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, nargs="?", default=Path(".cache/hard_cases"))
    parser.add_argument("--dataset", type=Path, default=Path("../shared/data/dev_sequences"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        sequences = read_all(arguments.dataset)
        for number, sequence in enumerate(sequences):
            film = Film.of(sequence)
            other = next(iter(sequences[(number + 1) % len(sequences)].frames))
            for index, (name, make) in enumerate(KINDS.items()):
                rng = np.random.default_rng((arguments.seed, number, index))
                write(make(film, rng, other), arguments.output / name / sequence.name)
            print(sequence.name, flush=True)
    except AutrackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
