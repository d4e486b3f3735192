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


# In place of the node: says what it got.
NODE = """#!{python}
import sys
import rclpy
rclpy.init(args=sys.argv)
node = rclpy.create_node("tracker")
node.declare_parameter("publish_tf", False)
print("publish_tf is", node.get_parameter("publish_tf").value, flush=True)
rclpy.shutdown()
"""


def write_prefix(folder: Path) -> None:
    """An installation of this tree's launch files and parameters, with a node that only tells."""
    (folder / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (folder / "share/ament_index/resource_index/packages/autrack_ros").touch()
    (folder / "share/autrack_ros").mkdir()
    for name in ("launch", "config"):
        (folder / "share/autrack_ros" / name).symlink_to(ROOT / name)
    node = folder / "lib/autrack_ros/tracker_node"
    node.parent.mkdir(parents=True)
    node.write_text(NODE.format(python=sys.executable))
    node.chmod(0o755)


@pytest.mark.parametrize(
    ("file", "in_params_file", "given", "expected"),
    [
        ("follow", False, (), True),
        ("follow", True, ("publish_tf:=false",), False),
        ("tracker", True, (), True),
        ("tracker", False, ("publish_tf:=true",), True),
    ],
)
def test_an_argument_wins_over_the_params_file(
    tmp_path: Path, file: str, in_params_file: bool, given: tuple[str, ...], expected: bool
) -> None:
    write_prefix(tmp_path / "prefix")
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text(f"/**: {{ros__parameters: {{publish_tf: {in_params_file}}}}}")
    path = ROOT / "launch" / f"{file}.launch.py"
    prefixes = f"{tmp_path / 'prefix'}:{os.environ.get('AMENT_PREFIX_PATH', '')}"
    launch = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(path), f"params_file:={parameters}", *given],
        env={**os.environ, **environment(claim_domain()), "AMENT_PREFIX_PATH": prefixes},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f"publish_tf is {expected}" in launch.stdout, launch.stdout + launch.stderr
