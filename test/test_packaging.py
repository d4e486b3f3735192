"""What is installed, and that it starts. Runs on the source tree with the messages installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
CHANGELOG = ROOT / "CHANGELOG.rst"
EXECUTABLES = ("tracker_node", "clip_publisher", "select_target", "web_view")


def run_python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def installed_prefix() -> Path:
    index = pytest.importorskip("ament_index_python")
    try:
        return Path(index.get_package_prefix("autrack_ros"))
    except index.PackageNotFoundError:
        pytest.skip("autrack_ros is not in the ament index: not installed")


def test_version_is_that_of_package_xml():
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert version
    assert run_python("-m", "autrack_ros.cli", "--version").stdout.split()[-1] == version
    try:
        assert metadata.version("autrack_ros") == version
    except metadata.PackageNotFoundError:
        pytest.skip("autrack_ros is not installed")


@pytest.mark.parametrize(
    "module",
    ["tracking", "messages", "evaluation", "training", "drawing", "web", "web.server", "cli"],
)
def test_layers_below_the_node_load_no_ros(module):
    if module == "training":
        pytest.importorskip("torch", reason="needs torch: pip install torch")
    code = (
        f"import sys, autrack_ros.{module}; "
        "print(*(m for m in sys.modules if m.split('.')[0] == 'rclpy' or m.endswith('_msgs')))"
    )
    result = run_python("-c", code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_tracking_imports_nothing_from_the_layers_above():
    code = (
        "import sys; from autrack_ros.tracking import load_tracker; "
        "print(*(m for m in sys.modules if m.startswith('autrack_ros.')))"
    )
    loaded = run_python("-c", code).stdout.split()
    assert "autrack_ros.tracking.tracker" in loaded
    assert [m for m in loaded if not m.startswith("autrack_ros.tracking")] == []


@pytest.mark.parametrize(
    "module",
    [
        "tracking",
        "web.server",
        "web.web_view",
        "select_target.select_target",
        "clip_publisher.clip_publisher",
    ],
)
def test_what_does_not_compute_loads_no_torch(module):
    if module.startswith("web"):
        pytest.importorskip("aiohttp")
    if not module.startswith(("tracking", "web.server")):
        pytest.importorskip("rclpy")
    result = run_python("-c", f"import sys, autrack_ros.{module}; print('torch' in sys.modules)")
    assert result.stdout.split() == ["False"], result.stderr


def test_share_holds_every_configuration_launch_and_message_file(installed_prefix):
    share = installed_prefix / "share" / "autrack_ros"
    for folder, pattern in (
        ("config", "*"),
        ("launch", "*.launch.py"),
        ("msg", "*.msg"),
        ("srv", "*.srv"),
        ("action", "*.action"),
    ):
        wanted = {p.name for p in (ROOT / folder).glob(pattern) if p.is_file()}
        assert wanted
        assert wanted <= {p.name for p in (share / folder).iterdir()}


def test_messages_are_importable_beside_the_source_tree():
    pytest.importorskip("rclpy")
    result = run_python(
        "-c",
        "import autrack_ros.tracking as t; from autrack_ros.msg import AdaptationReport, InitBox, "
        "Track; from autrack_ros.srv import Initialize; print(t.__file__)",
    )
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).is_relative_to(ROOT)


@pytest.mark.parametrize("name", EXECUTABLES)
def test_executable_says_in_one_line_what_is_missing(name, installed_prefix, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    (tmp_path / "rclpy.py").write_text("raise ModuleNotFoundError('no rclpy', name='rclpy')")
    result = run_python(
        str(installed_prefix / "lib" / "autrack_ros" / name),
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "is missing: " in result.stderr


@pytest.mark.parametrize("name", EXECUTABLES)
def test_executable_is_a_file_that_ros2_run_finds(name, installed_prefix):
    path = installed_prefix / "lib" / "autrack_ros" / name
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env python3\n")


@pytest.mark.parametrize("name", ["tracker", "demo", "evaluate_bag", "follow"])
def test_launch_file_describes_documented_arguments(name):
    pytest.importorskip("launch_ros")
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    source = PythonLaunchDescriptionSource(str(ROOT / "launch" / f"{name}.launch.py"))
    arguments = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert arguments
    assert all(argument.description for argument in arguments)


def test_versions_of_package_wheel_and_changelog_agree():
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert run_python("setup.py", "--version", ROS_DISTRO="").stdout.split()[-1] == version
    released = re.findall(r"^(\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)$", CHANGELOG.read_text(), re.M)
    assert released[0] == version


def test_the_wheel_with_messages_requires_ros(tmp_path):
    pytest.importorskip("catkin_pkg", reason="needs what messages are built with")
    pytest.importorskip("rclpy", reason="needs ROS 2")
    run_python("setup.py", "-q", "dist_info", "--output-dir", str(tmp_path), ROS_DISTRO="kilted")
    (told,) = tmp_path.glob("*.dist-info/METADATA")
    required = re.findall("^Requires-Dist: (.*)$", told.read_text(), re.M)
    assert {"ros-rclpy", "ros-std-msgs", "numpy"} <= {re.split("[[<>~=]", r)[0] for r in required}


def test_bloom_can_read_the_manifest_and_the_changelog():
    package = pytest.importorskip("catkin_pkg.package")
    changelog = pytest.importorskip("catkin_pkg.changelog")
    warnings: list[str] = []
    manifest = package.parse_package(str(ROOT / "package.xml"), warnings=warnings)
    manifest.validate(warnings)
    assert warnings == []
    log = changelog.get_changelog_from_path(str(ROOT), manifest.name)
    version, date, content = next(
        entry for entry in log.foreach_version() if entry[0] != "Forthcoming"
    )
    assert (version, date is not None) == (manifest.version, True)
    assert "select_target" in "".join(map(str, content))
