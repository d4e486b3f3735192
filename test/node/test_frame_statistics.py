"""Rates, percentiles and drops of the last seconds, on a clock that the test moves."""

from __future__ import annotations

import math
import threading

import pytest

from autrack_ros.node.frame_statistics import FrameStatistics, RollingWindow


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_rate_is_right_from_the_second_event_on():
    window = RollingWindow(10.0)
    assert window.rate_hz(0.0) == 0
    window.add(0.0)
    assert window.rate_hz(0.0) == 0
    window.add(0.1)
    assert window.rate_hz(0.1) == pytest.approx(10)


@pytest.mark.parametrize("capacity", [1000, 50])
def test_rate_of_a_steady_stream_does_not_depend_on_which_bound_cuts_it(capacity):
    window = RollingWindow(10.0, capacity)
    for index in range(1000):
        window.add(index / 30)
    assert window.rate_hz(999 / 30) == pytest.approx(30)
    assert window.count(999 / 30) == pytest.approx(min(300, capacity), abs=1)


def test_rate_falls_to_zero_when_the_stream_ends():
    window = RollingWindow(10.0)
    for index in range(101):
        window.add(index / 10)
    assert window.rate_hz(10.0) == pytest.approx(10, rel=0.02)
    assert window.rate_hz(15.0) == pytest.approx(5, rel=0.03)
    assert window.rate_hz(20.1) == 0


def test_values_are_those_of_the_window_and_finite():
    window = RollingWindow(5.0, 3)
    for now, value in ((0, 1.0), (1, 2.0), (2, math.nan), (3, 4.0)):
        window.add(now, value)
    assert window.values(3) == [2.0, 4.0]
    assert window.values(6.5) == [4.0]
    assert window.count(8.0) == 0


def test_summary_of_processed_images(clock):
    statistics = FrameStatistics(10.0, clock=clock)
    for index in range(101):
        clock.now = 100 + index * 0.05
        statistics.image_received()
        statistics.image_processed(processing_ms=index / 10, latency_ms=index, dropped_total=0)
    summary = statistics.summary()
    assert summary.image_rate_hz == summary.track_rate_hz == pytest.approx(20)
    assert (summary.latency_ms.p50, summary.latency_ms.p95, summary.latency_ms.p99) == (50, 95, 99)
    assert summary.processing_ms.p50 == pytest.approx(5)
    assert (summary.dropped, summary.dropped_share, summary.dropped_total) == (0, 0, 0)
    clock.now += 3
    assert statistics.summary().image_age_s == pytest.approx(3)
    assert statistics.summary().track_age_s == pytest.approx(3)


def test_before_the_first_image_nothing_is_known(clock):
    summary = FrameStatistics(clock=clock).summary()
    assert summary.image_age_s == summary.track_age_s == math.inf
    assert summary.image_rate_hz == summary.track_rate_hz == 0
    assert math.isnan(summary.latency_ms.p50)


def test_images_without_a_stamp_have_no_latency_but_count(clock):
    statistics = FrameStatistics(clock=clock)
    statistics.image_processed(5.0, 40.0, 0)
    clock.now += 1
    statistics.image_processed(5.0, None, 0)
    assert statistics.summary().latency_ms.p99 == 40
    assert statistics.summary().track_rate_hz == pytest.approx(1)


def test_drops_are_those_of_the_window_and_all(clock):
    statistics = FrameStatistics(10.0, clock=clock)
    statistics.image_processed(5.0, None, dropped_total=6)
    clock.now += 9
    statistics.image_processed(5.0, None, dropped_total=8)
    summary = statistics.summary()
    assert (summary.dropped, summary.dropped_total) == (8, 8)
    assert summary.dropped_share == pytest.approx(0.8)
    clock.now += 5
    summary = statistics.summary()
    assert (summary.dropped, summary.dropped_total) == (2, 8)
    assert summary.dropped_share == pytest.approx(2 / 3)


def test_a_drop_counter_that_starts_anew_is_no_drop(clock):
    statistics = FrameStatistics(clock=clock)
    statistics.image_processed(5.0, None, dropped_total=6)
    clock.now += 20
    statistics.image_processed(5.0, None, dropped_total=0)
    statistics.image_processed(5.0, None, dropped_total=1)
    assert statistics.summary().dropped == 1


def test_memory_is_bounded_at_any_rate(clock):
    statistics = FrameStatistics(1000.0, capacity=20, clock=clock)
    for index in range(500):
        clock.now += 1e-4
        statistics.image_received()
        statistics.image_processed(1.0, 1.0, dropped_total=index)
    summary = statistics.summary()
    assert summary.image_rate_hz == pytest.approx(1e4)
    assert summary.dropped == 20


def test_threads_do_not_disturb_each_other():
    statistics = FrameStatistics(60.0, capacity=100_000)
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(500):
                statistics.image_received()
                statistics.image_processed(1.0, 1.0, 0)
                statistics.summary()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_images_that_are_left_out_are_counted(clock):
    statistics = FrameStatistics(10.0, clock=clock)
    for _ in range(3):
        statistics.image_left_out()
    clock.now += 20
    assert statistics.summary().left_out_total == 3
