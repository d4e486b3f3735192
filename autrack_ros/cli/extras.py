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
