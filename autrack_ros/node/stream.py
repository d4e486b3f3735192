"""What can go wrong with a stream of images, noticed from the headers; and what is done about it.

| what changed | noticed by | what the node does |
|---|---|---|
| time jumped back | see ``LATE_NS`` and ``LATE_IMAGES`` | forgets all targets and kept images |
| late image | a stamp earlier by less than that | leaves this image out |
| no stamp | a stamp of 0 after others | leaves this image out, up to ``LATE_IMAGES`` in a row |
| size | another width or height | forgets all targets and kept images |
| frame id | another frame_id | warns, follows on |
| stamps stand still | ``FROZEN_IMAGES`` of one stamp in a row | warns, follows on |

Why so:

* After a jump back a bag has started anew or a clock was set: what was seen last is no guide to
  where a target is now, and a track of the future must not be mixed with one of the past.
* A single late image is no new start. Workers that decode or rectify in parallel swap two images
  now and then, and a robot must not lose its targets for that; nor is it followed backwards.
* A single image without a stamp says nothing of the time, and a driver that drops one now and then
  has not started anew.
* After a change of size the same pixels mean other places, and no rule tells whether the image was
  scaled, cropped or turned.
* A frame id only names where the camera sits; the pixels mean the same as before.
* Images whose stamp stands still are processed all the same. Most such drivers do not stamp at all
  while their pixels live, and a node that runs but does nothing is the worse fault; on pictures
  that really are frozen, a target just stays where it is.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

#: A stamp this much before the newest one, or more, is a jump back; one by less is a late image.
LATE_NS = 500_000_000
#: So many late or unstamped images in a row are a jump back as well.
LATE_IMAGES = 3
#: So many images in a row of the same stamp are a frozen stream.
FROZEN_IMAGES = 10


class Change(enum.Enum):
    """What changed in a stream."""

    TIME_JUMPED_BACK = enum.auto()
    LATE_IMAGE = enum.auto()
    NO_STAMP = enum.auto()
    SIZE_CHANGED = enum.auto()
    FRAME_ID_CHANGED = enum.auto()
    STAMPS_STAND_STILL = enum.auto()


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something an image's header shows.

    Attributes:
        change: what.
        text: for the log, with the values before and after and what the node does.
    """

    change: Change
    text: str

    @property
    def forgets(self) -> bool:
        """Whether all targets and all images kept before this one must be forgotten."""
        return self.change in (Change.TIME_JUMPED_BACK, Change.SIZE_CHANGED)

    @property
    def skips_image(self) -> bool:
        """Whether this image must be neither kept nor processed."""
        return self.change in (Change.LATE_IMAGE, Change.NO_STAMP)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The newest image that was not late."""

    stamp_ns: int
    frame_id: str
    size: tuple[int, int]


class StreamMonitor:
    """Compare every image's header with the one before. Not thread-safe."""

    def __init__(self) -> None:
        self._newest: _Seen | None = None
        self._late = 0
        self._same_stamp = 1  # images in a row

    def feed(
        self, stamp_ns: int, frame_id: str, width: int, height: int
    ) -> tuple[StreamEvent, ...]:
        """Take the header of the next image and return what it shows; mostly nothing.

        Every change gives one event. Stamps that stand still give one until one has moved.

        Args:
            stamp_ns: of the header, nanoseconds.
            frame_id: of the header.
            width: pixels.
            height: pixels.
        """
        seen, before = _Seen(stamp_ns, frame_id, (width, height)), self._newest
        if before is None:
            self._newest = seen
            return ()
        back_ns = before.stamp_ns - stamp_ns
        is_odd = back_ns > 0 and (back_ns < LATE_NS or stamp_ns == 0)
        if is_odd and self._late + 1 < LATE_IMAGES:
            self._late += 1
            return (_no_stamp() if stamp_ns == 0 else _late_image(back_ns),)
        self._late = 0
        self._newest = seen
        self._same_stamp = self._same_stamp + 1 if back_ns == 0 else 1
        events = []
        if back_ns > 0:
            events.append(_time_jumped_back(back_ns))
        if seen.size != before.size:
            events.append(_size_changed(before.size, seen.size))
        if seen.frame_id != before.frame_id:
            events.append(_frame_id_changed(before.frame_id, seen.frame_id))
        if self._same_stamp == FROZEN_IMAGES:
            events.append(_stamps_stand_still(stamp_ns))
        return tuple(events)


def _late_image(back_ns: int) -> StreamEvent:
    return StreamEvent(
        Change.LATE_IMAGE,
        f"an image is {back_ns / 1e6:.6g} ms older than the one before: left out",
    )


def _no_stamp() -> StreamEvent:
    return StreamEvent(
        Change.NO_STAMP, "an image has no stamp (0 s), unlike the one before: left out"
    )


def _time_jumped_back(back_ns: int) -> StreamEvent:
    return StreamEvent(
        Change.TIME_JUMPED_BACK,
        f"the stamps jumped back by {back_ns / 1e9:.6g} s (a bag that starts anew, a clock that "
        "was set, or two publishers on the topic): all targets are forgotten",
    )


def _size_changed(before: tuple[int, int], now: tuple[int, int]) -> StreamEvent:
    return StreamEvent(
        Change.SIZE_CHANGED,
        f"the image size changed from {before[0]}x{before[1]} to {now[0]}x{now[1]}: "
        "all targets are forgotten, their pixels no longer mean the same",
    )


def _frame_id_changed(before: str, now: str) -> StreamEvent:
    return StreamEvent(
        Change.FRAME_ID_CHANGED,
        f"the frame_id changed from '{before}' to '{now}': the targets are followed on",
    )


def _stamps_stand_still(stamp_ns: int) -> StreamEvent:
    cause = "the driver does not stamp" if stamp_ns == 0 else "a frozen stream, or no new stamps"
    return StreamEvent(
        Change.STAMPS_STAND_STILL,
        f"{FROZEN_IMAGES} images in a row have the stamp {stamp_ns / 1e9:.9g} s ({cause}): "
        "they are processed all the same",
    )
