"""Clips with their truth: films left out of training, and those of ``made_clips``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autrack_ros.training.sources.base import DataError, Source, TrainingObject
from autrack_ros.training.validation.held_out import Film, find_films

HIDDEN = 0.1  # a target of which less is visible cannot be tracked right


@dataclass(frozen=True, slots=True)
class Clip:
    """A short video with its truth.

    Attributes:
        name: unique in its set.
        made: composed by ``make_clips``; else filmed.
        files: the frames as encoded pictures (JPEG), all of one size.
        truth: N x 4 float64, edge coordinates, pixels: the whole object, also where it is covered
            or outside the picture.
        visible: N float64, 0..1, share of the object that is in the picture and not covered.
        attributes: the groups it is scored in. Of a made clip what makes it hard, in the words of
            OTB where it has one; of a film its kind and whether there are look-alikes.
    """

    name: str
    made: bool
    files: Sequence[bytes]
    truth: np.ndarray
    visible: np.ndarray
    attributes: tuple[str, ...] = ()

    @property
    def frames(self) -> Iterator[np.ndarray]:
        """The frames, decoded one by one: HxWx3 uint8 BGR.

        Raises:
            DataError: a frame is no picture.
        """
        for number, file in enumerate(self.files, 1):
            image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise DataError(f"clip {self.name}: frame {number} is no readable picture")
            yield image


def film_clips(sources: Iterable[Source], films: Iterable[Film]) -> list[Clip]:
    """The films among sources as clips, in the order of the list.

    A film whose set is not among the sources is left out.

    Raises:
        DataError: a set lacks a film that is named, or a picture cannot be read.
    """
    return [_film_clip(film, thing) for film, thing in find_films(sources, films)]


def _film_clip(film: Film, thing: TrainingObject) -> Clip:
    try:
        files = [view.picture.read_bytes() for view in thing.views]
    except OSError as error:
        raise DataError(f"clip {thing.name}: {error.filename}: {error.strerror}") from error
    truth = np.array([view.box for view in thing.views], float)
    return Clip(thing.name, False, files, truth, np.ones(len(truth)), film.attributes)
