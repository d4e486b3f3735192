"""What is said of a weights file that cannot be read."""

from __future__ import annotations

from pathlib import Path

from autrack_ros.tracking.errors import CheckpointError

ACCEPTED = (
    ".safetensors, or a torch file (.pkl, .pth, .pt) holding a state_dict or a training snapshot "
    "with 'model_state_dict'"
)


def undecodable(path: Path, error: Exception) -> CheckpointError:
    """The error for a file that its parser refuses."""
    lines = str(error).strip().splitlines()
    reason = f"{type(error).__name__}{': ' + lines[0] if lines else ''}"
    return CheckpointError(
        f"checkpoint {path} cannot be decoded ({reason}); it is damaged or not a weights file; "
        f"accepted: {ACCEPTED}"
    )
