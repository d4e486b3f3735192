"""The version of the package."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree


def version() -> str:
    """Version of the package, from its ``package.xml``, the one place where it is written."""
    prefixes = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    manifests = [
        Path(__file__).parents[2] / "package.xml",
        *(Path(prefix) / "share" / "autrack_ros" / "package.xml" for prefix in prefixes),
    ]
    for manifest in manifests:
        if manifest.is_file():
            return ElementTree.parse(manifest).findtext("version", "unknown").strip()
    return metadata.version("autrack_ros")
