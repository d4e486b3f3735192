"""Libraries that only some commands need."""

from __future__ import annotations

from importlib.util import find_spec


def require(**modules: str) -> None:
    """Check that libraries are installed before anything is done.

    Args:
        modules: import name, and the extra of this package that installs it.

    Raises:
        ConfigurationError: one is not; names the extra.
    """
    from autrack_ros.tracking.errors import ConfigurationError

    for module, extra in modules.items():
        if find_spec(module) is None:
            raise ConfigurationError(
                f"{module} is not installed: pip install {module} (part of the extra [{extra}])"
            )


def require_ros(option: str) -> None:
    """Check that ROS 2 and the messages of this package are there.

    Args:
        option: that needs them.

    Raises:
        ConfigurationError: something is missing; says how to get it.
    """
    from autrack_ros.executables import MENDS
    from autrack_ros.tracking.errors import ConfigurationError

    for module in ("rclpy", "autrack_ros.msg"):
        if find_spec(module) is None:
            raise ConfigurationError(f"{option} needs {module}, which is missing: {MENDS[module]}")
