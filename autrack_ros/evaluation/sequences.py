"""Annotated sequences."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autrack_ros.evaluation.frames import Frames, SourceError, image_frames
from autrack_ros.evaluation.metrics import present
from autrack_ros.tracking.boxes import Box


@dataclass(frozen=True, slots=True)
class Sequence:
    """One annotated sequence: its frames and a box a frame.

    Attributes:
        name: unique in its dataset.
        frames: N images.
        truth: N x 4, edge coordinates, pixels; NaN or no area where the target is absent or its
            annotation is withheld.
        attributes: in which frames an attribute holds, N bool each, by name; all are true where the
            dataset tells it of whole sequences.
        annotated: N bool, where it is known whether the target is there; None: everywhere.
    """

    name: str
    frames: Frames
    truth: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    annotated: np.ndarray | None = None

    @property
    def first_box(self) -> Box:
        """The box on frame 1, which the tracker starts from."""
        return Box(*self.truth[0].tolist())

    @property
    def scored(self) -> bool:
        """Whether a frame after the first is annotated (test sets may withhold them)."""
        return bool(present(self.truth)[1:].any())

    @property
    def truth_sha256(self) -> str:
        """Hash of all that scores are computed from besides the boxes of a tracker."""
        there = np.where(present(self.truth)[:, None], self.truth, np.nan)
        digest = hashlib.sha256(there.astype("<f8").tobytes())
        for name, on in sorted(self.attributes.items()):
            digest.update(name.encode() + on.tobytes())
        if self.annotated is not None:
            digest.update(self.annotated.tobytes())
        return digest.hexdigest()


def make_sequence(
    name: str,
    images: list[Path],
    truth: np.ndarray,
    truth_file: Path,
    attributes: Mapping[str, np.ndarray] | None = None,
    withheld: bool = False,
) -> Sequence:
    """A sequence of image files, checked.

    Args:
        name: of the sequence.
        images: N files.
        truth: N x 4; or 1 x 4, if the others may be withheld.
        truth_file: which the errors name.
        attributes: N bool each, by name.
        withheld: whether a truth of frame 1 alone is accepted.

    Raises:
        SourceError: the numbers of images and boxes differ; frame 1 has no box.
    """
    if withheld and len(truth) == 1:
        truth = np.concatenate((truth, np.full((len(images) - 1, 4), np.nan)))
    if len(truth) != len(images):
        raise SourceError(
            f"{truth_file}: {len(truth)} boxes, but {len(images)} images "
            f"in {images[0].parent if images else 'its folder'}"
        )
    if not present(truth)[0]:
        raise SourceError(f"{truth_file}, line 1: frame 1 has no box to start from")
    return Sequence(name, image_frames(name, images), truth, attributes or {})
