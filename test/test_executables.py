"""Programs end with one clear line where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autrack_ros.executables import run


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that makes an importable module of some source."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source: str) -> str:
        (tmp_path / "started_program.py").write_text(source)
        monkeypatch.delitem(sys.modules, "started_program", raising=False)
        return "started_program"

    yield make
    sys.modules.pop("started_program", None)


@pytest.mark.parametrize(("returned", "status"), [("None", 0), ("0", 0), ("3", 3)])
def test_status_is_that_of_main(program, returned, status):
    assert run(program(f"def main():\n    return {returned}\n")) == status


@pytest.mark.parametrize("missing", ["torch", "rclpy", "autrack_ros.msg", "autrack_ros.srv"])
def test_missing_dependency_is_named_with_its_mend_in_one_line(
    program, missing, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, missing, None)
    assert run(program(f"import {missing}\n")) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"needs {missing}, which is missing: " in message
    assert "install" in message or "build" in message


def test_missing_dependency_is_also_named_when_main_imports_it(program, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run(program("def main():\n    import torch\n")) == 1
    assert "needs torch" in capsys.readouterr().err


def test_module_we_know_no_mend_for_keeps_its_traceback(program):
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        run(program("import no_such_module\n"))


def test_interrupt_during_the_imports_ends_quietly(program, capsys):
    assert run(program("raise KeyboardInterrupt\n")) == 0
    assert capsys.readouterr().err == ""


def test_a_process_that_a_program_starts_does_not_run_it_again(tmp_path):
    """multiprocessing's ``spawn`` loads the program's file in every process."""
    template = (Path(__file__).parents[1] / "cmake" / "executable.py.in").read_text()
    (tmp_path / "installed").write_text(template.replace("@MODULE@", "spawning"))
    (tmp_path / "spawning.py").write_text(
        "import multiprocessing, sys\n"
        "def main():\n"
        "    process = multiprocessing.get_context('spawn').Process(target=print, args=('once',))\n"
        "    process.start()\n"
        "    process.join()\n"
        "    return process.exitcode\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "installed"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[1]}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr
