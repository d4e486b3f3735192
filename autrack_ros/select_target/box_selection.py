"""A box chosen with keys and mouse on a moving picture; no window, no ROS."""

from __future__ import annotations

from autrack_ros.tracking import Box
from autrack_ros.tracking.boxes import MIN_SIDE_PX

FREEZE, AGAIN, END = " ", "n", ("q", "\x1b")
NUMBERS = "123456789"


class BoxSelection:
    """What a person has chosen so far.

    The picture stands still from ``FREEZE`` until a box is drawn or the key comes again.

    Args:
        target_id: of target number 1; number 2 is "<target_id>-2".
    """

    def __init__(self, target_id: str) -> None:
        self._first_id = target_id
        self._number = 1
        self._start: tuple[int, int] | None = None
        self._end = (0, 0)
        self.frozen = False
        self.ended = False
        self.again = False  # the last box is wanted once more, on the next image
        self.message = ""

    @property
    def target_id(self) -> str:
        """Name of the target that the next box is for."""
        return self._first_id if self._number == 1 else f"{self._first_id}-{self._number}"

    @property
    def box(self) -> Box | None:
        """The box that is being drawn: all pixels from the first to the last one, both included."""
        if self._start is None:
            return None
        (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(self._start, self._end, strict=True))
        return Box(x0, y0, x1 - x0 + 1, y1 - y0 + 1)

    @property
    def help(self) -> list[str]:
        """What to do now, in lines that fit on a small picture."""
        if self.frozen:
            lines = ["drag a box around the target", "space: live picture   q: end"]
        else:
            lines = ["space: freeze the picture   q: end", "n: last box on the next image"]
        return [*lines, f"1-9: target, now '{self.target_id}'", *filter(None, [self.message])]

    def press_key(self, key: str) -> None:
        """Take a key; one that means nothing is ignored."""
        if key == FREEZE:
            self.frozen, self._start, self.message = not self.frozen, None, ""
        elif key == AGAIN:
            self.again = True
        elif key in END:
            self.end()
        elif key and key in NUMBERS:  # a key such as Shift is an empty string
            self._number = int(key)

    def end(self) -> None:
        """No more boxes: the window is gone."""
        self.ended = True

    def press(self, x: int, y: int) -> None:
        """Begin a box at a pixel; only a frozen picture takes one."""
        if self.frozen:
            self._start = self._end = (x, y)
        else:
            self.message = "freeze the picture first"

    def move(self, x: int, y: int) -> None:
        """Draw the box to a pixel."""
        self._end = (x, y)

    def release(self, x: int, y: int, width: int, height: int) -> Box | None:
        """End the box at a pixel; return what of it lies in a picture of that size.

        None, and another try on the same picture, if that is too small. With a box the picture
        moves again.
        """
        self.move(x, y)
        box, self._start = self.box, None
        if box is None:
            return None
        box = box.clipped(width, height)
        if min(box.w, box.h) < MIN_SIDE_PX:
            self.message = f"too small: at least {MIN_SIDE_PX:g} x {MIN_SIDE_PX:g} px"
            return None
        self.frozen = False
        return box
