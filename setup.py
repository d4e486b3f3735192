"""Builds a wheel: with the messages where ROS 2 comes from PyPI wheels, else without ROS.

With messages, CMakeLists.txt stays the only list of what is installed: it is installed into a
staging folder, and the wheel is made of that. Build isolation must be off. The wheel requires the
ROS 2 wheels that it was built with, and ROS_DISTRO, where it is set, becomes part of its version:
wheels of two distributions would have one name otherwise. Without ROS, the wheel holds the modules
and suits any Python. colcon does not use this file.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent.resolve()
PREFIX = Path(sys.prefix)
MANIFEST = ElementTree.parse(ROOT / "package.xml")
WITH_MESSAGES = (PREFIX / "share" / "ament_cmake").exists()
ROS_DISTRO = os.environ.get("ROS_DISTRO", "")


def check_environment() -> None:
    """End with the way out where the wheel would not be what was wanted."""
    if WITH_MESSAGES and find_spec("ament_package") is None:
        raise SystemExit(
            f"autrack_ros: the ROS 2 wheels of {PREFIX} cannot be seen from pip's isolated build: "
            "`pip install --no-build-isolation .`"
        )
    if (ROS_DISTRO or (PREFIX / "share" / "rclpy").exists()) and not WITH_MESSAGES:
        raise SystemExit(
            f"autrack_ros: ROS 2 is here, but {PREFIX} has no wheels to build messages with. With "
            "an installed ROS 2 use `colcon build`; with ROS 2 from PyPI run `pip install -r "
            "requirements.txt` first; for `autrack` without ROS, `env -u ROS_DISTRO pip install .` "
            "in another environment"
        )


class Build(build_py):
    """Replaces the copying of modules."""

    def run(self) -> None:
        """Fill ``build_lib`` with the package and ``data_files`` with what goes to the prefix."""
        source = self.stage() if WITH_MESSAGES else ROOT / "autrack_ros"
        package = Path(self.build_lib) / "autrack_ros"
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        if WITH_MESSAGES:
            shutil.rmtree(source.parents[1])  # the rest of the staging folder goes to the prefix
            self.distribution.data_files = files_below(source.parents[3])

    def stage(self) -> Path:
        """Install the CMake project into a staging folder; the package in it."""
        staging = Path(self.get_finalized_command("build").build_base).resolve() / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        install_into(staging)
        shutil.rmtree(staging / "bin")  # pip makes these from the entry points in setup.cfg
        return next(staging.glob("lib/python3*/site-packages")) / "autrack_ros"


def install_into(staging: Path) -> None:
    """Build CMakeLists.txt against the ROS 2 of this environment, install it into ``staging``."""
    environment = os.environ | {
        "PATH": f"{PREFIX / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(PREFIX),
        "CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get(
            "CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count())
        ),
    }
    # Always a fresh folder: CMake's cache remembers the interpreter of an earlier environment.
    with tempfile.TemporaryDirectory() as build:
        for arguments in (
            [
                "-S",
                str(ROOT),
                "-B",
                build,
                f"-DCMAKE_INSTALL_PREFIX={staging}",
                f"-DPython3_EXECUTABLE={sys.executable}",
                "-DCMAKE_BUILD_TYPE=Release",
                "-DBUILD_TESTING=OFF",
            ],
            ["--build", build],
            ["--install", build],
        ):
            subprocess.run(["cmake", *arguments], env=environment, check=True)


def files_below(staging: Path) -> list[tuple[str, list[str]]]:
    """The files of a folder, by the folder below the prefix that they go to."""
    files: dict[str, list[str]] = {}
    for path in sorted(staging.rglob("*")):
        if path.is_file():
            folder = path.parent.relative_to(staging).as_posix()
            files.setdefault(folder, []).append(os.path.relpath(path, ROOT))
    return list(files.items())


def ros_requirements() -> list[str]:
    """The ROS 2 wheels of this environment that package.xml names, at versions that fit ours."""
    needed = {
        element.text.replace("_", "-")
        for element in MANIFEST.getroot()
        if element.tag in ("depend", "exec_depend") and element.text
    }
    installed = {str(wheel.metadata["Name"]): wheel.version for wheel in metadata.distributions()}
    return sorted(
        # Without a middleware rclpy does nothing.
        f"{wheel}{'[fastrtps]' if name == 'rclpy' else ''}~={version}"
        for wheel, version in installed.items()
        for name in needed
        if re.fullmatch(rf"ros-([a-z]+-)?{name}", wheel)
    )


class WithMessages(Distribution):
    """A wheel with compiled libraries: for this platform, Python and ROS 2."""

    def has_ext_modules(self) -> bool:
        """Tell setuptools that the wheel is not pure Python."""
        return True

    def parse_config_files(self, *args, **options) -> None:
        """Add the ROS 2 wheels to the requirements of setup.cfg."""
        super().parse_config_files(*args, **options)
        self.install_requires = [*self.install_requires, *ros_requirements()]
        # Later setuptools (a Python from 3.12 on has them) have handed the list on by now.
        self.metadata.install_requires = self.install_requires


check_environment()
label = f"+{ROS_DISTRO}" if ROS_DISTRO else ""
setup(
    version=f"{MANIFEST.findtext('version')}{label}",
    packages=find_packages(include=["autrack_ros*"]),
    cmdclass={"build_py": Build},
    distclass=WithMessages if WITH_MESSAGES else Distribution,
)
