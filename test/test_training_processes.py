"""Several processes that train one network together."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")
import torch
from test_training import write_photos, write_set

ROOT = Path(__file__).parents[1]
FIELDS = ("loss", "cls", "ctr", "reg", "validation_loss", "learning_rate")


def train(folder: Path, output: Path, *launcher: str) -> list[list[float]]:
    """The losses of every step."""
    program = [ROOT / "test" / "joined_training.py", folder, output]
    done = subprocess.run(
        [sys.executable, *launcher, *program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with (output / "log.csv").open() as file:
        return [[float(row[name] or 0) for name in FIELDS] for row in csv.DictReader(file)]


def test_two_processes_train_as_one_with_the_double_batch(tmp_path):
    write_set(tmp_path / "blocks")
    write_photos(tmp_path / "photos")
    one = train(tmp_path, tmp_path / "one")
    two = train(
        tmp_path,
        tmp_path / "two",
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    )
    assert len(one) == len(two) == 4
    for expected, found in zip(one, two, strict=True):
        assert found == pytest.approx(expected, rel=1e-3, abs=2e-4)
    of_first, of_other = (
        torch.load(tmp_path / name / "weights.pt") for name in ("two", "two/other")
    )
    for name, value in of_first.items():
        assert torch.equal(value, of_other[name]), name
    assert not list((tmp_path / "two" / "other").glob("*.csv"))
