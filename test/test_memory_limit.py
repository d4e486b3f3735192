"""The tests themselves must fit a laptop: conftest.py fails the one that takes too much memory."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

TESTS = """
import subprocess, sys
import conftest

conftest.MAX_MEMORY_MB = conftest.peak_mb() + 100

def test_modest():
    bytearray(10 * 2**20)

def test_greedy():
    {greedy}

def test_after_it():
    pass
"""
TAKE = "bytearray(250 * 2**20)"


@pytest.mark.parametrize("greedy", [TAKE, f"subprocess.run([sys.executable, '-c', '{TAKE}'])"])
def test_a_test_whose_process_takes_too_much_memory_fails(pytestconfig, tmp_path, greedy):
    shutil.copy(pytestconfig.rootpath / "test/conftest.py", tmp_path)
    (tmp_path / "test_memory.py").write_text(TESTS.format(greedy=greedy))
    # Through a shell: what starts a process hands its own peak on to it.
    shell = ("sh", "-c", '"$@"; exit $?', "sh")
    done = subprocess.run(
        [*shell, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tmp_path],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "3 passed, 1 error" in done.stdout
    assert "ERROR at teardown of test_greedy" in done.stdout
    assert "MB of memory; allowed are" in done.stdout
