"""The ring of recent images."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from autrack_ros.node.image_buffer import MAX_IMAGES, ImageBuffer, stamp_ns
from autrack_ros.tracking.errors import ConfigurationError

MS = 1_000_000
MANY = 10**9


def image(milliseconds: int, size: int = 10) -> Any:
    """Stand-in of an image message: its header's stamp and its data."""
    stamp = SimpleNamespace(sec=milliseconds // 1000, nanosec=milliseconds % 1000 * MS)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), data=bytes(size))


def filled(*milliseconds: int, seconds: float = 100.0, max_bytes: int = MANY) -> ImageBuffer[Any]:
    buffer: ImageBuffer[Any] = ImageBuffer(seconds, max_bytes)
    for stamp in milliseconds:
        buffer.add(image(stamp))
    return buffer


def held(buffer: ImageBuffer[Any]) -> list[int]:
    """Stamps held, milliseconds."""
    return [stamp_ns(message) // MS for message in buffer.after(image(-1))]


def test_stamps_are_read_to_the_nanosecond() -> None:
    message = image(0)
    message.header.stamp = SimpleNamespace(sec=1_800_000_000, nanosec=7)
    assert stamp_ns(message) == 1_800_000_000_000_000_007


def test_the_span_of_stamps_is_bounded() -> None:
    buffer = filled(0, 400, 1000, seconds=1.0)
    assert held(buffer) == [0, 400, 1000]
    buffer.add(image(1001))
    assert held(buffer) == [400, 1000, 1001]
    assert buffer.span == (400 * MS, 1001 * MS)
    buffer.add(image(9000))
    assert held(buffer) == [9000]


def test_the_bytes_are_bounded() -> None:
    buffer = filled(1, 2, 3, max_bytes=30)
    assert held(buffer) == [1, 2, 3]
    buffer.add(image(4, size=11))
    assert held(buffer) == [3, 4]
    buffer.add(image(5, size=9))
    assert held(buffer) == [3, 4, 5]  # exactly 30: what was let go is no longer counted


def test_the_number_of_images_is_bounded_where_they_are_tiny() -> None:
    buffer = filled(*range(MAX_IMAGES + 5), seconds=60.0)
    assert held(buffer) == list(range(5, MAX_IMAGES + 5))


def test_the_newest_image_is_kept_however_large() -> None:
    buffer = filled(1, 2, max_bytes=30)
    buffer.add(image(3, size=1000))
    assert held(buffer) == [3]
    assert held(filled(1, 2, seconds=0.0, max_bytes=0)) == [2]


def test_a_jump_back_in_time_lets_go_of_what_came_before() -> None:
    buffer = filled(1000, 2000, 3000, max_bytes=30)
    buffer.add(image(1500))
    assert held(buffer) == [1500]
    for stamp in (1600, 1700):
        buffer.add(image(stamp))
    assert held(buffer) == [1500, 1600, 1700]  # the bytes were forgotten too


def test_an_image_of_the_same_stamp_replaces_the_one_before() -> None:
    buffer = filled(1, 2, max_bytes=30)
    again = image(2, size=20)
    buffer.add(again)
    assert held(buffer) == [1, 2]
    assert buffer.nearest(2 * MS, 0) is again


@pytest.mark.parametrize(
    ("asked_ns", "tolerance_ns", "found_ms"),
    [
        (200 * MS, 0, 200),
        (200 * MS + 1, 0, None),
        (200 * MS + 1, 1, 200),
        (249 * MS, 100 * MS, 200),
        (250 * MS, 100 * MS, 200),
        (251 * MS, 100 * MS, 300),
        (90 * MS, 10 * MS, 100),
        (90 * MS - 1, 10 * MS, None),
        (310 * MS, 10 * MS, 300),
        (310 * MS + 1, 10 * MS, None),
    ],
)
def test_nearest_is_within_the_tolerance_or_none(
    asked_ns: int, tolerance_ns: int, found_ms: int | None
) -> None:
    found = filled(100, 200, 300).nearest(asked_ns, tolerance_ns)
    assert (None if found is None else stamp_ns(found) // MS) == found_ms


def test_an_empty_buffer_has_nothing() -> None:
    buffer = filled()
    assert buffer.nearest(0, MANY) is None
    assert buffer.span is None
    assert buffer.refusal(0, 0) == "no image of stamp 0.000 s (±0.000 s): the buffer holds no image"


def test_after_gives_the_later_images_in_order() -> None:
    buffer = filled(100, 200, 300, 400)
    chosen = buffer.nearest(200 * MS, 0)
    assert [stamp_ns(message) // MS for message in buffer.after(chosen)] == [300, 400]
    assert buffer.after(buffer.after(chosen)[-1]) == []


def test_after_goes_on_from_an_image_that_was_let_go() -> None:
    buffer = filled(100, 200, max_bytes=20)
    first = buffer.nearest(100 * MS, 0)
    buffer.add(image(300))
    assert [stamp_ns(message) // MS for message in buffer.after(first)] == [200, 300]


def test_messages_are_kept_as_they_came() -> None:
    buffer = filled()
    message = image(5)
    buffer.add(message)
    assert buffer.nearest(5 * MS, 0) is message


def test_clear_lets_go_of_all_images_and_their_bytes() -> None:
    buffer = filled(1, 2, 3, max_bytes=30)
    buffer.clear()
    assert buffer.span is None
    for stamp in (1, 2, 3):
        buffer.add(image(stamp))
    assert held(buffer) == [1, 2, 3]


def test_a_refusal_says_which_stamps_are_held() -> None:
    buffer = filled(10_000, 12_300)
    assert buffer.refusal(12_345 * MS, 10 * MS) == (
        "no image of stamp 12.345 s (±0.010 s): the buffer holds 10.000 to 12.300 s, "
        "the nearest 45 ms away"
    )
    assert buffer.refusal(12_300 * MS + 2_000, 0).endswith("the nearest 0.002 ms away")


def test_a_refusal_is_exact_at_the_time_of_today() -> None:
    now = 1_795_436_575_123_499_999
    assert filled().refusal(now, 0).startswith("no image of stamp 1795436575.123 s")
    assert filled().refusal(now + 1, 0).startswith("no image of stamp 1795436575.124 s")


@pytest.mark.parametrize(
    ("seconds", "max_bytes", "named"),
    [
        (-0.1, 1, "seconds -0.1"),
        (float("nan"), 1, "seconds nan"),
        (float("inf"), 1, "seconds inf"),
        (1.0, -1, "max_bytes -1"),
    ],
)
def test_wrong_bounds_are_refused(seconds: float, max_bytes: int, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ImageBuffer(seconds, max_bytes)


def test_threads_may_add_and_look_at_the_same_time() -> None:
    buffer: ImageBuffer[Any] = ImageBuffer(1.0, MANY)
    errors: list[Exception] = []
    done = threading.Event()

    def look() -> None:
        try:
            while not done.is_set():
                stamps = held(buffer)
                assert stamps == sorted(stamps)
                buffer.nearest(500 * MS, MANY)
                buffer.refusal(0, 0)
        except Exception as error:
            errors.append(error)

    looker = threading.Thread(target=look)
    looker.start()
    for stamp in range(20_000):
        buffer.add(image(stamp % 5_000))
    done.set()
    looker.join(10)
    assert not errors
    assert held(buffer) == list(range(3_999, 5_000))
