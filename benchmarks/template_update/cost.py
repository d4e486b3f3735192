"""What an update costs beside its support crops: memory, and the time until frames can be followed.

Measured in a process of its own, because memory that was used once stays with a process.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from autrack_ros.tracking import Box, load_engine
from benchmarks.machine import resident_megabytes
from benchmarks.template_update.arms import adapt
from benchmarks.template_update.cases import Case
from benchmarks.template_update.settings import Arm, StudySettings

REPETITIONS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What an update costs.

    Attributes:
        values: numbers that can change.
        total_ms: support crops and steps, processor time, median of repetitions.
        step_ms: a step of it.
        ready_ms: from the end of the steps to an engine that follows, processor time.
        peak_mb: largest resident memory of the update above that of the started target.
        kept_mb: resident memory that stays above it, of the first target.
    """

    values: int
    total_ms: float
    step_ms: float
    ready_ms: float
    peak_mb: float
    kept_mb: float


def measure_cost(settings: StudySettings, arm: Arm, case: Case) -> Cost:
    """Cost of an arm on the first frame of a case."""
    frame = next(iter(case.frames))
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (settings, arm, frame, case.truth[0].tolist()))


def _measure(settings: StudySettings, arm: Arm, frame: np.ndarray, box: list[float]) -> Cost:
    torch.set_num_threads(1)
    engine = load_engine(settings.preset, settings.checkpoint, "cpu", "torch")
    target = engine.start(frame, Box(*box))
    engine.follow(frame, [target])
    short = replace(arm, adaptation=replace(arm.adaptation, steps=1))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident_megabytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now
    adapted = adapt(engine, frame, target, arm)
    peak = _peak_megabytes() - before
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    kept = resident_megabytes() - before
    begun, total, ready = [], [], []
    for _ in range(REPETITIONS):
        begun.append(adapt(engine, frame, target, short).milliseconds)
        began = time.process_time()
        adapted = adapt(engine, frame, target, arm)
        whole = (time.process_time() - began) * 1e3
        total.append(adapted.milliseconds)
        ready.append(whole - adapted.milliseconds)
    middle = statistics.median(total)
    step = max(middle - statistics.median(begun), 0) / (arm.adaptation.steps - 1)
    return Cost(adapted.values, middle, step, statistics.median(ready), peak, kept)


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
