"""``autrack evaluate-bags`` on a bag of each sequence of a folder: time by --jobs, and the files.

    python -m benchmarks.many_bags ../shared/data/dev_sequences [--jobs 1 2] [--ray] [--kill]

Every run has the same number of threads. All must leave the same files, but for times; it says
where they do not, and the exit status is 1. For the times, nothing else may run on the machine.

Processor seconds are those of all processes (of Ray's only the one that asks). Where they grow
with the jobs, cores slow each other down. ``--limit`` measures how far: as many runs of one job
as there are jobs, at once, share nothing but the machine, and no engine can beat them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.bags.overview import REPORT
from autrack_ros.evaluation.bags.results import TIMING
from autrack_ros.evaluation.datasets import read_dataset
from benchmarks.machine import describe_machine

TOPICS = ("--image-topic", "/image", "--truth-topic", "/truth")
_OF_TIMES = (TIMING, "speed.json", REPORT)  # the last: that of the whole run


def main() -> int:
    """Print the table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("sequences", type=Path, help="folder of sequences, as autrack evaluate has")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tracker", default="autrack", help="a cheap one, to compare files only")
    parser.add_argument("--ray", action="store_true", help="also with --engine ray")
    parser.add_argument("--kill", action="store_true", help="also killed half way and resumed")
    parser.add_argument("--limit", action="store_true", help="also what the machine allows")
    parser.add_argument("--keep", type=Path, help="new folder for bags and results")
    arguments = parser.parse_args()
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True)
        return _measure(arguments.keep, arguments)
    with tempfile.TemporaryDirectory(prefix="many_bags_") as scratch:
        return _measure(Path(scratch), arguments)


def _measure(folder: Path, arguments: argparse.Namespace) -> int:
    bags = folder / "bags"
    bags.mkdir()
    names = list(read_dataset(arguments.sequences))
    for name in names:
        frames, truth = open_clip(str(arguments.sequences / name))
        list(make_bag(frames, truth, bags / name))
    print(f"{describe_machine()}; {len(names)} bags, {arguments.threads} threads a job\n")
    runs: dict[str, tuple[str, ...]] = {
        f"--jobs {jobs}": ("--jobs", str(jobs)) for jobs in arguments.jobs
    }
    if arguments.ray:
        runs["--engine ray"] = ("--engine", "ray")
    results: dict[str, dict[str, bytes]] = {}
    first_s = 0.0
    print("| run | seconds | processor seconds | speed-up |\n|---|---|---|---|")

    def run(name: str, *outputs: Path, options: tuple[str, ...]) -> None:
        nonlocal first_s
        seconds, processor_s = _time(bags, outputs, arguments, options)
        first_s = first_s or seconds
        results.update({f"{name}, {path.name}": _files(path) for path in outputs})
        gain = "" if "killed" in name else f"{len(outputs) * first_s / seconds:.2f}"
        print(f"| {name} | {seconds:.1f} | {processor_s:.1f} | {gain} |", flush=True)

    for number, (name, options) in enumerate(runs.items()):
        run(name, folder / f"run{number}", options=options)
    if arguments.limit:
        count = max(arguments.jobs)
        outputs = [folder / f"limit{number}" for number in range(count)]
        run(f"{count} of --jobs 1 at once", *outputs, options=("--jobs", "1"))
    if arguments.kill:
        for name, options in list(runs.items())[len(arguments.jobs) - 1 :]:
            output = folder / f"killed{len(results)}"
            done = _kill_half_way(_start(bags, output, arguments, options), output, len(names))
            run(f"{name}, killed with {done} done: the rest", output, options=options)
    return _compare(results)


def _time(
    bags: Path, outputs: Sequence[Path], arguments: argparse.Namespace, options: tuple[str, ...]
) -> tuple[float, float]:
    """Seconds until the last of the runs ended, which start at once; processor seconds of all."""
    before_s, started = _processor_seconds(), time.perf_counter()
    processes = [_start(bags, output, arguments, options) for output in outputs]
    if any([process.wait() for process in processes]):
        raise SystemExit("a run has failed, see above")
    return time.perf_counter() - started, _processor_seconds() - before_s


def _processor_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _start(
    bags: Path, output: Path, arguments: argparse.Namespace, options: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    chosen = ("--threads", str(arguments.threads), "--tracker", arguments.tracker)
    command = ["evaluate-bags", str(bags), *TOPICS, *chosen, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "autrack_ros.cli", *command, "--output", str(output)],
        stdout=subprocess.DEVNULL,
    )


def _kill_half_way(process: subprocess.Popen[bytes], output: Path, count: int) -> int:
    """How many bags were done."""

    def done() -> int:
        return len(list((output / "metrics").glob("*.json")))

    while process.poll() is None and done() < count // 2:
        time.sleep(0.5)
    process.kill()
    process.wait()
    return done()


def _files(folder: Path) -> dict[str, bytes]:
    """All but those of times."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return {
        name: data
        for name, data in found.items()
        if not name.startswith("times/") and name not in _OF_TIMES and not name.endswith(TIMING)
    }


def _compare(results: dict[str, dict[str, bytes]]) -> int:
    (first, expected), *others = results.items()
    differing = {
        name: sorted(n for n in {*expected, *files} if expected.get(n) != files.get(n))
        for name, files in others
    }
    print()
    for name, files in differing.items():
        told = f"{len(files)} differ: {', '.join(files[:5])}" if files else "all equal"
        print(f"{len(expected)} files of {first} and {name}: {told}")
    return int(any(differing.values()))


if __name__ == "__main__":
    sys.exit(main())
