"""Whether images come, without a node: the test is the clock."""

from __future__ import annotations

import pytest

from autrack_ros.node.inputs.image_watch import ImageWatch


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> ImageWatch:
    """Images have been wanted for a second; an image was late by more than 5 s when it is told."""
    made = ImageWatch(5.0, clock)
    made.restart(wanted=True)
    clock.now += 1
    return made


def test_images_that_come_are_counted_and_nothing_is_told(watch: ImageWatch, clock: Clock) -> None:
    for _ in range(100):
        clock.now += 4
        assert watch.image_received() is None
        assert not watch.stay_away()
    assert watch.received == 100


def test_images_that_never_came_stay_away_after_the_patience(
    watch: ImageWatch, clock: Clock
) -> None:
    assert not watch.stay_away()
    clock.now += 4
    assert watch.stay_away()


def test_the_first_image_after_that_tells_how_long_there_was_none(
    watch: ImageWatch, clock: Clock
) -> None:
    watch.image_received()
    clock.now += 7
    assert watch.stay_away()
    clock.now += 2
    assert watch.image_received() == 9
    assert watch.image_received() is None
    assert not watch.stay_away()


def test_while_images_are_not_wanted_they_are_not_missed(watch: ImageWatch, clock: Clock) -> None:
    watch.restart(wanted=False)
    clock.now += 100
    assert not watch.stay_away()
    assert watch.waiting_s is None
    watch.restart(wanted=True)
    clock.now += 4
    assert not watch.stay_away()
    assert watch.waiting_s == 4
