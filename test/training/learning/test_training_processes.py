"""Several processes that train one network together."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")
import joined_training
import torch
from small_training import write_photos, write_set

ROOT = Path(__file__).parents[3]
FIELDS = ("loss", "cls", "ctr", "reg", "validation_loss", "learning_rate")


def train_with_two(folder: Path, output: Path) -> list[list[float]]:
    """The losses of every step of two processes that torchrun starts."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    logs = ("--log-dir", folder / "logs")  # else it leaves a folder in /tmp
    done = subprocess.run(
        [sys.executable, *launcher, *logs, ROOT / "test" / "joined_training.py", folder, output],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return losses_of(output)


def train_alone(folder: Path, output: Path) -> list[list[float]]:
    """The losses of every step of a process alone: this one, which has loaded torch."""
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("autrack_ros.training") and hasattr(module, "BATCH"):
                patch.setattr(module, "BATCH", joined_training.BATCH)
        joined_training.main(folder, output)
    return losses_of(output)


def losses_of(output: Path) -> list[list[float]]:
    with (output / "log.csv").open() as file:
        return [[float(row[name] or 0) for name in FIELDS] for row in csv.DictReader(file)]


def test_two_processes_train_as_one_with_the_double_batch(tmp_path):
    write_set(tmp_path / "blocks")
    write_photos(tmp_path / "photos")
    one = train_alone(tmp_path, tmp_path / "one")
    two = train_with_two(tmp_path, tmp_path / "two")
    assert len(one) == len(two) == 4
    for expected, found in zip(one, two, strict=True):
        assert found == pytest.approx(expected, rel=1e-3, abs=2e-4)
    of_first, of_other = (
        torch.load(tmp_path / name / "weights.pt") for name in ("two", "two/other")
    )
    for name, value in of_first.items():
        assert torch.equal(value, of_other[name]), name
    assert not list((tmp_path / "two" / "other").glob("*.csv"))
