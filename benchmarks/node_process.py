"""The tracker node as a process of its own, for what is measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autrack_ros.replay.domains import own_domain

_ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 60.0


def use_own_domain() -> None:
    """Keep this process and the node to themselves, and let images pass between them."""
    os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(_ROOT / "config/fastdds_shm.xml"))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(own_domain()))


@contextmanager
def node_process(parameters: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the node, with parameters as ``name:=value``, until the end."""
    words = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "autrack_ros.node.tracker_node", "--ros-args", *words]
    process = subprocess.Popen([*command, "--log-level", "warn"])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WAIT_S)
