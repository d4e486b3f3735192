"""How the tests share the machine: in the workers of pytest-xdist, or all in one process."""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before torch is loaded: each worker has a core, and threads that wait for one only take its time.
os.environ["OMP_NUM_THREADS"] = "1"
# Programs that the tests start compile the tree's modules once, not each time: 0.4 s of every node.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# As the package does, which a test that imports OpenVINO itself forestalls: every model that is
# converted afterwards would start processes that report it, and wait for them.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# Compiled once for all tests, and not into the cache of whoever runs them.
os.environ["AUTRACK_CACHE"] = str(Path(__file__).parents[1] / ".cache/networks_of_tests")

MAX_MEMORY_MB = 3 * 1024  # of one process: a laptop runs several
_over_the_limit = pytest.StashKey[bool]()
_peaks_mb: dict[str, int] = {}  # of memory, by worker


#: The files that take longest, the longest first: begun last, one would keep one worker alone.
LONGEST = (
    *("training", "faults", "study", "select_target", "live", "web_view", "peers_benchmark"),
    *("adaptation", "node", "follow_demo", "lifecycle", "web_page", "lost", "demo"),
    *("training_processes", "evaluate_bag", "node_plugin", "follow_action", "wide_search"),
    *("runtime", "tracker", "compare", "blob_cache", "node_views", "node_inputs"),
    *("node_transport", "evaluate_bags", "clip_publisher", "without_torch", "benchmarks"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the others stay in their order."""
    place = {f"test_{name}": index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture
def threads_as_before() -> Iterator[None]:
    """For tests of commands, which set the threads of the networks and OpenCV for their process."""
    import cv2

    from autrack_ros.tracking.threads import set_threads, thread_count

    before = thread_count(), cv2.getNumThreads()
    yield
    set_threads(before[0])
    cv2.setNumThreads(before[1])


def pytest_collection_finish() -> None:
    """Leave alone what the imports made: Python's collector takes 0.3 s to go through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _give_memory_back() -> Iterator[None]:
    """One process runs many files: what one took, the next must not pay for."""
    from autrack_ros.memory import return_free_blocks

    frozen = gc.get_freeze_count()
    yield
    changed = gc.get_freeze_count() != frozen  # nodes in this process freeze and thaw, too
    if changed:
        gc.unfreeze()
    gc.collect()
    if changed:
        gc.freeze()
    return_free_blocks()


def peak_mb() -> int:
    """Memory that this process took at most, or the largest of those it started that have ended."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(usage.ru_maxrss for usage in both) // 1024


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail the test after which a process has taken too much; those after it cannot help it."""
    taken_mb = peak_mb()
    if taken_mb > MAX_MEMORY_MB and not item.session.stash.get(_over_the_limit, False):
        item.session.stash[_over_the_limit] = True
        pytest.fail(f"a process took {taken_mb} MB of memory; allowed are {MAX_MEMORY_MB}", False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note how much memory the processes of this worker took at most."""
    worker = getattr(session.config, "workeroutput", None)
    if worker is None:
        _peaks_mb.setdefault("this process", peak_mb())
    else:
        worker["peak_mb"] = peak_mb()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker has noted; one that died has not."""
    _peaks_mb[node.gateway.id] = getattr(node, "workeroutput", {}).get("peak_mb", -1)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show it."""
    shown = ", ".join(f"{name} {peak} MB" for name, peak in sorted(_peaks_mb.items()))
    terminalreporter.write_line(f"most memory: {shown}")
