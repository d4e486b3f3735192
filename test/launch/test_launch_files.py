"""The launch files with the real launch system, where it is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import pytest

pytest.importorskip("launch_ros", reason="needs launch_ros")
pytest.importorskip("autrack_ros.msg", reason="needs the built messages of this package")

from pictures import picture
from ros_process import environment

from autrack_ros.replay.domains import claim_domain

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

file, *arguments = sys.argv[1:]
source = PythonLaunchDescriptionSource(file)
included = IncludeLaunchDescription(source, launch_arguments=[a.split(":=") for a in arguments])
service = LaunchService()
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


def session_members(session: int) -> list[str]:
    """Command lines of the processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[3]) == session:
                found.append((stat.parent / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("box", ["abc", "1,2,3"])
def test_a_demo_with_a_wrong_box_names_it_and_leaves_no_process(tmp_path: Path, box: str) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), picture())
    arguments = [str(ROOT / "launch" / "demo.launch.py"), f"clip:={tmp_path}", f"box:={box}"]
    launch = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, *arguments],
        env={**os.environ, **environment(claim_domain())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = launch.communicate(timeout=120)
        assert session_members(launch.pid) == []
        assert f"box {box!r}: " in output, output
        assert "Traceback" not in output
    finally:
        with suppress(ProcessLookupError):
            os.killpg(launch.pid, signal.SIGKILL)
