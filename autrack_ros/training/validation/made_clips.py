"""Made clips of left-out objects.

A made clip shows an object before a photograph that pans and shakes. The object moves on a smooth
path, turns, grows and shrinks; the light changes; another object passes in front of it, or it
leaves the view; a look-alike may cross it. Every frame is the mean of what is seen while the
shutter is open, so that blur follows from the motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autrack_ros.tracking.errors import ConfigurationError
from autrack_ros.training.sources.base import DataError, TrainingObject
from autrack_ros.training.validation.clips import Clip
from autrack_ros.training.validation.director import EVENTS, LONE_EVENTS, Director
from autrack_ros.training.validation.held_out import family
from autrack_ros.training.validation.scene import FRAMES
from autrack_ros.training.validation.sprites import outline_of, read_image

MIN_FRAMES = 40
MIN_CUTOUT_SIDE_PX = 48.0
MAX_ASPECT = 3.5


def make_clips(
    objects: Sequence[TrainingObject],
    backgrounds: Sequence[Path],
    count: int,
    seed: int,
    frames: int = FRAMES,
    events: Sequence[str] = EVENTS,
) -> list[Clip]:
    """Compose clips of 320 x 240 pixels.

    In clip i event i (modulo their number) happens: by default the target is covered in part,
    covered wholly or leaves the view. In every other round of these events a look-alike crosses it.
    Of ``LONE_EVENTS``, two look-alikes cross it, or it turns far, or the light changes much, and
    nothing covers it. The clip depends on the other arguments and i, not on ``count``.

    Args:
        objects: cut-outs; where one has several views, they show it turning.
        backgrounds: photographs.
        count: clips.
        seed: of everything random.
        frames: length of a clip, at least 40.
        events: of ``EVENTS`` and ``LONE_EVENTS``, in turn.

    Raises:
        ConfigurationError: too few frames, or an unknown event.
        DataError: fewer than three families of usable objects (every view at least 48 pixels, no
            longer than 3.5:1), no background, or a picture that cannot be read.
    """
    if frames < MIN_FRAMES:
        raise ConfigurationError(
            f"validation clips of {frames} frames: their events need at least {MIN_FRAMES}"
        )
    if not events or not {*events} <= {*EVENTS, *LONE_EVENTS}:
        accepted = ", ".join(EVENTS + LONE_EVENTS)
        raise ConfigurationError(f"validation clips: events {events}: accepted are {accepted}")
    usable = [thing for thing in objects if _is_usable(thing)]
    families = len({family(thing) for thing in usable})
    if families < 3 or not backgrounds:
        raise DataError(
            f"validation clips: {families} families of usable cut-outs and {len(backgrounds)} "
            "backgrounds; at least 3 and 1 are needed"
        )
    order = np.random.default_rng(seed).permutation(len(usable))
    clips = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        target = usable[order[number % len(usable)]]
        photo = read_image(backgrounds[int(rng.integers(len(backgrounds)))], channels=3)
        director = Director(rng, usable, photo, frames)
        event = events[number % len(events)]
        look_alike = event not in LONE_EVENTS and number // len(events) % 2 == 0
        scene = director.plan(target, event, look_alike)
        files, truth = scene.film(rng, frames)
        words = (event, *(["look_alike"] if look_alike else []), *scene.attributes(frames))
        name = f"made_{number:03d}_{Path(target.name).stem}"
        clips.append(Clip(name, True, files, truth[:, :4], truth[:, 4], words))
    return clips


def _is_usable(thing: TrainingObject) -> bool:
    images = [read_image(view.picture, channels=4) for view in thing.views]
    sides = np.array([np.ptp(outline_of(image[..., 3] > 127), axis=0) for image in images])
    longest, shortest = sides.max(axis=1), sides.min(axis=1)
    return bool((longest >= MIN_CUTOUT_SIDE_PX).all() and (longest <= MAX_ASPECT * shortest).all())
