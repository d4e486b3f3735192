"""What the headers of a stream of images show."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autrack_ros.node.stream import (
    FROZEN_IMAGES,
    LATE_IMAGES,
    LATE_NS,
    Change,
    StreamEvent,
    StreamMonitor,
)

S = 1_000_000_000
MS = 1_000_000


class Stream:
    """A monitor fed with images that are alike but for what a test names."""

    def __init__(self) -> None:
        self.monitor = StreamMonitor()

    def feed(
        self, stamp_ns: int, frame_id: str = "camera", width: int = 640, height: int = 480
    ) -> list[Change]:
        self.events = self.monitor.feed(stamp_ns, frame_id, width, height)
        return [event.change for event in self.events]

    @property
    def event(self) -> StreamEvent:
        (event,) = self.events
        return event


@pytest.fixture
def stream() -> Stream:
    """A stream whose newest image is of 100 s."""
    started = Stream()
    assert started.feed(100 * S) == []
    return started


def test_an_even_stream_shows_nothing(stream: Stream) -> None:
    assert not any(stream.feed(100 * S + i * 33 * MS) for i in range(1, 100))
    assert stream.feed(5000 * S) == []  # a gap is no fault: the tracker's search answers it


def test_a_bag_that_loops_jumps_back_once_and_forgets(stream: Stream) -> None:
    for _ in range(2):
        assert stream.feed(130 * S) == []
        assert stream.feed(100 * S) == [Change.TIME_JUMPED_BACK]
        assert stream.event.forgets
        assert not stream.event.skips_image
        assert "back by 30 s" in stream.event.text
        assert stream.feed(100 * S + 33 * MS) == []


def test_a_late_image_is_left_out_and_forgets_nothing(stream: Stream) -> None:
    assert stream.feed(100 * S - 33 * MS) == [Change.LATE_IMAGE]
    assert stream.event.skips_image
    assert not stream.event.forgets
    assert "33 ms older" in stream.event.text
    assert stream.feed(100 * S + 33 * MS) == []


def test_a_late_image_is_not_compared_with(stream: Stream) -> None:
    stream.feed(100 * S - 2, "other", 10, 10)
    assert stream.events[0].change is Change.LATE_IMAGE
    assert stream.feed(100 * S - 1) == [Change.LATE_IMAGE]  # older than 100 s, not than the late
    assert stream.feed(101 * S) == []


def test_from_half_a_second_on_it_is_a_jump(stream: Stream) -> None:
    assert stream.feed(100 * S - LATE_NS + 1) == [Change.LATE_IMAGE]
    assert stream.feed(100 * S - LATE_NS) == [Change.TIME_JUMPED_BACK]


def test_several_late_images_in_a_row_are_a_jump(stream: Stream) -> None:
    late = [stream.feed(100 * S - 100 * MS + i * MS) for i in range(LATE_IMAGES)]
    assert late == [[Change.LATE_IMAGE]] * (LATE_IMAGES - 1) + [[Change.TIME_JUMPED_BACK]]
    assert stream.feed(100 * S - 50 * MS) == []  # compared with the stamp jumped to


def test_an_image_without_a_stamp_among_others_is_left_out_and_forgets_nothing(
    stream: Stream,
) -> None:
    assert stream.feed(0) == [Change.NO_STAMP]
    assert stream.event.skips_image
    assert not stream.event.forgets
    assert "no stamp" in stream.event.text
    assert stream.feed(100 * S + 33 * MS) == []


def test_several_images_without_a_stamp_in_a_row_are_a_jump(stream: Stream) -> None:
    """The driver stamps no longer; its pixels live."""
    told = [stream.feed(0) for _ in range(LATE_IMAGES + 2)]
    jump = [[Change.NO_STAMP]] * (LATE_IMAGES - 1) + [[Change.TIME_JUMPED_BACK]]
    assert told == [*jump, [], []]


def test_late_images_with_others_between_are_no_jump(stream: Stream) -> None:
    for i in range(3 * LATE_IMAGES):
        assert stream.feed(101 * S + i * 66 * MS) == []
        assert stream.feed(101 * S + i * 66 * MS - 33 * MS) == [Change.LATE_IMAGE]


def test_after_a_jump_late_images_are_counted_anew(stream: Stream) -> None:
    stream.feed(100 * S - 1)
    stream.feed(100 * S - 2)
    assert stream.feed(50 * S) == [Change.TIME_JUMPED_BACK]
    assert stream.feed(50 * S - 1) == [Change.LATE_IMAGE]


@pytest.mark.parametrize(("width", "height"), [(641, 480), (640, 481), (480, 640)])
def test_a_change_of_size_forgets(stream: Stream, width: int, height: int) -> None:
    assert stream.feed(101 * S, width=width, height=height) == [Change.SIZE_CHANGED]
    assert stream.event.forgets
    assert f"from 640x480 to {width}x{height}" in stream.event.text
    assert stream.feed(102 * S, width=width, height=height) == []


def test_a_change_of_frame_id_warns_only(stream: Stream) -> None:
    assert stream.feed(101 * S, frame_id="left") == [Change.FRAME_ID_CHANGED]
    assert not stream.event.forgets
    assert not stream.event.skips_image
    assert "from 'camera' to 'left'" in stream.event.text
    assert stream.feed(102 * S, frame_id="left") == []


def test_a_frozen_stream_is_told_once_and_processed(stream: Stream) -> None:
    told = [stream.feed(100 * S) for _ in range(3 * FROZEN_IMAGES)]
    # the fixture's image is the first of that stamp
    assert [i for i, changes in enumerate(told) if changes] == [FROZEN_IMAGES - 2]
    assert told[FROZEN_IMAGES - 2] == [Change.STAMPS_STAND_STILL]


def test_a_frozen_streams_event_neither_skips_nor_forgets(stream: Stream) -> None:
    for _ in range(FROZEN_IMAGES - 1):
        stream.feed(100 * S)
    assert not stream.event.forgets
    assert not stream.event.skips_image
    assert "stamp 100 s (a frozen stream" in stream.event.text


def test_a_stream_that_thaws_may_freeze_again(stream: Stream) -> None:
    for second in (100, 101):
        told = [stream.feed(second * S) for _ in range(FROZEN_IMAGES)]
        assert [Change.STAMPS_STAND_STILL] in told
        assert stream.feed(second * S + 1) == []


def test_a_stamp_repeated_now_and_then_is_not_frozen(stream: Stream) -> None:
    for i in range(10 * FROZEN_IMAGES):
        assert stream.feed((101 + i // 2) * S) == []


def test_a_driver_that_does_not_stamp_is_named() -> None:
    stream = Stream()
    for _ in range(FROZEN_IMAGES):
        stream.feed(0)
    assert "the driver does not stamp" in stream.event.text


def test_all_changes_of_one_image_are_told(stream: Stream) -> None:
    assert stream.feed(1 * S, "left", 320, 240) == [
        Change.TIME_JUMPED_BACK,
        Change.SIZE_CHANGED,
        Change.FRAME_ID_CHANGED,
    ]


def test_the_monitor_needs_no_ros() -> None:
    code = "import sys, autrack_ros.node.stream; print('rclpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
