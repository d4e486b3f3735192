"""The command line program ``autrack``."""

from autrack_ros.cli.app import app, main

__all__ = ["app", "main"]
