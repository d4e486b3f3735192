"""Whether PyTorch is here: only CUDA, the official networks and training need it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from autrack_ros.tracking.errors import ConfigurationError


def torch_is_installed() -> bool:
    """Whether ``import torch`` would find it; it is not imported for that."""
    try:
        return "torch" in sys.modules or find_spec("torch") is not None
    except (ImportError, ValueError):  # something keeps it from being imported
        return False


def require_torch(what: str) -> None:
    """Refuse what cannot be done without PyTorch.

    Args:
        what: needs it; the beginning of the message.

    Raises:
        ConfigurationError: it is not installed.
    """
    if not torch_is_installed():
        raise ConfigurationError(
            f"{what} needs PyTorch, which is not installed: pip install torch (for a CPU alone, "
            "add --index-url https://download.pytorch.org/whl/cpu)"
        )
