"""Message packages that a robot may have: used where installed, named in the log where not."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from rclpy.impl.rcutils_logger import RcutilsLogger


class OptionalMessages:
    """Find message packages; say once for each topic that it is not offered.

    One object serves a node for its whole life, so that a second configuration says nothing anew.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._said: set[str] = set()

    def find(self, topics: str, *packages: str) -> ModuleType | None:
        """Return the ``msg`` module of the first installed package; None if there is none.

        Args:
            topics: what is not offered without the package, for the log.
            packages: names in order of preference, such as ``vision_msgs``.
        """
        for package in packages:
            module = _import_messages(package)
            if module is not None:
                return module
        if topics not in self._said:
            self._said.add(topics)
            distribution = os.environ.get("ROS_DISTRO", "<distro>")
            apt_name = f"ros-{distribution}-{packages[0].replace('_', '-')}"
            self._logger.info(
                f"{topics}: not offered, because {' and '.join(packages)} "
                f"{'is' if len(packages) == 1 else 'are'} not installed "
                f"(sudo apt install {apt_name})"
            )
        return None


def _import_messages(package: str) -> ModuleType | None:
    name = f"{package}.msg"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (package, name):
            raise  # installed, but something it needs is missing: that is a defect to be seen
        return None
