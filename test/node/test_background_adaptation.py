"""The thread that adapts templates, with an engine whose steps the test gives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import numpy as np
import pytest

pytest.importorskip("std_msgs", reason="needs ROS 2's std_msgs")

from std_msgs.msg import Header

from autrack_ros.node.background_adaptation import AdaptationJob, Adapted, BackgroundAdaptation
from autrack_ros.tracking import AdaptationReport, AdaptationSettings

WAIT_S = 10


class SteppedEngine:
    """Makes a step whenever the test lets it, until it is told to cancel."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.begun = threading.Event()
        self.adapted: list[Any] = []
        self.error: Exception | None = None

    def adapt(
        self, image: np.ndarray, target: Any, settings: Any, should_cancel: Callable[[], bool]
    ) -> tuple[Any, AdaptationReport]:
        self.adapted.append(target)
        self.begun.set()
        if self.error is not None:
            raise self.error
        made = 0
        while not should_cancel():
            assert self.steps.acquire(timeout=WAIT_S)
            made += 1
        report = AdaptationReport("bim", (1.0,) * (made + 1), 0, made, 1.0, "cancelled", 0.0, 0.0)
        return f"adapted {target}", report


@pytest.fixture
def engine() -> SteppedEngine:
    return SteppedEngine()


@pytest.fixture
def done() -> Queue[Adapted]:
    return Queue()


@pytest.fixture
def adaptation(engine: SteppedEngine, done: Queue[Adapted]) -> Iterator[BackgroundAdaptation]:
    made = BackgroundAdaptation(engine, done.put)  # type: ignore[arg-type]
    made.start()
    yield made
    engine.steps.release(1000)
    assert made.stop(WAIT_S)


def job_of(name: str) -> AdaptationJob:
    image = np.zeros((4, 4, 3), np.uint8)
    return AdaptationJob(name, Header(), image, name, AdaptationSettings())  # type: ignore[arg-type]


def test_a_running_adaptation_is_cancelled_within_one_step(
    engine: SteppedEngine, adaptation: BackgroundAdaptation, done: Queue[Adapted]
) -> None:
    job = job_of("a")
    adaptation.put(job)
    assert engine.begun.wait(WAIT_S)
    assert not job.cancelled
    job.cancel()
    engine.steps.release()
    result = done.get(timeout=WAIT_S)
    assert result.job is job
    assert result.report.steps <= 1
    assert (result.target, result.error) == ("adapted a", None)


def test_a_job_that_is_cancelled_before_its_turn_is_not_begun(
    engine: SteppedEngine, adaptation: BackgroundAdaptation, done: Queue[Adapted]
) -> None:
    jobs = [job_of(name) for name in "abc"]
    for job in jobs:
        adaptation.put(job)
    assert engine.begun.wait(WAIT_S)
    jobs[1].cancel()
    engine.steps.release()
    jobs[0].cancel()
    first, second = (done.get(timeout=WAIT_S) for _ in range(2))
    assert (first.job, second.job) == (jobs[0], jobs[1])
    assert (second.target, second.report.stop_reason) == ("b", "cancelled")
    assert "b" not in engine.adapted


def test_what_fails_is_told_and_the_target_keeps_its_template(
    engine: SteppedEngine, adaptation: BackgroundAdaptation, done: Queue[Adapted]
) -> None:
    engine.error = ValueError("broken")
    adaptation.put(job_of("a"))
    failed = done.get(timeout=WAIT_S)
    assert (failed.target, failed.report.stop_reason) == ("a", "failed")
    assert failed.error is engine.error
    engine.error = None
    next_job = job_of("b")
    next_job.cancel()
    adaptation.put(next_job)
    assert done.get(timeout=WAIT_S).job is next_job


def test_stop_cancels_all_jobs_without_a_word(
    engine: SteppedEngine, adaptation: BackgroundAdaptation, done: Queue[Adapted]
) -> None:
    for name in "ab":
        adaptation.put(job_of(name))
    assert engine.begun.wait(WAIT_S)
    threading.Timer(0.05, engine.steps.release).start()  # while it waits for the thread
    assert adaptation.stop(WAIT_S)
    assert engine.adapted == ["a"]
    assert done.empty()


def test_stop_gives_up_on_a_step_that_hangs(
    engine: SteppedEngine, adaptation: BackgroundAdaptation
) -> None:
    adaptation.put(job_of("a"))
    assert engine.begun.wait(WAIT_S)
    assert not adaptation.stop(timeout_s=0.01)
