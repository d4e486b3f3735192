"""The thread that processes the newest item."""

from __future__ import annotations

import threading

from autrack_ros.node.worker import Worker


def test_items_that_come_during_work_are_dropped_but_for_the_newest() -> None:
    begun, finish, done = threading.Event(), threading.Event(), threading.Event()
    processed: list[int] = []

    def process(item: int) -> None:
        begun.set()
        assert finish.wait(10)
        processed.append(item)
        if item == 4:
            done.set()

    worker = Worker(process, on_error=lambda error: None)
    worker.start()
    worker.put(1)
    assert begun.wait(10)
    for item in (2, 3, 4):
        worker.put(item)
    finish.set()
    assert done.wait(10)
    assert worker.stop()
    assert processed == [1, 4]
    assert worker.dropped == 2


def test_an_error_is_reported_and_the_thread_lives_on() -> None:
    errors: list[str] = []
    done = threading.Event()

    def process(item: str) -> None:
        if item == "bad":
            raise ValueError("broken image")
        done.set()

    reported = threading.Event()

    def on_error(error: Exception) -> None:
        errors.append(str(error))
        reported.set()

    worker = Worker(process, on_error)
    worker.start()
    worker.put("bad")
    assert reported.wait(10)
    worker.put("good")
    assert done.wait(10)
    assert worker.stop()
    assert errors == ["broken image"]


def test_stop_ends_an_idle_thread_and_one_that_never_started() -> None:
    idle: Worker[int] = Worker(print, print)
    idle.start()
    assert idle.stop()
    assert Worker[int](print, print).stop()


def test_stop_gives_up_on_work_that_hangs() -> None:
    begun, finish = threading.Event(), threading.Event()

    def hang(item: int) -> None:
        begun.set()
        finish.wait(10)

    worker = Worker(hang, print)
    worker.start()
    worker.put(1)
    assert begun.wait(10)
    assert not worker.stop(timeout_s=0.01)
    finish.set()
    assert worker.stop()
