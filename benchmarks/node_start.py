"""How long the node takes to start and how much memory it has when idle; several trees in turns.

    python -m benchmarks.node_start [--tree ../main] [--rounds 5] [--parameter threads:=1]

Time is from the start of the process until the node says that it waits for a box; memory is what is
resident three seconds later, but for the segments that the middleware shares between processes
(67 MB with config/fastdds_shm.xml, for images). A tree is a checkout whose modules are run, this
one being the last; the first start of each, which fills the cache of compiled networks, has a row
of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.node_process import WAIT_S, use_own_domain

ROOT = Path(__file__).resolve().parents[1]
READY = "waiting for a box"
IDLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds by the clock and of a processor, and megabytes."""

    seconds: float
    processor_s: float
    resident_mb: float


def start_node(tree: Path, parameters: list[str], cache: Path) -> Start:
    """Start the node of a tree, wait until it is idle, and end it."""
    words = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "autrack_ros.node.tracker_node", "--ros-args", *words]
    environment = os.environ | {"PYTHONPATH": str(tree), "AUTRACK_CACHE": str(cache)}
    begun = time.perf_counter()
    node = subprocess.Popen(
        command, cwd=tree, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert node.stderr is not None
        for line in node.stderr:
            if READY in line.decode():
                break
        else:
            raise SystemExit(f"{tree}: the node ended before it was ready")
        seconds = time.perf_counter() - begun
        fields = Path(f"/proc/{node.pid}/stat").read_text().rsplit(")", 1)[1].split()
        processor_s = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        time.sleep(IDLE_S)
        status = Path(f"/proc/{node.pid}/status").read_text().splitlines()
        lines = [line.split() for line in status if line.startswith(("RssAnon", "RssFile"))]
        return Start(seconds, processor_s, sum(int(kilobytes) for _, kilobytes, _ in lines) / 1e3)
    finally:
        node.terminate()
        node.wait(WAIT_S)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tree", type=Path, action="append", default=[], help="also this one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parameter", action="append", default=[], help="name:=value")
    arguments = parser.parse_args()
    use_own_domain()
    trees = [*(tree.resolve() for tree in arguments.tree), ROOT]
    with tempfile.TemporaryDirectory() as folder:
        caches = {tree: Path(folder) / str(index) for index, tree in enumerate(trees)}
        starts: dict[Path, list[Start]] = {tree: [] for tree in trees}
        for _ in range(1 + arguments.rounds):
            for tree in trees:
                starts[tree].append(start_node(tree, arguments.parameter, caches[tree]))
    print(f"{describe_machine()}; {' '.join(arguments.parameter) or 'default parameters'}\n")
    print("| tree | start | s | processor s | resident MB |\n|---|---|---|---|---|")
    for tree, measured in starts.items():
        for label, some in (("first", measured[:1]), ("later, median", measured[1:])):
            cells = [
                f"{statistics.median(start.seconds for start in some):.1f}",
                f"{statistics.median(start.processor_s for start in some):.1f}",
                f"{statistics.median(start.resident_mb for start in some):.0f}",
            ]
            print(f"| {tree.name} | {label} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
