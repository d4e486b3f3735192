"""Template adaptations one after the other in a thread of their own, beside the tracking."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from std_msgs.msg import Header

from autrack_ros.node.trackers import Engine, StartedTarget
from autrack_ros.tracking import AdaptationReport, AdaptationSettings


@dataclass(frozen=True, slots=True, eq=False)
class AdaptationJob:
    """An adaptation that was asked for.

    Attributes:
        id: of the target.
        header: of the image.
        image: the target was started in, HxWx3 uint8 BGR.
        target: as it was started.
        settings: of the adaptation.
    """

    id: str
    header: Header
    image: np.ndarray
    target: StartedTarget
    settings: AdaptationSettings
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End it before its next step."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether it is no longer wanted."""
        return self._cancelled.is_set()


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of a job.

    Attributes:
        job: which one.
        target: with the adapted template; that of the job where nothing was adapted.
        report: what was done.
        error: what it failed with, if it did.
    """

    job: AdaptationJob
    target: StartedTarget
    report: AdaptationReport
    error: Exception | None = None


class BackgroundAdaptation:
    """Adapt templates in a thread.

    Args:
        engine: computes; meanwhile others may track with it.
        on_done: called in the thread after every job, a cancelled one too.
    """

    def __init__(self, engine: Engine, on_done: Callable[[Adapted], None]) -> None:
        self._engine = engine
        self._on_done = on_done
        self._jobs: queue.SimpleQueue[AdaptationJob | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adaptation", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, job: AdaptationJob) -> None:
        """Have a job done after those that wait."""
        self._jobs.put(job)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Cancel all jobs, without a word of them; whether the thread ended in time."""
        self._stopping.set()
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stopping.is_set():
            done = self._adapt(job)
            if not self._stopping.is_set():
                self._on_done(done)

    def _adapt(self, job: AdaptationJob) -> Adapted:
        method = job.settings.method
        if job.cancelled:
            return Adapted(job, job.target, AdaptationReport.skipped(method, "cancelled"))
        try:
            target, report = self._engine.adapt(
                job.image,
                job.target,
                job.settings,
                lambda: job.cancelled or self._stopping.is_set(),
            )
        except Exception as error:
            # Whatever happens here, the target is tracked on with its template as it was cut.
            return Adapted(job, job.target, AdaptationReport.skipped(method, "failed"), error)
        return Adapted(job, target, report)
