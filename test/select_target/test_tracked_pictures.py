"""Which image is shown, and with which boxes."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from autrack_ros.msg import Track, TrackArray
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from autrack_ros.drawing import DrawnTarget
from autrack_ros.select_target.tracked_pictures import TrackedPicture, TrackedPictures
from autrack_ros.tracking import Box

BOX = Box(10, 20, 30, 40)


def header(ms: int) -> Header:
    return Header(stamp=Time(sec=ms // 1000, nanosec=ms % 1000 * 10**6))


def image(ms: int) -> Image:
    return Image(header=header(ms), data=[0])


def tracks(ms: int, state: int = Track.TRACKING, *, seen: bool = True) -> TrackArray:
    track = Track(header=header(ms), state=state, id="cup")
    if seen:
        (track.center_x, track.center_y), track.score = BOX.center, 0.5
        track.size_x, track.size_y = float(BOX.w), float(BOX.h)
    return TrackArray(header=header(ms), tracks=[track])


@pytest.fixture
def pictures() -> TrackedPictures:
    return TrackedPictures()


def shown(pictures: TrackedPictures) -> tuple[int, tuple[DrawnTarget, ...] | None]:
    """Stamp in milliseconds, and targets."""
    newest = pictures.newest
    stamp = newest.image.header.stamp
    return stamp.sec * 1000 + stamp.nanosec // 10**6, newest.targets


def test_before_the_first_image_there_is_nothing_to_show(pictures):
    pictures.add_tracks(tracks(100))
    assert pictures.newest is None


def test_without_a_tracker_the_newest_image_is_shown(pictures):
    for ms in (100, 133, 166):
        pictures.add_image(image(ms))
        assert shown(pictures) == (ms, None)


def test_the_image_of_the_newest_results_is_shown_with_them(pictures):
    for ms in (100, 133, 166):
        pictures.add_image(image(ms))
    pictures.add_tracks(tracks(133))
    cup = DrawnTarget(BOX, "cup", 0.5, "tracking")
    assert shown(pictures) == (133, (cup,))
    assert pictures.newest is pictures.newest  # so that it is converted once


def test_results_may_be_handled_before_their_image(pictures):
    pictures.add_image(image(100))
    pictures.add_tracks(tracks(133))
    assert shown(pictures) == (100, None)
    pictures.add_image(image(133))
    assert shown(pictures)[0] == 133
    assert shown(pictures)[1] is not None


def test_results_of_an_image_that_did_not_come_change_nothing(pictures):
    pictures.add_image(image(100))
    pictures.add_tracks(tracks(100))
    pictures.add_tracks(tracks(120))
    assert shown(pictures)[0] == 100


def test_a_lost_target_stays_where_it_was_seen_last(pictures):
    pictures.add_image(image(100))
    pictures.add_tracks(tracks(100))
    pictures.add_image(image(133))
    pictures.add_tracks(tracks(133, Track.LOST, seen=False))
    assert shown(pictures) == (133, (DrawnTarget(BOX, "cup", None, "lost"),))


def test_a_target_that_was_never_seen_is_not_drawn(pictures):
    pictures.add_image(image(100))
    pictures.add_tracks(tracks(100, Track.LOST, seen=False))
    assert shown(pictures) == (100, ())


def test_a_tracker_that_falls_silent_does_not_stop_the_picture(pictures):
    pictures.add_image(image(100))
    pictures.add_tracks(tracks(100))
    pictures.add_image(image(1100))
    assert shown(pictures)[0] == 100
    pictures.add_image(image(1133))
    assert shown(pictures) == (1133, None)


def test_a_bag_that_starts_anew_shows_its_images(pictures):
    pictures.add_image(image(5000))
    pictures.add_tracks(tracks(5000))
    pictures.add_image(image(100))
    assert pictures.newest == TrackedPicture(image(100), None)
