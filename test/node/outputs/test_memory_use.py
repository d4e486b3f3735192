"""Memory of the process and of the GPU."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from autrack_ros.memory import return_free_blocks
from autrack_ros.node.outputs import memory_use
from autrack_ros.tracking import load_engine

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


def test_memory_of_the_process_grows_with_what_it_takes():
    before = memory_use.process_memory_mb()
    taken = np.ones(50_000_000, dtype=np.uint8)
    assert memory_use.process_memory_mb() - before == pytest.approx(taken.nbytes / 1e6, rel=0.2)


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(memory_use, "_STATM", tmp_path / "statm")
    assert memory_use.process_memory_mb() is None


def test_a_cpu_has_no_gpu_memory_and_cuda_is_not_started():
    torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
    assert memory_use.gpu_memory_mb("cpu") is None
    assert not torch.cuda.is_initialized()


def test_memory_of_the_gpu_grows_with_what_torch_takes():
    torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    device = "cuda"
    before = memory_use.gpu_memory_mb(device)
    taken = torch.ones(50_000_000, dtype=torch.uint8, device=device)
    assert memory_use.gpu_memory_mb(device) - before >= taken.nbytes / 1e6


def test_models_made_for_openvino_one_after_the_other_do_not_fill_the_memory() -> None:
    taken = []
    for _ in range(4):
        load_engine(device="cpu", runtime="openvino")
        gc.collect()
        return_free_blocks()
        taken.append(memory_use.process_memory_mb())
    assert taken[-1] - taken[0] < 25, taken
