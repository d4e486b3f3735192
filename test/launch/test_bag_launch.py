"""evaluate_bag.launch.py from the bag to the report, with a stand-in for rosbag2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")
pytest.importorskip("launch_ros", reason="launch files need launch_ros")
pytest.importorskip("autrack_ros.msg", reason="the node needs this package's messages")


from bag_clips import FRAMES, make_sequence
from ros_process import ROOT, environment

from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.replay.domains import own_domain

LAUNCH = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description import LaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]),
    launch_arguments=[word.split(":=", 1) for word in sys.argv[2:]])]))
sys.exit(service.run())
"""
ROS2 = """#!/bin/sh
exec {python} {folder}/stand_in_rosbag2.py "$@"
"""
# Scores only where the node has ended.
AUTRACK = """#!/bin/sh
for pid in $(pgrep -f autrack_ros/tracker_node); do
    tr '\\0' '\\n' < /proc/$pid/environ | grep -qx 'ROS_DOMAIN_ID={domain}' && touch {running}
done
exec {python} -m autrack_ros.cli "$@"
"""


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_a_bag_is_tracked_from_its_first_image_and_nothing_is_left(tmp_path):
    frames, truth = open_clip(str(make_sequence(tmp_path / "square")))
    list(make_bag(frames, truth, tmp_path / "bag", fps=10))
    running, domain = tmp_path / "running", own_domain()
    names = {"python": sys.executable, "folder": Path(__file__).parents[1]}
    write_program(tmp_path / "bin/ros2", ROS2.format(**names))
    write_program(tmp_path / "bin/autrack", AUTRACK.format(**names, running=running, domain=domain))
    (tmp_path / "tmp").mkdir()
    interfaces = tmp_path / "rosbag2_interfaces"
    interfaces.mkdir()
    (interfaces / "__init__.py").touch()
    (interfaces / "srv.py").write_text("from std_srvs.srv import Empty as Resume\n")
    arguments = {"bag": tmp_path / "bag", "truth": "/truth", "output": tmp_path / "result"}
    done = subprocess.run(
        [
            *("timeout", "--signal=INT", "500"),  # as Ctrl-C, which ends all that it started
            *(sys.executable, "-c", LAUNCH, ROOT / "launch/evaluate_bag.launch.py"),
            *(f"{name}:={value}" for name, value in arguments.items()),
        ],
        cwd=tmp_path,
        env=os.environ
        | environment()
        | {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}:{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
            "TMPDIR": str(tmp_path / "tmp"),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (tmp_path / "result").is_dir(), done.stdout + done.stderr
    assert done.returncode == 0
    told = json.loads((tmp_path / "result/metrics.json").read_text())
    run = told["runs"]["real-time"]
    assert (run["images"], run["first_image"]) == (FRAMES, 1)
    assert run["states"].get("idle", 0) == 0
    assert not running.exists(), "the tracker was running while the answers were scored"
    # launch_ros leaves a file of parameters itself.
    assert [path for path in (tmp_path / "tmp").iterdir() if path.is_dir()] == []
