"""``--engine ray``: a local cluster gives the files of a local run, also when a worker dies."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs Ray (pip install ray)")
pytest.importorskip("rosbags", reason="bags need rosbags")
pytest.importorskip("matplotlib", reason="the plots need matplotlib")

import ray
from bag_clips import make_sequence
from result_files import files_of
from test_evaluate_bags import TOPICS, comparable
from typer.testing import CliRunner

from autrack_ros.cli import app
from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.benchmark import run_benchmark
from autrack_ros.evaluation.datasets import read_dataset
from autrack_ros.evaluation.ray_engine import RayEngine
from autrack_ros.evaluation.results import open_results
from autrack_ros.tracking import ConfigurationError

ROOT = Path(__file__).parents[2]
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("threads_as_before")

# The example; the first of all its objects that follows a target holds in its third image.
HOLDING = f"""
import os, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from examples.template_matching import TemplateMatching


class Holding(TemplateMatching):
    def init(self, image, box):
        super().init(image, box)
        self.updates = 0

    def update(self, image):
        self.updates += 1
        if self.updates == 3:
            try:
                Path("held").mkdir()
            except FileExistsError:
                pass
            else:
                Path("held/unfinished").write_text(str(os.getppid()))
                os.rename("held/unfinished", "held/worker")
                time.sleep(600)
        return super().update(image)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sequences, and the same as bags; not to be changed."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(4):
        make_sequence(folder / "sequences" / f"s{number}")
        frames, truth = open_clip(str(folder / "sequences" / f"s{number}"))
        (folder / "bags").mkdir(exist_ok=True)
        list(make_bag(frames, truth, folder / "bags" / f"b{number}", fps=10))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the tracker in it."""
    (tmp_path / "holding.py").write_text(HOLDING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), *sys.path[1:])))
    return tmp_path


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two processes; the path of its sockets must be short."""
    folder = tempfile.mkdtemp(prefix="ray_")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        _temp_dir=folder,
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder)


def invoke(*arguments: object):
    command = [*map(str, arguments), "--tracker", "holding:Holding", "--threads", "1"]
    return runner.invoke(app, command)


def kill_the_one_that_holds(here: Path, run: Future) -> None:
    while not (here / "held" / "worker").exists():
        assert not run.done(), run.result().output
        time.sleep(0.05)
    os.kill(int((here / "held" / "worker").read_text()), signal.SIGKILL)


def test_sequences_of_a_worker_that_is_killed_are_done_again(
    cluster: None, data: Path, here: Path
) -> None:
    command = ("evaluate", data / "sequences", "--results-dir")
    with ThreadPoolExecutor() as pool:
        run = pool.submit(invoke, *command, here / "ray", "--engine", "ray")
        kill_the_one_that_holds(here, run)
        done = run.result()
    assert done.exit_code == 0, done.output
    local = invoke(*command, here / "local")
    assert local.exit_code == 0, local.output
    assert files_of(here / "ray") == files_of(here / "local")
    assert len(list((here / "ray" / "times").iterdir())) == 4


def test_bags_of_a_worker_that_is_killed_are_done_again(
    cluster: None, data: Path, here: Path
) -> None:
    command = ("evaluate-bags", data / "bags", *TOPICS, "--output")
    with ThreadPoolExecutor() as pool:
        run = pool.submit(invoke, *command, here / "ray", "--engine", "ray")
        kill_the_one_that_holds(here, run)
        done = run.result()
    assert done.exit_code == 0, done.output
    local = invoke(*command, here / "local", "--jobs", 2)
    assert local.exit_code == 0, local.output
    assert comparable(here / "ray") == comparable(here / "local")
    assert (here / "ray" / "bags" / "b3" / "report.html").is_file()


def test_an_interrupted_run_goes_on_on_the_cluster(cluster: None, data: Path, here: Path) -> None:
    (here / "held").mkdir()  # nothing holds
    command = ("evaluate", data / "sequences", "--results-dir", here / "run")
    assert invoke(*command).exit_code == 0
    whole = files_of(here / "run")
    (here / "run" / "metrics" / "s2.json").unlink()
    done = invoke(*command, "--engine", "ray")
    assert done.exit_code == 0, done.output
    assert "3 of 4 sequences were done before" in done.stderr
    assert files_of(here / "run") == whole


def test_what_fails_is_told_as_by_a_local_run(cluster: None, data: Path, here: Path) -> None:
    (here / "broken.py").write_text(
        "class Broken:\n"
        "    def init(self, image, box):\n        pass\n"
        "    def update(self, image):\n        raise KeyError('no target')\n"
    )
    command = ("evaluate", data / "sequences", "--tracker", "broken:Broken", "--threads", 1)
    local, on_ray = (
        runner.invoke(app, [*map(str, command), "--sequences", "s0,s1", *more])
        for more in ((), ("--engine", "ray"))
    )
    assert local.exit_code == on_ray.exit_code == 1
    assert "KeyError: 'no target'" in on_ray.stderr
    assert on_ray.stderr == local.stderr


def test_a_worker_with_another_tracker_is_refused(cluster: None, data: Path, here: Path) -> None:
    results = open_results(
        here / "run", {"format": "folder", "tracker": "x", "model_sha256": None, "version": 1}
    )
    engine = RayEngine(lambda: {"version": 2}, threads=1)
    with pytest.raises(ConfigurationError, match="a worker has version 2, not 1"):
        run_benchmark(read_dataset(data / "sequences"), dict, results, engine)
    assert not (here / "run" / "metrics").exists()


def test_a_cluster_without_room_is_told_at_once(cluster: None, data: Path, here: Path) -> None:
    results = open_results(here / "run", {"format": "folder", "tracker": "", "model_sha256": None})
    engine = RayEngine(dict, threads=64)
    with pytest.raises(ConfigurationError, match=r"64 cores .* more than 2 .*give --threads"):
        run_benchmark(read_dataset(data / "sequences"), dict, results, engine)


def test_without_an_address_a_cluster_is_started_and_nothing_of_it_stays(
    data: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ray.is_initialized():
        ray.shutdown()
    (here / "held").mkdir()
    # Not that of other runs on this machine, and short: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="own_") as scratch:
        monkeypatch.setattr(tempfile, "tempdir", scratch)
        done = invoke("evaluate", data / "sequences", "--engine", "ray", "--sequences", "s0,s1")
        assert done.exit_code == 0, done.output
        assert not ray.is_initialized()
        assert list(Path(scratch).iterdir()) == []


def test_an_address_without_a_cluster_is_told(data: Path, here: Path) -> None:
    if ray.is_initialized():
        ray.shutdown()
    done = invoke("evaluate", data / "sequences", "--engine", "ray", "--address", "127.0.0.1:9")
    assert done.exit_code != 0
    assert "no Ray cluster at 127.0.0.1:9" in done.stderr
