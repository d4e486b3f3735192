"""Where two runs part: sequences, stretches of frames, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.drawing.lines import draw_box
from autrack_ros.drawing.style import LIGHT, Color, Pattern, Sizes
from autrack_ros.evaluation.comparison.compare import Comparison
from autrack_ros.evaluation.comparison.runs import StoredRun
from autrack_ros.evaluation.metrics import present
from autrack_ros.evaluation.statistics import CLEAR_CHANGE
from autrack_ros.tracking.boxes import Box

SHOWN_SEQUENCES = 3  # won, and as many lost; of all runs together
_CLEARLY_APART = 0.2  # of the overlap; a stretch is where they are on average
_BEFORE, _AFTER = 3, 4  # frames shown one by one around the point where they part
_REST = 12  # frames of the rest of the stretch
_PICTURE_PX = 640  # width
_MARGIN = 0.4  # around the boxes, part of their extent
_CLOSEST = 3.0  # enlargement at most
_JPEG_QUALITY = 75

# BGR of the first run, the other and the truth, as the figures have them but lighter. Where boxes
# coincide all are seen: what is drawn later has more gaps.
STYLES: tuple[tuple[Color, Pattern], ...] = (
    ((233, 180, 86), ()),  # sky blue, solid
    ((0, 94, 213), ((6, 5),)),  # vermilion, dashed
    (LIGHT, ((0, 7),)),  # light, dotted
)


@dataclass(frozen=True, slots=True)
class Parting:
    """A sequence on which two runs differ most.

    Attributes:
        first: the run that is compared with.
        other: the run that is compared.
        sequence: its name.
        change: AUC of the other less that of the first.
        start: index of the first frame of the stretch in which their overlaps differ most.
        end: of the last one.
    """

    first: StoredRun
    other: StoredRun
    sequence: str
    change: float
    start: int
    end: int

    @property
    def overlaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the first run and of the other, N each; NaN where the target is absent."""
        return tuple(run.sequences[self.sequence].overlaps for run in (self.first, self.other))  # type: ignore[return-value]

    @property
    def frames(self) -> list[int]:
        """Indices of the frames to look at: all where the runs part, some of the rest."""
        count = len(self.first.sequences[self.sequence].boxes)
        near = range(max(self.start - _BEFORE, 0), min(self.start + _AFTER, count - 1) + 1)
        rest = np.linspace(self.start, self.end, min(_REST, self.end - self.start + 1))
        return sorted({*near, *rest.round().astype(int).tolist()})


def find_partings(comparison: Comparison, other: StoredRun) -> list[Parting]:
    """The sequences that the other run loses and wins most clearly, worst first."""
    first, *others = comparison.runs
    shown = max(1, SHOWN_SEQUENCES // len(others))  # a page can be sent by mail
    changes = comparison.values(other, "auc") - comparison.values(first, "auc")
    order = np.argsort(changes, kind="stable")
    lost = [i for i in order[:shown] if changes[i] < -CLEAR_CHANGE]
    won = [i for i in order[-shown:] if changes[i] > CLEAR_CHANGE]
    partings = []
    for index in [*lost, *won]:
        name, change = comparison.names[index], float(changes[index])
        gain = np.sign(change) * (other.sequences[name].overlaps - first.sequences[name].overlaps)
        partings.append(Parting(first, other, name, change, *clearest_stretch(gain)))
    return partings


def clearest_stretch(gain: np.ndarray) -> tuple[int, int]:
    """First and last index of the stretch with the largest sum of what exceeds a clear difference.

    Args:
        gain: N differences of overlaps; NaN counts as none.
    """
    total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(gain) - _CLEARLY_APART)))
    lowest = np.minimum.accumulate(total)[:-1]
    end = int(np.argmax(total[1:] - lowest))
    return int(np.argmin(total[: end + 1])), end


def pictures(parting: Parting, truth: np.ndarray, frames: Iterable[np.ndarray]) -> Iterator[bytes]:
    """JPEG of each frame to look at, with the boxes of both runs and the truth.

    The part of the image that is shown stays the same.

    Args:
        parting: what to show.
        truth: N x 4, edge coordinates.
        frames: of the sequence, from the first on, HxWx3 uint8 BGR.
    """
    shown = parting.frames
    boxes = [run.sequences[parting.sequence].boxes for run in (parting.first, parting.other)] + [
        np.where(present(truth)[:, None], truth, np.nan)
    ]
    view = None
    for index, image in enumerate(frames):
        if index in shown:
            view = view or _view([row[shown] for row in boxes], image.shape[1], image.shape[0])
            yield _picture(image, view, [row[index] for row in boxes])
        if index == shown[-1]:
            return


def _view(boxes: Sequence[np.ndarray], width: int, height: int) -> Box:
    """The part of the image around all boxes, in the image's shape; whole pixels."""
    corners = np.concatenate(
        [np.concatenate((row[:, :2], row[:, :2] + row[:, 2:])) for row in boxes]
    )
    size = np.array([width, height], float)
    low = np.nanmin(corners, axis=0).clip(0, size)
    high = np.nanmax(corners, axis=0).clip(0, size)
    part = float(np.clip(((high - low) * (1 + _MARGIN) / size).max(), 1 / _CLOSEST, 1))
    corner = ((low + high - part * size) / 2).clip(0, (1 - part) * size)
    return Box(*corner.round().tolist(), *(part * size).round().tolist())


def _picture(image: np.ndarray, view: Box, boxes: Sequence[np.ndarray]) -> bytes:
    scale = _PICTURE_PX / view.w
    x, y, width, height = map(int, view)
    canvas = cv2.resize(
        image[y : y + height, x : x + width],
        (_PICTURE_PX, round(height * scale)),
        interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA,
    )
    for row, (color, pattern) in zip(boxes, STYLES, strict=True):
        if np.isfinite(row).all():
            corner = (row[:2] - (view.x, view.y)) * scale
            box = Box(*corner.tolist(), *(row[2:] * scale).tolist())
            draw_box(canvas, box, color, Sizes.of(canvas).line, pattern)
    _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()
