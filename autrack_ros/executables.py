"""Start a program of the package; say how to mend a missing dependency instead of a traceback."""

from __future__ import annotations

import importlib
import sys

#: How to install what may be missing.
MENDS = {
    "autrack_ros.msg": "build the package's messages first: `colcon build`, or "
    "`pip install --no-build-isolation .` with ROS 2 from PyPI wheels",
    "aiohttp": "install it with `pip install aiohttp segno` (part of the extra [web])",
    "autrack_ros.srv": "build the package's services first: `colcon build`, or "
    "`pip install --no-build-isolation .` with ROS 2 from PyPI wheels",
    "cv2": "install it with `sudo apt install python3-opencv`, or "
    "`pip install opencv-python-headless` in a virtual environment",
    "openvino": "install it with `pip install openvino`",
    "rclpy": "source a ROS 2 installation (`source /opt/ros/<distro>/setup.bash`) or "
    "`pip install 'ros-rclpy[fastrtps]==9.1.2'` in a virtual environment",
    "rosbags": "install it with `pip install 'rosbags>=0.11,<0.12'` (part of the extra [bag])",
    "safetensors": "install it with `pip install safetensors`",
    "segno": "install it with `pip install segno` (part of the extra [web])",
    "torch": "install it with `pip install torch` (see https://pytorch.org/get-started for the "
    "builds for your machine)",
    "typer": "install it with `pip install typer`",
}


def run(module: str) -> int:
    """Call ``main()`` of ``module`` and return its exit status.

    A missing dependency that we know how to install ends in one line on stderr and status 1;
    Ctrl-C during the imports, which take seconds, ends as quietly as it does later.
    """
    try:
        return importlib.import_module(module).main() or 0
    except KeyboardInterrupt:
        return 0
    except ModuleNotFoundError as error:
        if error.name not in MENDS:
            raise
        print(
            f"autrack_ros needs {error.name}, which is missing: {MENDS[error.name]}",
            file=sys.stderr,
        )
        return 1
