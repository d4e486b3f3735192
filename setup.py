"""Builds a wheel for a virtual environment whose ROS 2 comes from PyPI wheels.

CMakeLists.txt stays the only list of what is installed: it is installed into a staging folder, and
the wheel is made of that. Build isolation must be off. colcon does not use this file.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent.resolve()


class BuildWithCMake(build_py):
    """Replaces the copying of modules by the installation of the CMake project."""

    def run(self) -> None:
        """Fill ``build_lib`` with the package and ``data_files`` with what goes to the prefix."""
        prefix = Path(sys.prefix)
        if not (prefix / "share" / "ament_cmake").exists():
            raise SystemExit(
                f"autrack_ros: no ROS 2 wheels in {sys.prefix}. Run `pip install -r "
                "requirements.txt` there first, then `pip install --no-build-isolation .`; on "
                "a machine with an installed ROS 2 use `colcon build`."
            )
        staging = Path(self.get_finalized_command("build").build_base).resolve() / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        install_into(staging, prefix)

        site_packages = next(staging.glob("lib/python3*/site-packages"))
        package = Path(self.build_lib) / "autrack_ros"
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(
            site_packages / "autrack_ros", package, ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.rmtree(site_packages.parent)
        shutil.rmtree(staging / "bin")  # pip makes these from the entry points in setup.cfg
        files: dict[str, list[str]] = {}
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                folder = path.parent.relative_to(staging).as_posix()
                files.setdefault(folder, []).append(os.path.relpath(path, ROOT))
        self.distribution.data_files = list(files.items())


def install_into(staging: Path, prefix: Path) -> None:
    """Build CMakeLists.txt against the ROS 2 in ``prefix`` and install it into ``staging``."""
    environment = os.environ | {
        "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(prefix),
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


class BinaryDistribution(Distribution):
    """Names the wheel after this platform and Python: it holds compiled libraries."""

    def has_ext_modules(self) -> bool:
        """Tell setuptools that the wheel is not pure Python."""
        return True


setup(
    version=ElementTree.parse(ROOT / "package.xml").findtext("version"),
    packages=find_packages(include=["autrack_ros*"]),
    cmdclass={"build_py": BuildWithCMake},
    distclass=BinaryDistribution,
)
