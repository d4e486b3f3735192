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


def test_calls_come_in_order_before_the_newest_item() -> None:
    begun, finish, done = threading.Event(), threading.Event(), threading.Event()
    order: list[object] = []

    def process(item: object) -> None:
        order.append(item)
        begun.set()
        assert finish.wait(10)
        if item == "last":
            done.set()

    worker = Worker(process, on_error=lambda error: None)
    worker.start()
    worker.put("first")
    assert begun.wait(10)
    worker.call(lambda: order.append("call 1"))
    worker.put("replaced")
    worker.put("last", first=lambda: order.append("call 2"))
    worker.call(lambda: order.append("call 3"))
    finish.set()
    assert done.wait(10)
    assert worker.stop()
    assert order == ["first", "call 1", "call 2", "call 3", "last"]
    assert worker.dropped == 1


def test_an_error_of_a_call_is_reported() -> None:
    errors: list[str] = []
    reported = threading.Event()

    def on_error(error: Exception) -> None:
        errors.append(str(error))
        reported.set()

    def fail() -> None:
        raise ValueError("broken call")

    worker: Worker[int] = Worker(print, on_error)
    worker.start()
    worker.call(fail)
    assert reported.wait(10)
    assert worker.stop()
    assert errors == ["broken call"]


def test_spare_time_is_used_until_there_is_nothing_to_do_and_again_after_work() -> None:
    left = 3
    spare_calls, order = 0, []
    idle = threading.Event()

    def spare() -> bool:
        nonlocal left, spare_calls
        spare_calls += 1
        left = max(0, left - 1)
        if not left:
            idle.set()
        return left > 0

    worker: Worker[int] = Worker(order.append, print, spare)
    worker.start()
    assert not idle.wait(0.1)
    assert spare_calls == 0  # nothing was done yet that could have left work
    worker.put(1)
    assert idle.wait(10)
    idle.clear()
    assert not idle.wait(0.1)
    assert (spare_calls, order) == (3, [1])
    left = 2
    worker.call(lambda: order.append(2))
    assert idle.wait(10)
    assert worker.stop()
    assert (spare_calls, order) == (5, [1, 2])


def test_work_comes_before_spare_time() -> None:
    processed, begun = threading.Event(), threading.Event()

    def spare() -> bool:
        begun.set()
        return True  # there is always more to do

    worker: Worker[int] = Worker(lambda item: processed.set(), print, spare)
    worker.start()
    worker.call(lambda: None)
    assert begun.wait(10)
    worker.put(1)
    assert processed.wait(10)
    assert worker.stop()


def test_spare_time_is_used_after_an_error_too() -> None:
    used = threading.Event()

    def fail(item: int) -> None:
        raise ValueError("broken image")

    def spare() -> bool:
        used.set()
        return False

    worker: Worker[int] = Worker(fail, lambda error: None, spare)
    worker.start()
    worker.put(1)
    assert used.wait(10)
    assert worker.stop()


def test_stop_makes_the_calls_that_wait_and_leaves_the_item() -> None:
    begun, finish = threading.Event(), threading.Event()
    done: list[str] = []

    def process(item: str) -> None:
        begun.set()
        assert finish.wait(10)
        done.append(item)

    worker = Worker(process, print)
    worker.start()
    worker.put("first")
    assert begun.wait(10)
    worker.put("second")
    worker.call(lambda: done.append("call"))
    threading.Timer(0.05, finish.set).start()
    assert worker.stop()
    assert done == ["first", "call"]
